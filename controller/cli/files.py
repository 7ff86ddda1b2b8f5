"""New files for people to keep in Git: all of them or none, and never by accident over one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from controller.model.errors import MerchantctlError


def write_all(files: Mapping[Path, str], *, overwrite: bool) -> None:
    """Writes every file; folders are created as needed. MerchantctlError, before the first, where one is in the way."""
    if not overwrite:
        _refuse_to_overwrite(files)
    for path, text in files.items():
        write(path, text, overwrite=overwrite)


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    """One file, readable for whoever the umask lets."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise MerchantctlError(f"{path} cannot be written: {error.strerror}. Mend that and run it again.") from None


def _refuse_to_overwrite(files: Mapping[Path, str]) -> None:
    there = [str(path) for path in files if path.exists()]
    if there:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise MerchantctlError(
            f"{', '.join(there[:3])}{more}: there already, so nothing was written. "
            "Name another folder with --out, or say --overwrite."
        )
