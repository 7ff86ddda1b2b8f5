"""What sound files declare, kept from one run to the next by the hash of their bytes: only a shorter way to the same.

    first line     the code that read the files, since another may read them otherwise; a hash of the lines below
    every other    the hash of a file's bytes, and its manifests as JSON

A file is read at every run and its bytes decide, never its age or name; profiles and merchants are put together anew.
Without a folder, on a full or a read-only disk, and when its own file is garbage, it is as if nothing were kept.
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

from controller.desired.document import Document, Word, declared
from controller.desired.layers import TIME_ZONE
from controller.desired.source import Position
from controller.model import schedule, values
from controller.model.schedule import complaint_about_zone
from controller.model.values import Ref

LARGE = 100_000
"""Bytes to keep from which on it is worth a file: fewer manifests are parsed before a person notices."""

_ROOTS = 8
"""Roots that a folder keeps, those that changed last."""

_TOO_MUCH = 256 * 1024 * 1024
"""Bytes beyond which a file of ours is left unread."""


class Kept:
    """What was kept for one root. `documents` and `keep` file by file, then `save`."""

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._before = _lines(place) if place else {}
        self._now: dict[bytes, bytes] = {}

    @classmethod
    def of(cls, root: Path, folder: Path | None) -> Self:
        """What the folder keeps for this root; None = nothing is kept."""
        name = sha256(os.path.realpath(root).encode(errors="surrogateescape")).hexdigest()[:32]
        return cls(folder / f"manifests-{name}" if folder else None)

    def documents(self, content: bytes, file: str) -> tuple[Document, ...] | None:
        """What a file of these bytes declares, where that is known; `file` is how it is called now."""
        key = _key(content)
        line = self._before.get(key)
        if line is None:
            return None
        found = tuple(_document(file, row) for row in from_json(line))
        if any(complaint_about_zone(str(each.values[TIME_ZONE])) for each in found if TIME_ZONE in each.values):
            return None
        self._now[key] = line
        return found

    def keep(self, content: bytes, documents: Iterable[Document]) -> None:
        """What a sound file declares."""
        if self._place:
            self._now[_key(content)] = json.dumps([_row(each) for each in documents]).encode()

    def save(self) -> None:
        """Where there is something new: the files of this run, those of earlier ones no more."""
        if not self._place or self._now.keys() <= self._before.keys() or sum(map(len, self._now.values())) < LARGE:
            return
        with contextlib.suppress(OSError):
            _write(self._place, b"\n".join(b"%s %s" % each for each in self._now.items()))
            _thin_out(self._place.parent)


def _lines(place: Path) -> dict[bytes, bytes]:
    try:
        with open(place, "rb") as stream:
            content = stream.read() if os.fstat(stream.fileno()).st_size <= _TOO_MUCH else b""
    except OSError:
        return {}
    head, _, body = content.partition(b"\n")
    if head != _head(body):
        return {}
    return {key: line for key, _, line in (each.partition(b" ") for each in body.split(b"\n"))}


def _write(place: Path, body: bytes) -> None:
    """All or nothing, readable by nobody else: another run may read or write it at the same moment."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=place.parent, prefix=f"{place.name}.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(_head(body) + b"\n" + body)
        os.replace(beside, place)
    except OSError:
        os.unlink(beside)
        raise


def _thin_out(folder: Path) -> None:
    """Folders of manifests come and go; what was kept for those that are gone does too."""
    by_age = sorted(folder.glob("manifests-*"), key=lambda each: each.stat().st_mtime)
    for old in by_age[:-_ROOTS]:
        old.unlink(missing_ok=True)


def _key(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _head(body: bytes) -> bytes:
    return _code() + b" " + _key(body)


@cache
def _code() -> bytes:
    """A hash of the code that reads manifests: with another line in it they may mean something else."""
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(values.__file__), Path(schedule.__file__)]
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest().encode()


# A manifest as JSON and back -----------------------------------------------------------------------------


def _row(document: Document) -> list[Any]:
    said = {
        path: {value.by: value.value} if isinstance(value, Ref) else value for path, value in document.values.items()
    }
    head = [document.kind, document.name, document.named, document.base, document.unmanaged]
    return [*head, document.labels, said, document.places]


def _document(file: str, row: list[Any]) -> Document:
    kind, name, named, base, unmanaged, labels, said, places = row
    return Document(
        file,
        kind,
        name,
        Position(*named),
        _word(base) if base else None,
        tuple(map(_word, unmanaged)),
        labels,
        {path: declared(value) for path, value in said.items()},
        places,
    )


def _word(row: Any) -> Word:
    text, place = row
    return Word(text, Position(*place))
