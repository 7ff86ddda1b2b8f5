"""Validate an export value by value before any row of it is written. Pure.

What does not fit is refused with its place in the file, as in `tables.merchants[3].company_id`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from sqlalchemy import JSON, Boolean, Column, Index, Integer, Table

from state.errors import UnusableExport
from state.tables import (
    UtcTime,
    account,
    account_settings,
    applied,
    declarations,
    events,
    hooks,
    intents,
    manual_syncs,
    merchants,
    occurrences,
    pushed_connections,
    pushed_records,
    quarantine,
    renames,
    report_deliveries,
    revisions,
    rollout_merchants,
    rollouts,
    runs,
    samples,
    syncs,
    uploads,
    writes,
)

EXPORTED_TABLES = (
    *(account, account_settings, hooks, merchants, renames, declarations, applied, intents, occurrences, quarantine),
    *(runs, events, writes, rollouts, rollout_merchants, samples, revisions, report_deliveries),
    *(uploads, pushed_records, pushed_connections, manual_syncs),
)
"""The tables of an export, in the order in which they are imported."""

COLUMNS_ADDED_LATER = frozenset(
    {intents.c.key, intents.c.missed_at, merchants.c.contested, merchants.c.left_at, syncs.c.detail}
    | {runs.c.whose, runs.c.host, runs.c.revision}
    | {column for column in occurrences.c if column.nullable}
)
"""Columns without a default that exports of earlier versions lack."""

MAX_INTEGER = 2**31 - 1
"""The largest value of an INTEGER column in every database."""

ExportRow = dict[str, Any]


def read_rows(tables: Mapping[str, Any]) -> dict[str, list[ExportRow]]:
    """By table the rows, with values as the columns take them. Raises UnusableExport at the first misfit."""
    table_by_name = {table.name: table for table in EXPORTED_TABLES}
    tables = _findings_as_occurrences(tables)
    for name in tables:
        if name not in table_by_name:
            _refuse(f"tables.{name}", f"there is no such table; known are {', '.join(table_by_name)}")
    rows_by_table = {table.name: _read_table(table, tables.get(table.name, [])) for table in EXPORTED_TABLES}
    for table in EXPORTED_TABLES:
        unique_indexes = [index for index in table.indexes if index.unique and not _is_partial(index)]
        for columns in (table.primary_key.columns, *(index.columns for index in unique_indexes)):
            _refuse_duplicates(table, rows_by_table[table.name], [column.name for column in columns])
    for column in ("company_id", "connection_id"):
        _refuse_shared_ids(rows_by_table["merchants"], column)
    return rows_by_table


_OCCURRENCE_COLUMN_BY_FINDING_COLUMN = {"first_seen": "found_at", "last_seen": "last_seen", "cleared_at": "gone_at"}


def _findings_as_occurrences(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tables of an export of an earlier version, which had one row a finding: its latest occurrence."""
    rows = tables.get("findings")
    if "occurrences" in tables or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return tables
    occurrence_rows = [
        {
            "id": number,
            "told": "",
            **{_OCCURRENCE_COLUMN_BY_FINDING_COLUMN.get(name, name): value for name, value in row.items()},
        }
        for number, row in enumerate(rows, 1)
    ]
    return {
        **{name: table_rows for name, table_rows in tables.items() if name != "findings"},
        "occurrences": occurrence_rows,
    }


def _read_table(table: Table, rows: Any) -> list[ExportRow]:
    place = f"tables.{table.name}"
    if not isinstance(rows, list):
        _refuse(place, "this is no list of rows")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            _refuse(f"{place}[{number}]", "this is no row: an object of columns")
        for name in row:
            if name not in table.c:
                _refuse(
                    f"{place}[{number}].{name}", "there is no such column; another version may have made the export"
                )
    return [_read_row(table, row, f"{place}[{number}]") for number, row in enumerate(rows)]


def _read_row(table: Table, row: Mapping[str, Any], place: str) -> ExportRow:
    values: ExportRow = {}
    for column in table.c:
        if column.name in row:
            values[column.name] = _read_value(column, row[column.name], f"{place}.{column.name}")
        # A column that an earlier version did not have yet gets its default, or stays NULL.
        elif column.server_default is None and column not in COLUMNS_ADDED_LATER:
            _refuse(f"{place}.{column.name}", "this is missing")
    return values


def _read_value(column: Column[Any], value: Any, place: str) -> Any:
    if value is None:
        if not column.nullable:
            _refuse(place, "this may not be null")
        return None
    kind = column.type
    if isinstance(kind, JSON):
        _check_json(value, place)
        return value
    if isinstance(kind, UtcTime):
        return _read_instant(value, place)
    if isinstance(kind, Boolean):
        return (
            value
            if isinstance(value, bool)
            else _refuse(place, f"{_format_for_message(value)} is neither true nor false")
        )
    if isinstance(kind, Integer):
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
            _refuse(place, f"{_format_for_message(value)} is no whole number up to {MAX_INTEGER:,}")
        return value
    return _read_text(value, place)


def _read_text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        _refuse(place, f"{_format_for_message(value)} is no text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(place, f"{_format_for_message(value)} holds a character that cannot be stored")
    return value


def _read_instant(value: Any, place: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            _refuse(place, f"{_format_for_message(value)} has no time zone; write it like 2026-11-20T12:00:00+00:00")
        return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        _refuse(place, f"{_format_for_message(value)} is no instant like 2026-11-20T12:00:00+00:00")


def _check_json(value: Any, place: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _read_text(key, place)
            _check_json(item, f"{place}[{key!r}]")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_json(item, f"{place}[{number}]")
    elif isinstance(value, str):
        _read_text(value, place)
    elif isinstance(value, float) and not math.isfinite(value):
        _refuse(place, f"{value} is no number in JSON")


def _is_partial(index: Index) -> bool:
    """Whether it covers only some rows, so that it says nothing of all; `_refuse_shared_ids` checks those."""
    return any(index.dialect_options[dialect].get("where") is not None for dialect in ("sqlite", "postgresql"))


def _refuse_duplicates(table: Table, rows: Iterable[ExportRow], columns: Sequence[str]) -> None:
    first_by_key: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows):
        key = tuple(row.get(column) for column in columns)
        first = first_by_key.setdefault(key, number)
        if first != number and None not in key:
            key_text = ", ".join(map(_format_for_message, key))
            _refuse(
                f"tables.{table.name}[{number}].{columns[-1]}", f"{key_text} is in tables.{table.name}[{first}] already"
            )


def _refuse_shared_ids(rows: Iterable[ExportRow], column: str) -> None:
    """Refuse a company or connection that two merchants have; a merchant that was taken down does not count."""
    first_by_id: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(rows):
        remote_id = row.get(column)
        if remote_id is None or row.get("retired_at") is not None:
            continue
        if remote_id in first_by_id:
            first, merchant = first_by_id[remote_id]
            there = f"the merchant {merchant!r} already (tables.merchants[{first}])"
            fact = f"{_format_for_message(remote_id)} is bound to {there}"
            _refuse(f"tables.merchants[{number}].{column}", f"{fact}: keep one of them")
        first_by_id[remote_id] = number, row["merchant"]


def _format_for_message(value: Any) -> str:
    """A value for a message: at most 60 characters, ASCII only, so harmless in a terminal."""
    text = ascii(value) if not isinstance(value, int) or abs(value) <= 10**18 else "a number of very many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse(place: str, fact: str) -> NoReturn:
    raise UnusableExport(f"{place}: {fact}. Nothing was changed.")
