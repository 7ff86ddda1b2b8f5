"""Which files a root holds: every `*.yaml` and `*.yml` below it, and never one outside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from controller.desired.source import MAX_FILE_BYTES, too_large
from controller.model.merchant import Complaint

MAX_FILES = 100_000
_SUFFIXES = (".yaml", ".yml")


class File(NamedTuple):
    """A file as the user would type it, and its content or what is wrong with it."""

    name: str
    content: bytes | Complaint


def below(root: Path) -> Iterator[File]:
    """The files by name, hidden ones left out; a root that is a file is that file."""
    if root.is_file():
        yield _read(str(root), shown(str(root)), None)
        return
    inside = os.path.realpath(root)
    typed = shown(str(root))
    for count, (path, regular) in enumerate(_paths(str(root), inside)):
        name = _printable(os.path.normpath(typed + path[len(str(root)) :]))
        if count >= MAX_FILES:
            yield File(name, Complaint(name, 1, 1, f"more than {MAX_FILES} files", "split the root"))
            return
        yield _read_regular(path, name) if regular else _read(path, name, inside)


def marks(root: Path) -> str:
    """Another text once a file has come, gone or been written; reads no file. For a root that is gone, too."""
    paths = [(str(root), True)] if root.is_file() else _paths(str(root), os.path.realpath(root))
    digest = sha256()
    for path, _ in islice(paths, MAX_FILES):
        digest.update(f"{path}\0{_mark(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _mark(path: str) -> tuple[int, ...]:
    try:
        kind = os.stat(path)
    except OSError:
        return ()
    return kind.st_ino, kind.st_size, kind.st_mtime_ns, kind.st_ctime_ns


def shown(path: str) -> str:
    """A path as the user would type it from the current folder, always printable."""
    relative = os.path.relpath(path)
    return _printable(os.path.normpath(path) if relative.startswith("..") else relative)


def _printable(path: str) -> str:
    return path if path.isascii() else os.fsencode(path).decode(errors="replace")


def _paths(folder: str, inside: str) -> Iterator[tuple[str, bool]]:
    """Each path, and whether it is known to be a regular file, which most are: that saves two questions a file."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder, False
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(entry.path, inside)
        elif entry.is_symlink():
            yield from ((path, False) for path in _linked(entry, inside))
        elif entry.name.endswith(_SUFFIXES):
            yield entry.path, entry.is_file(follow_symlinks=False)


def _linked(entry: os.DirEntry[str], inside: str) -> Iterator[str]:
    """A link is followed to a hidden file below the root (mounted volumes do that); others are read at their place."""
    target = os.path.realpath(entry.path)
    below_root = os.path.relpath(target, inside)
    if not _is_below(target, inside):
        if entry.name.endswith(_SUFFIXES) or entry.is_dir():
            yield entry.path
    elif entry.name.endswith(_SUFFIXES) and (below_root.startswith(".") or f"{os.sep}." in below_root):
        yield entry.path


def _read(path: str, name: str, inside: str | None) -> File:
    if inside and os.path.islink(path) and not _is_below(os.path.realpath(path), inside):
        return File(name, Complaint(name, 1, 1, "a link to something outside the root", "copy the file into the root"))
    if os.path.exists(path) and not os.path.isfile(path):
        return File(name, Complaint(name, 1, 1, "not a regular file", "remove it from the root"))
    return _read_regular(path, name)


def _read_regular(path: str, name: str) -> File:
    try:
        with open(path, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            return File(name, stream.read() if size <= MAX_FILE_BYTES else too_large(name, size))
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        return File(name, Complaint(name, 1, 1, what, "mend its permissions or remove it"))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
