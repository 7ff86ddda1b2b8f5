"""A SQLite state that this process may not write is copied, and the copy is read, written and thrown away.

SQLite itself cannot open it read-only: a database in WAL mode needs write access even to read.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from state.errors import StateUnusable


def unwritable_reason(path: str) -> str | None:
    """Why this process cannot write a state at this path or make files beside it; None where it can.

    Raises StateUnusable where the state exists and cannot be read. The file's permissions are checked without opening
    it: closing it again would end the locks of a SQLite in this process that has it open.
    """
    file = Path(path).absolute()
    folder = next(parent for parent in file.parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        _check_readable(file)
        return f"its folder {folder} is not writable"
    if file.exists() and not os.access(file, os.W_OK):
        _check_readable(file)
        return "it may only be read"
    return None


@contextmanager
def temporary_copy(path: str) -> Iterator[str]:
    """The path of a temporary copy, deleted on exit; where there is no state yet, nothing is at that path.

    Raises StateUnusable.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(TemporaryDirectory(prefix="merchantctl-"))
            copy = f"{folder}/{Path(path).name}"
            if Path(path).exists():
                _copy(path, copy)
        except OSError as error:
            raise StateUnusable(
                f"the state {path}, which may only be read, cannot be copied to be looked into: {error.strerror}. "
                "Make room, or name another folder for copies with TMPDIR."
            ) from error
        yield copy


def _copy(path: str, copy: str) -> None:
    """Copy one consistent snapshot of a database."""
    # While another process has it open, a `-shm` file is beside it, and SQLite can read along. Where that fails nobody
    # has it open, so nobody writes, and its files can be copied as they are. So can what is no database: whoever opens
    # the copy says so.
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.DatabaseError:
        Path(copy).unlink(missing_ok=True)
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")


def _check_readable(file: Path) -> None:
    """Raises StateUnusable where the file exists and cannot be read."""
    if file.exists() and not os.access(file, os.R_OK):
        raise StateUnusable(
            f"the state {file} cannot be read: {os.strerror(errno.EACCES)}. "
            "Give this user the right to, or name another place with MERCHANTCTL_STATE."
        )
