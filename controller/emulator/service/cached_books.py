"""Codat's cache of a merchant's books, as of the last pull of each data type (API notes 3.10).

It belongs to a connection. A row deleted at the platform stays, marked as deleted; one that was added and deleted
between two pulls never appears.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.emulator.service import books
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import BooksRow, CachedRows, CompanyRecord, ConnectionRecord


def cached_rows_json(
    company: CompanyRecord, connection: ConnectionRecord, data_type: str
) -> list[dict[str, Any]] | None:
    """The rows of one type as `/data/...` shows them; None when that type was never pulled."""
    pulled = connection.pulled.get(data_type)
    if pulled is None:
        return None
    return [
        {**row, "modifiedDate": format_timestamp(pulled.modified.get(row["id"], pulled.first))}
        for row in cached_rows(company, connection, data_type)
    ]


def cached_rows(company: CompanyRecord, connection: ConnectionRecord, data_type: str) -> tuple[BooksRow, ...]:
    """The rows of one type without `modifiedDate`; none when that type was never pulled."""
    pulled = connection.pulled.get(data_type)
    if pulled is None:
        return ()
    if pulled.rows is not None:
        return pulled.rows
    return books.rows_with_edits(company.id, connection.platform, {}, data_type)


def connection_after_pull(
    company: CompanyRecord, connection: ConnectionRecord, data_type: str, now: datetime
) -> ConnectionRecord:
    """The connection after a successful pull of one type; the same one if there is nothing to cache."""
    if data_type not in books.LIST_TYPES:
        return connection
    fresh = _pulled_rows(company, connection, data_type, now)
    return replace(connection, pulled={**connection.pulled, data_type: fresh})


def has_changed(before: ConnectionRecord, after: ConnectionRecord, data_type: str) -> bool:
    """Whether the rows of one type differ between two states of a connection."""
    old, new = before.pulled.get(data_type), after.pulled.get(data_type)
    if old is None or new is None:
        return new is not old
    return old.modified != new.modified


def _pulled_rows(company: CompanyRecord, connection: ConnectionRecord, data_type: str, now: datetime) -> CachedRows:
    old = connection.pulled.get(data_type)
    edited = company.books.get(connection.platform, {})
    # Untouched starting books are not copied: thousands of seeded companies share them.
    if not books.is_edited(edited, data_type):
        return replace(old, at=now) if old else CachedRows(at=now, first=now)
    fresh = books.rows(company, connection.platform, data_type)
    # A deleted row that no pull had seen before it was deleted is unknown to the cache, and stays so.
    known = {row["id"]: row for row in cached_rows(company, connection, data_type)}
    kept = tuple(row for row in fresh if row["id"] in known or not row["metadata"]["isDeleted"])
    if old is None:
        return CachedRows(at=now, first=now, rows=kept)
    changed = {row["id"]: now for row in kept if known.get(row["id"]) != row}
    return CachedRows(at=now, first=old.first, rows=kept, modified={**old.modified, **changed})
