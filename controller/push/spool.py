"""The records of one push on disk, each once, as it was said last. Gone when the push ends.

A push looks at its records more than once (are they all right? which are new? now send them), and stdin can be read
only once. In memory there is a portion of them at a time, however many there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from controller.model.commerce_records import COMMERCE_DATA_TYPES, CommerceRecord, Deletion
from controller.model.errors import MerchantctlError

PORTION = 500
"""Records, or ids, that are looked at together."""

Complaint = str
"""What is wrong with the input, as a sentence with its place."""

CACHE_KIB = 32 * 1024

_TABLES = """
CREATE TABLE records (
    number INTEGER PRIMARY KEY, key TEXT, record_id TEXT, kind TEXT, digest TEXT, created REAL, type TEXT, body TEXT,
    UNIQUE (key, record_id, kind)
);
CREATE TABLE deletions (key TEXT, record_id TEXT, PRIMARY KEY (key, record_id)) WITHOUT ROWID;
"""


class Spool:
    """`with Spool() as spool`."""

    contract_version: str | None = None
    says_that_there_is_nothing = False
    """A document has a list without records: a till that sold nothing is no mistake, as an empty file is."""

    def __init__(self) -> None:
        # A database without a name is a file that SQLite makes, and deletes when it is closed or the process dies.
        self._database = sqlite3.connect("", isolation_level=None)
        # Nothing of it has to outlive the process, or can be undone.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Raises MerchantctlError instead of SQLite's own error: mostly there is no room left."""
        self._database.close()
        if isinstance(error, sqlite3.Error):
            raise MerchantctlError(
                f"what is to be pushed cannot be kept on disk meanwhile: {error}. Name a folder with room for it in "
                "the variable SQLITE_TMPDIR, and push again"
            ) from error

    def add(self, record: CommerceRecord | Deletion) -> None:
        """A record in place of an earlier one, behind all others; a deletion ends all that bear its id."""
        if isinstance(record, Deletion):
            row: tuple[object, ...] = (record.key, record.record_id)
            # Only what came before: records of that id that follow are sent after the deletion.
            self._database.execute("DELETE FROM records WHERE key = ? AND record_id = ?", row)
            self._database.execute("INSERT OR IGNORE INTO deletions VALUES (?, ?)", row)
            return
        created = record.created.timestamp()
        row = (record.key, record.record_id, record.kind, record.digest, created, record.type, record.body)
        self._database.execute("INSERT OR REPLACE INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)

    def note_contract_version(self, version: Any) -> Iterator[Complaint]:
        """The version that all documents of a push have; a complaint where one has another."""
        if version is None:
            return
        if not isinstance(version, str):
            yield f"contractVersion: {version!r} is no text"
        elif self.contract_version not in (None, version):
            yield f"contractVersion: {version!r}, and {self.contract_version!r} before; push them one after the other"
        else:
            self.contract_version = version

    @property
    def type_keys(self) -> tuple[str, ...]:
        """The types of which there is something, in the order in which they are sent."""
        query = "SELECT 1 FROM records WHERE key = ?1 UNION ALL SELECT 1 FROM deletions WHERE key = ?1 LIMIT 1"
        return tuple(
            type_key for type_key in COMMERCE_DATA_TYPES if self._database.execute(query, (type_key,)).fetchone()
        )

    def record_portions(self, type_key: str) -> Iterator[Sequence[CommerceRecord]]:
        """The records of a type, in the order in which they came."""
        cursor = self._database.execute("SELECT * FROM records WHERE key = ? ORDER BY number", (type_key,))
        while rows := cursor.fetchmany(PORTION):
            yield [
                CommerceRecord(type_key, record_id, kind, digest, datetime.fromtimestamp(created, UTC), type_, body)
                for _, type_key, record_id, kind, digest, created, type_, body in rows
            ]

    def deletion_portions(self, type_key: str) -> Iterator[Sequence[str]]:
        """The ids of a type that are to be deleted."""
        cursor = self._database.execute("SELECT record_id FROM deletions WHERE key = ? ORDER BY record_id", (type_key,))
        while rows := cursor.fetchmany(PORTION):
            yield [row[0] for row in rows]

    def ids_to_delete_among(self, type_key: str, record_ids: Collection[str]) -> set[str]:
        """Which of these are to be deleted."""
        query = "SELECT record_id FROM deletions WHERE key = ? AND record_id IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._database.execute(query, (type_key, json.dumps([*record_ids])))}

    def kinds_by_id(self, type_key: str, record_ids: Collection[str]) -> dict[str, set[str]]:
        """By id the kinds of its records here; no entry: there is none."""
        query = "SELECT record_id, kind FROM records WHERE key = ? AND record_id IN (SELECT value FROM json_each(?))"
        kinds: dict[str, set[str]] = {}
        for record_id, kind in self._database.execute(query, (type_key, json.dumps([*record_ids]))):
            kinds.setdefault(record_id, set()).add(kind)
        return kinds
