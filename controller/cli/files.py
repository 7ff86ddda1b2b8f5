"""New files for people to keep in Git, never by accident over one that is there."""

from __future__ import annotations

from pathlib import Path

from controller.model.errors import MerchantctlError


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    """One file, readable for whoever the umask lets; folders are created as needed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise MerchantctlError(f"{path} cannot be written: {error.strerror}. Mend that and run it again.") from None
