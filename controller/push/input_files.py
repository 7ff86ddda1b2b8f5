"""What a push reads: a file, a folder of files or stdin, as text; and the records in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from controller.model.commerce_records import COMMERCE_DATA_TYPES, complaints, parse_record
from controller.model.errors import UsageError
from controller.push.json_stream import FoundEmptyList, FoundVersion, InvalidJson, read_values
from controller.push.spool import Complaint, Spool

STDIN = "-"
SUFFIXES = (".json", ".ndjson", ".jsonl")
"""Of the files of a folder that are read."""

MAX_COMPLAINTS = 1000
"""After so many nothing more is read: the file is another one than was meant."""

_TYPE_IS_MISSING = (
    "of which type is it? Say --type orders, payments or transactions, or name the file so (orders.ndjson), "
    'or write a document: {"orders": [...], "payments": [...], "transactions": [...]}'
)


def read_into_spool(spool: Spool, source: str, type_key: str | None) -> list[Complaint]:
    """Reads all records of a source into a spool; what is wrong with it, each with its place.

    type_key  the type of records that do not stand in a list of one; None: as the file's name says

    Raises UsageError where there is nothing to read.
    """
    found: list[Complaint] = []
    for name, path in _named_files(source):
        with _open(path) as file:
            for complaint in _read_file(spool, file, type_key or _type_key_in_name(name)):
                found.append(f"{name}: {complaint}")
                if len(found) >= MAX_COMPLAINTS:
                    return found
    return found


def _named_files(source: str) -> Iterable[tuple[str, Path | None]]:
    """The files by the name that complaints have for them, in the order of their names: what comes later counts."""
    if source == STDIN:
        return [("<stdin>", None)]
    path = Path(source)
    if not path.is_dir():
        return [(source, path)]
    files = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and not _is_hidden(each, path))
    if not files:
        raise UsageError(f"there is no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file in {source}; nothing was sent")
    return [(str(each), each) for each in files]


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _type_key_in_name(name: str) -> str | None:
    """The one of the types that a file's name has, as `2026-11-28-orders.ndjson` does."""
    named = [type_key for type_key in COMMERCE_DATA_TYPES if type_key in Path(name).name.lower()]
    return named[0] if len(named) == 1 else None


@contextmanager
def _open(path: Path | None) -> Iterator[IO[str]]:
    """The text of a file or of stdin, without a byte-order mark. Raises UsageError."""
    if path is None:
        yield TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="\n")
        return
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Nothing was sent.") from None


def _read_file(spool: Spool, file: IO[str], type_key: str | None) -> Iterator[Complaint]:
    """Puts the records of one file into the spool; complaints come back."""
    try:
        for found in read_values(file.read):
            if isinstance(found, FoundVersion):
                yield from spool.note_contract_version(found.value)
                continue
            if isinstance(found, FoundEmptyList):
                spool.says_that_there_is_nothing = True
                continue
            of_key = found.key or type_key
            if of_key is None:
                yield f"{found.place}: {_TYPE_IS_MISSING}"
                return
            wrong = [f"{found.place}{complaint}" for complaint in complaints(of_key, found.value)]
            yield from wrong
            if not wrong:
                try:
                    spool.add(parse_record(of_key, found.value))
                except UnicodeEncodeError as error:
                    yield f"{found.place}: {error.object[error.start]!r} is half of a character"
                except ValueError as error:
                    yield f"{found.place}: {error}"
    except InvalidJson as error:
        yield f"line {error.line}: not JSON that can be pushed: {error.why}"
    except UnicodeDecodeError as error:
        yield f"not UTF-8: {error.reason}"
