"""Which files a root holds: every `*.yaml` and `*.yml` below it, and none outside of it.

What might be a manifest and cannot be read as one is a diagnostic: skipped silently, its merchants would count as
removed.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from controller.desired.yaml_reader import MAX_FILE_BYTES, too_large_diagnostic
from controller.model.desired import Diagnostic
from controller.model.errors import MerchantctlError

MAX_FILES = 100_000
_SUFFIXES = (".yaml", ".yml")

_COMMIT_FOLDER = re.compile(r"(?P<clone>.*/git/[0-9a-f]{16}/trees/)[0-9a-f]{40,64}(?P<folder>-[0-9a-f]{8})(?:/|$)")
"""Where `git_source` checks a commit out, below the cache folder."""


class ManifestFile(NamedTuple):
    """A file, as the user would type its path, and its content or what is wrong with it."""

    display_name: str
    content: bytes | Diagnostic


def read_manifest_files(root: Path) -> Iterator[ManifestFile]:
    """The files below a root, sorted, without hidden ones; a root that is a file is that file."""
    if root.is_file():
        yield _read_if_regular(str(root), display_path(str(root)), None)
        return
    real_root, root_name = os.path.realpath(root), display_path(str(root))
    for count, (path, is_regular) in enumerate(_candidate_paths(str(root), real_root)):
        name = _printable_path(os.path.normpath(root_name + path[len(str(root)) :]))
        if count >= MAX_FILES:
            yield ManifestFile(name, Diagnostic(name, 1, 1, f"more than {MAX_FILES} files", "split the root"))
            return
        yield _read_regular(path, name) if is_regular else _read_if_regular(path, name, real_root)


def tree_stat_digest(root: Path) -> str:
    """A hash that changes once a file is added, removed or written; reads no file. Also of a root that is gone,
    or may not be looked at."""
    paths = [(str(root), True)] if os.path.isfile(root) else _candidate_paths(str(root), os.path.realpath(root))
    digest = sha256()
    for path, _ in islice(paths, MAX_FILES):
        try:
            stat = os.stat(path)
            identity: tuple[int, ...] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except OSError:
            identity = ()
        digest.update(f"{path}\0{identity}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def commit_independent_path(root: Path) -> str:
    """The real path of a root; of one that is a commit's, the same for every commit of that folder."""
    path = os.path.realpath(root)
    in_commit = _COMMIT_FOLDER.match(path)
    return f"{in_commit['clone']}{in_commit['folder']}/{path[in_commit.end() :]}" if in_commit else path


def display_path(path: str) -> str:
    """A path as the user would type it from the current folder, always printable.

    Of a commit, as it stands in the repository: nobody edits the file in the cache, and links lead nowhere from there.
    """
    in_commit = _COMMIT_FOLDER.match(os.path.abspath(path))
    if in_commit:
        return _printable_path(os.path.abspath(path)[in_commit.end() :] or ".")
    relative = os.path.relpath(path)
    return _printable_path(os.path.normpath(path) if relative.startswith("..") else relative)


def _printable_path(path: str) -> str:
    return path if path.isascii() else os.fsencode(path).decode(errors="replace")


def _candidate_paths(folder: str, real_root: str) -> Iterator[tuple[str, bool]]:
    """Each path, and whether it is known to be a regular file: that saves two system calls for nearly every file."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        _raise_if_exhausted(error)
        yield folder, False
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if entry.name.endswith(_SUFFIXES):
                yield entry.path, False
            yield from _candidate_paths(entry.path, real_root)
        elif entry.is_symlink():
            yield from ((path, False) for path in _link_if_to_be_read(entry, real_root))
        elif entry.name.endswith(_SUFFIXES):
            yield entry.path, entry.is_file(follow_symlinks=False)
        elif entry.name.lower().endswith(_SUFFIXES):
            yield entry.path, False


def _link_if_to_be_read(entry: os.DirEntry[str], real_root: str) -> Iterator[str]:
    """The link itself where it has to be read: it leads to a file below the root that is not read at its own place.

    That is so for mounted volumes (Kubernetes), which keep the files in hidden folders. A link that leads nowhere, or
    out of the root, is read to become a diagnostic.
    """
    target = os.path.realpath(entry.path)
    below_root = os.path.relpath(target, real_root)
    if not os.path.exists(entry.path):
        yield entry.path
    elif not _is_below(target, real_root):
        if entry.name.endswith(_SUFFIXES) or entry.is_dir():
            yield entry.path
    elif entry.name.endswith(_SUFFIXES):
        is_hidden = below_root.startswith(".") or f"{os.sep}." in below_root
        if is_hidden or not target.endswith(_SUFFIXES) or entry.is_dir():
            yield entry.path


def _read_if_regular(path: str, name: str, real_root: str | None) -> ManifestFile:
    """A path that is no regular file for sure: its content where it is one, else what is wrong with it."""

    def problem(what: str, remedy: str) -> ManifestFile:
        return ManifestFile(name, Diagnostic(name, 1, 1, what, remedy))

    if real_root and os.path.islink(path) and not _is_below(os.path.realpath(path), real_root):
        return problem("a link to something outside the root", "copy the file into the root")
    if os.path.islink(path) and not os.path.exists(path):
        return problem("a link to something that is not there", "mend or remove the link")
    if os.path.isdir(path):
        return ManifestFile(name, _folder_diagnostic(path, name))
    if os.path.exists(path) and not os.path.isfile(path):
        return problem("not a regular file", "remove it from the root")
    if not name.endswith(_SUFFIXES) and name.lower().endswith(_SUFFIXES):
        suffix = name[name.rindex(".") :]
        return problem(f"a name that ends in {suffix}", f"rename it to {suffix.lower()}")
    return _read_regular(path, name)


def _folder_diagnostic(path: str, name: str) -> Diagnostic:
    try:
        os.scandir(path).close()
    except OSError as error:
        return Diagnostic(name, 1, 1, f"a folder that cannot be read: {error.strerror}", "mend its permissions")
    return Diagnostic(name, 1, 1, "a folder that is called like a manifest", "rename it, or put a file in its place")


def _read_regular(path: str, name: str) -> ManifestFile:
    try:
        with open(path, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            return ManifestFile(name, stream.read() if size <= MAX_FILE_BYTES else too_large_diagnostic(name, size))
    except OSError as error:
        _raise_if_exhausted(error)
        what = f"cannot be read: {error.strerror}"
        return ManifestFile(name, Diagnostic(name, 1, 1, what, "mend its permissions or remove it"))


def _raise_if_exhausted(error: OSError) -> None:
    """MerchantctlError where the process lacks file descriptors or memory: the manifests may be fine."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise MerchantctlError(
            f"the manifests cannot be read now: {error.strerror}; raise the limit (ulimit -n), or end what uses it up"
        ) from None


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
