"""Files that commands write: completely or not at all.

Those that people keep in Git are written inside their root only; a new one never over another.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from controller.model.errors import MerchantctlError


def read_file(path: Path) -> bytes:
    """The content of a file. Raises MerchantctlError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MerchantctlError(f"{path} cannot be read: {error.strerror}. Mend that and run it again.") from None


def write_new_file(path: Path, text: str, root: Path) -> None:
    """Write a file that does not exist yet, with the umask's permissions; folders are created as needed.

    Raises MerchantctlError, also where the path leads out of `root`.
    """
    try:
        _require_inside(root, path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
            except BaseException:
                # On a full disk: an empty manifest left behind would be taken for a declaration.
                path.unlink()
                raise
    except OSError as error:
        raise _unwritable_error(path, error) from None


def overwrite_file(path: Path, before: bytes, after: bytes, root: Path) -> None:
    """Replace the content of an existing file atomically, keeping its permissions.

    Raises MerchantctlError, also where the file is not as `before` any more: somebody has written to it meanwhile.
    """
    try:
        # The link's target is replaced, so that a link, as mounted volumes have them, stays a link.
        target = Path(os.path.realpath(path))
        _require_inside(root, target)
        if target.read_bytes() != before:
            raise MerchantctlError(f"{path} was changed meanwhile, and is left as it is. Run this again.")
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(after)
            os.chmod(temporary, target.stat().st_mode & 0o7777)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _unwritable_error(path, error) from None


def write_output_file(path: Path, text: str) -> None:
    """Write a file completely or not at all, readable for its owner only; folders are created as needed.

    Raises MerchantctlError. Only a regular file is replaced: a link may lead elsewhere, and a device keeps nothing.
    """
    if path.is_symlink():
        raise MerchantctlError(f"{path} is a link, and links are not followed. Name the file itself.")
    if path.exists() and not path.is_file():
        raise MerchantctlError(f"{path} is no regular file. Name another file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise MerchantctlError(f"{path} cannot be written: {error.strerror}. Name another file.") from None


def _require_inside(root: Path, path: Path) -> None:
    """Raises MerchantctlError where a path leads out of the root, as by a link."""
    real_root, real_path = os.path.realpath(root), os.path.realpath(path)
    if real_path != real_root and not real_path.startswith(real_root.rstrip(os.sep) + os.sep):
        raise MerchantctlError(
            f"{path} leads out of {root}, to {real_path}: nothing is written there. Put a folder in place of the link."
        )


def _unwritable_error(path: Path, error: OSError) -> MerchantctlError:
    return MerchantctlError(f"{path} cannot be written: {error.strerror}. Mend that and run it again.")
