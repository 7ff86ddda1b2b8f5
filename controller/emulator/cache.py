"""Codat's cache: what it knows of a merchant's books as of the last pull of each type (REFERENCE 3.10).

It belongs to a connection and follows the books one data type at a time. A row deleted at the platform
stays, marked; one that came and went between two pulls was never seen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.emulator import books
from controller.emulator.clock import stamp
from controller.emulator.records import BooksRow, Company, Connection, Pulled


def held(company: Company, connection: Connection, data_type: str) -> list[dict[str, Any]] | None:
    """The rows of one type as `/data/...` shows them; None when that type was never pulled."""
    pulled = connection.pulled.get(data_type)
    if pulled is None:
        return None
    return [
        {**row, "modifiedDate": stamp(pulled.modified.get(row["id"], pulled.first))}
        for row in rows(company, connection, data_type)
    ]


def rows(company: Company, connection: Connection, data_type: str) -> tuple[BooksRow, ...]:
    """The rows of one type without `modifiedDate`; none when that type was never pulled."""
    pulled = connection.pulled.get(data_type)
    if pulled is None:
        return ()
    if pulled.rows is not None:
        return pulled.rows
    return books.rows_of(company.id, connection.platform, {}, data_type)


def renewed(company: Company, connection: Connection, data_type: str, now: datetime) -> Connection:
    """The connection after a successful pull of one type; the same one if there is nothing to cache."""
    if data_type not in books.KINDS:
        return connection
    fresh = _taken_over(company, connection, data_type, now)
    return replace(connection, pulled={**connection.pulled, data_type: fresh})


def changed(before: Connection, after: Connection, data_type: str) -> bool:
    """Whether the rows of one type differ between two states of a connection."""
    old, new = before.pulled.get(data_type), after.pulled.get(data_type)
    if old is None or new is None:
        return new is not old
    return old.modified != new.modified


def _taken_over(company: Company, connection: Connection, data_type: str, now: datetime) -> Pulled:
    old = connection.pulled.get(data_type)
    edited = company.books.get(connection.platform, {})
    if not books.is_edited(edited, data_type):
        return replace(old, at=now) if old else Pulled(at=now, first=now)
    fresh = books.rows(company, connection.platform, data_type)
    known = {row["id"]: row for row in rows(company, connection, data_type)}
    kept = tuple(row for row in fresh if row["id"] in known or not row["metadata"]["isDeleted"])
    if old is None:
        return Pulled(at=now, first=now, rows=kept)
    moved = {row["id"]: now for row in kept if known.get(row["id"]) != row}
    return Pulled(at=now, first=old.first, rows=kept, modified={**old.modified, **moved})
