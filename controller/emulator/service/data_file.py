"""A world kept in one SQLite file: a row for each row of its tables, written after each change.

rows(table, key, position, value)   value is JSON; positions keep the order of creation
facts(name, value)                  the account, the clock's offset, and when the world was last alive
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.company_records import CachedRows, CompanyRecord, ConnectionRecord, PullRecord
from controller.emulator.service.world import Table, World

_DATA_FILE_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
  tab TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tab, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COMPANIES_TABLE = "companies"
_APPLICATION_ID = 0x6D656D75
"""Marks the file as ours."""


class UnusableDataFileError(Exception):
    """The file of `--data` cannot be used; the text says which and why."""


class DataFile:
    """One open data file."""

    def __init__(self, path: str) -> None:
        """Open or make the file. Raises UnusableDataFileError."""
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._check_and_prepare(fresh=not Path(path).stat().st_size)
        except (sqlite3.Error, OSError) as error:
            advice = "name a new file or one that an emulator made"
            raise UnusableDataFileError(f"{path}: {error}; {advice}") from None
        self._position = count(self._last_position() + 1)
        self._offset = ""

    def load_into(self, world: World) -> None:
        """Fill an empty world with what the file holds."""
        for tab, key, value in self._connection.execute("SELECT tab, key, value FROM rows ORDER BY position"):
            row = json.loads(value)
            if tab == _COMPANIES_TABLE:
                world.companies[key] = _company_from_row(row)
            else:
                world.table(tab)[key] = row
        facts = dict(self._connection.execute("SELECT name, value FROM facts"))
        if facts:
            world.clock.advance(timedelta(seconds=float(facts["offset"])))
            world.alive_until = parse_timestamp(facts["alive"])
            world.account = world.settings.account or facts.get("account", world.account)
        for _, rows in _tables(world):
            rows.changed_keys.clear()

    def save(self, world: World) -> None:
        """Write what changed since the last save; nothing is done when nothing did."""
        changed = [(name, rows) for name, rows in _tables(world) if rows.changed_keys]
        offset = str(world.clock.offset.total_seconds())
        if not changed and offset == self._offset:
            return
        with self._transaction():
            for name, rows in changed:
                self._write_changed_rows(name, rows)
            self._save_facts(offset=offset, alive=world.now().isoformat(), account=world.account)
        self._offset = offset

    def save_and_close(self, world: World) -> None:
        """The last save, with the moment up to which the world lived."""
        self._offset = ""
        self.save(world)
        self._connection.close()

    def _check_and_prepare(self, *, fresh: bool) -> None:
        (mark,) = self._connection.execute("PRAGMA application_id").fetchone()
        if not fresh and mark != _APPLICATION_ID:
            raise sqlite3.DatabaseError("file is not of an emulator")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        self._connection.executescript(_DATA_FILE_SCHEMA)

    def _last_position(self) -> int:
        (last,) = self._connection.execute("SELECT coalesce(max(position), 0) FROM rows").fetchone()
        return int(last)

    def _write_changed_rows(self, tab: str, rows: Table[Any]) -> None:
        kept = [key for key in rows.changed_keys if key in rows]
        gone = [(tab, key) for key in rows.changed_keys if key not in rows]
        rows.changed_keys.clear()
        self._connection.executemany("DELETE FROM rows WHERE tab = ? AND key = ?", gone)
        self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            ((tab, key, next(self._position), _encode_row(rows[key])) for key in kept),
        )

    def _save_facts(self, **facts: str) -> None:
        self._connection.executemany(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", facts.items()
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _tables(world: World) -> Iterator[tuple[str, Table[Any]]]:
    yield _COMPANIES_TABLE, world.companies
    yield from world.tables.items()


def _encode_row(row: Any) -> str:
    return json.dumps(row, default=_json_default, separators=(",", ":"))


def _json_default(value: Any) -> Any:
    """What JSON has no word for: our records and their moments."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _company_from_row(row: dict[str, Any]) -> CompanyRecord:
    return CompanyRecord(
        **{
            **row,
            "created": parse_timestamp(row["created"]),
            "connections": tuple(_connection_from_row(row_) for row_ in row["connections"]),
            "datasets": tuple(_pull_from_row(row_) for row_ in row["datasets"]),
            "categories": tuple(row["categories"]),
            "books": {
                platform: {data_type: tuple(rows) for data_type, rows in lists.items()}
                for platform, lists in row["books"].items()
            },
        }
    )


def _connection_from_row(row: dict[str, Any]) -> ConnectionRecord:
    return ConnectionRecord(
        **{
            **row,
            "created": parse_timestamp(row["created"]),
            "last_sync": parse_timestamp(row["last_sync"]) if row["last_sync"] else None,
            "errors": tuple(row["errors"]),
            "pulled": {data_type: _cached_rows_from_row(cached) for data_type, cached in row["pulled"].items()},
        }
    )


def _cached_rows_from_row(row: dict[str, Any]) -> CachedRows:
    return CachedRows(
        at=parse_timestamp(row["at"]),
        first=parse_timestamp(row["first"]),
        rows=None if row["rows"] is None else tuple(row["rows"]),
        modified={row_id: parse_timestamp(moment) for row_id, moment in row["modified"].items()},
    )


def _pull_from_row(row: dict[str, Any]) -> PullRecord:
    return PullRecord(
        **{**row, "requested": parse_timestamp(row["requested"]), "finishes": parse_timestamp(row["finishes"])}
    )
