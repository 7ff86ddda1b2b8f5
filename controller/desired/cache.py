"""The manifest cache: what valid files declare, kept from run to run by the hash of their bytes. It only saves time.

    first line     a hash of the code that read the files, since other code may read them otherwise; a hash of the rest
    every other    the hash of a file's bytes, and its manifests as JSON

Every run reads every file, and its bytes decide, never its age or name; merging and compiling is done anew.
Without a folder, on a full or a read-only disk, or with a corrupt cache file, everything is parsed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json

from controller.desired.discovery import commit_independent_path
from controller.desired.merge import TIME_ZONE_PATH
from controller.desired.parsed_manifest import LocatedText, ParsedManifest, to_declared_value
from controller.desired.yaml_reader import Position
from controller.model import field_values, local_times, name_matching
from controller.model.field_values import Ref, ref_to_manifest
from controller.model.local_times import time_zone_problem

MIN_CACHE_BYTES = 100_000
"""Bytes below which nothing is kept: so few manifests are parsed before a person notices."""

_MAX_ROOTS = 8
"""Roots that a cache folder holds, those that changed last."""

_MAX_CACHE_BYTES = 256 * 1024 * 1024
"""Bytes beyond which a cache file is not read: it would take more time than parsing, and memory."""


class ManifestCache:
    """The parsed manifests of one root: `get` and `put` file by file, then `save`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._loaded = _load_lines(path) if path else {}
        self._used: dict[bytes, bytes] = {}

    @classmethod
    def for_root(cls, root: Path, folder: Path | None) -> Self:
        """The cache of this root in a cache folder; None = nothing is kept."""
        # Most files of a commit are as they were in the one before.
        name = sha256(commit_independent_path(root).encode(errors="surrogateescape")).hexdigest()[:32]
        return cls(folder / f"manifests-{name}" if folder else None)

    def get(self, content: bytes, file: str) -> tuple[ParsedManifest, ...] | None:
        """The manifests of a file of these bytes; None where they have to be parsed. `file` is its name now."""
        key = _hash(content)
        line = self._loaded.get(key)
        if line is None:
            return None
        documents = tuple(_from_row(file, row) for row in from_json(line))
        # Whether a time zone exists is up to the machine's tzdata, which may be another one than when it was parsed.
        zones = (document.values[TIME_ZONE_PATH] for document in documents if TIME_ZONE_PATH in document.values)
        if any(time_zone_problem(str(zone)) for zone in zones):
            return None
        self._used[key] = line
        return documents

    def put(self, content: bytes, documents: Iterable[ParsedManifest]) -> None:
        """Keep the manifests of a file without diagnostics."""
        if self._path:
            self._used[_hash(content)] = json.dumps([_to_row(document) for document in documents]).encode()

    def save(self) -> None:
        """Write the files of this run, and no others, where there are new ones. Errors of the disk are ignored."""
        is_small = sum(map(len, self._used.values())) < MIN_CACHE_BYTES
        if not self._path or self._used.keys() <= self._loaded.keys() or is_small:
            return
        with contextlib.suppress(OSError):
            _write(self._path, b"\n".join(b"%s %s" % item for item in self._used.items()))
            by_age = sorted(self._path.parent.glob("manifests-*"), key=lambda path: path.stat().st_mtime)
            for old in by_age[:-_MAX_ROOTS]:
                old.unlink(missing_ok=True)


def _load_lines(path: Path) -> dict[bytes, bytes]:
    """By hash of a file, its line; empty where there is no cache file that can be trusted."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            stat = os.fstat(stream.fileno())
            # Anybody else who may write to it could change what manifests mean.
            is_private = stat.st_uid == os.geteuid() and not stat.st_mode & 0o022
            content = stream.read() if is_private and stat.st_size <= _MAX_CACHE_BYTES else b""
    except OSError:
        return {}
    header, _, body = content.partition(b"\n")
    if header != _header(body):
        return {}
    return {key: row for key, _, row in (line.partition(b" ") for line in body.split(b"\n"))}


def _write(path: Path, body: bytes) -> None:
    """Atomically, since another run may read or write it at the same moment; readable by nobody else."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(_header(body) + b"\n" + body)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _hash(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _header(body: bytes) -> bytes:
    return _source_hash() + b" " + _hash(body)


@cache
def _source_hash() -> bytes:
    """A hash of the code that reads manifests: with any other line in it they may mean something else."""
    others = (Path(str(module.__file__)) for module in (name_matching, field_values, local_times))
    sources = [*sorted(Path(__file__).parent.glob("*.py")), *others]
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest().encode()


# A manifest as JSON and back -----------------------------------------------------------------------------


def _to_row(document: ParsedManifest) -> list[Any]:
    values = {
        path: ref_to_manifest(value) if isinstance(value, Ref) else value for path, value in document.values.items()
    }
    head = [document.kind, document.name, document.name_position, document.base_profile, document.unmanaged]
    return [*head, document.labels, values, document.positions, document.renamed_from]


def _from_row(file: str, row: list[Any]) -> ParsedManifest:
    kind, name, name_position, base_profile, unmanaged, labels, values, positions, renamed_from = row
    return ParsedManifest(
        file,
        kind,
        name,
        Position(*name_position),
        _to_located_text(base_profile) if base_profile else None,
        tuple(map(_to_located_text, unmanaged)),
        labels,
        {path: to_declared_value(value) for path, value in values.items()},
        positions,
        renamed_from=_to_located_text(renamed_from) if renamed_from else None,
    )


def _to_located_text(row: Any) -> LocatedText:
    text, position = row
    return LocatedText(text, Position(*position))
