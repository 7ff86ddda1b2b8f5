"""A world kept in one SQLite file: a row for each row of its tables, written after each change.

rows(table, key, position, value)   value is JSON; positions keep the order of creation
facts(name, value)                  the clock's offset, and when the world was last alive
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

from controller.emulator.clock import instant
from controller.emulator.records import Company, Connection, Dataset, Pulled
from controller.emulator.world import Table, World

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
  tab TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tab, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COMPANIES = "companies"
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
            self._claim(fresh=not Path(path).stat().st_size)
        except (sqlite3.Error, OSError) as error:
            advice = "name a new file or one that an emulator made"
            raise UnusableDataFileError(f"{path}: {error}; {advice}") from None
        self._position = count(self._last_position() + 1)
        self._offset = ""

    def read_into(self, world: World) -> None:
        """Fill an empty world with what the file holds."""
        for tab, key, value in self._connection.execute("SELECT tab, key, value FROM rows ORDER BY position"):
            row = json.loads(value)
            if tab == _COMPANIES:
                world.companies[key] = _company(row)
            else:
                world.table(tab)[key] = row
        facts = dict(self._connection.execute("SELECT name, value FROM facts"))
        if facts:
            world.clock.advance(timedelta(seconds=float(facts["offset"])))
            world.last_alive = instant(facts["alive"])
        for _, rows in _tables(world):
            rows.touched.clear()

    def save(self, world: World) -> None:
        """Write what changed since the last save; nothing is done when nothing did."""
        changed = [(name, rows) for name, rows in _tables(world) if rows.touched]
        offset = str(world.clock.offset.total_seconds())
        if not changed and offset == self._offset:
            return
        with self._transaction():
            for name, rows in changed:
                self._write(name, rows)
            self._note(offset=offset, alive=world.now().isoformat())
        self._offset = offset

    def close(self, world: World) -> None:
        """The last save, with the moment up to which the world lived."""
        self._offset = ""
        self.save(world)
        self._connection.close()

    def _claim(self, *, fresh: bool) -> None:
        (mark,) = self._connection.execute("PRAGMA application_id").fetchone()
        if not fresh and mark != _APPLICATION_ID:
            raise sqlite3.DatabaseError("file is not of an emulator")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        self._connection.executescript(_SCHEMA)

    def _last_position(self) -> int:
        (last,) = self._connection.execute("SELECT coalesce(max(position), 0) FROM rows").fetchone()
        return int(last)

    def _write(self, tab: str, rows: Table[Any]) -> None:
        kept = [key for key in rows.touched if key in rows]
        gone = [(tab, key) for key in rows.touched if key not in rows]
        rows.touched.clear()
        self._connection.executemany("DELETE FROM rows WHERE tab = ? AND key = ?", gone)
        self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            ((tab, key, next(self._position), _encoded(rows[key])) for key in kept),
        )

    def _note(self, **facts: str) -> None:
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
    yield _COMPANIES, world.companies
    yield from world.tables.items()


def _encoded(row: Any) -> str:
    return json.dumps(row, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """What JSON has no word for: our records and their moments."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _company(row: dict[str, Any]) -> Company:
    return Company(
        **{
            **row,
            "created": instant(row["created"]),
            "connections": tuple(_connection(each) for each in row["connections"]),
            "datasets": tuple(_dataset(each) for each in row["datasets"]),
            "categories": tuple(row["categories"]),
            "books": {
                platform: {data_type: tuple(rows) for data_type, rows in lists.items()}
                for platform, lists in row["books"].items()
            },
        }
    )


def _connection(row: dict[str, Any]) -> Connection:
    return Connection(
        **{
            **row,
            "created": instant(row["created"]),
            "last_sync": instant(row["last_sync"]) if row["last_sync"] else None,
            "errors": tuple(row["errors"]),
            "pulled": {data_type: _pulled(each) for data_type, each in row["pulled"].items()},
        }
    )


def _pulled(row: dict[str, Any]) -> Pulled:
    return Pulled(
        at=instant(row["at"]),
        first=instant(row["first"]),
        rows=None if row["rows"] is None else tuple(row["rows"]),
        modified={row_id: instant(moment) for row_id, moment in row["modified"].items()},
    )


def _dataset(row: dict[str, Any]) -> Dataset:
    return Dataset(**{**row, "requested": instant(row["requested"]), "finishes": instant(row["finishes"])})
