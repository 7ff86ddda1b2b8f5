"""The whole state as one JSON document, and back: for copies, and for the way from SQLite to PostgreSQL.

The lock belongs to a moment, verdicts, syncs and pulls to a memo, deliveries to the webhooks: they are not exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, select
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, count_ids_on
from state.errors import UnusableExport
from state.tables import (
    UtcTime,
    applied,
    events,
    findings,
    intents,
    merchants,
    quarantine,
    rollout_merchants,
    rollouts,
    runs,
    writes,
)

SCHEMA_VERSION = 1

TABLES = (merchants, applied, intents, findings, quarantine, runs, events, writes, rollouts, rollout_merchants)


async def export_all(database: Database) -> dict[str, Any]:
    """`{schemaVersion, kind: "State", tables: {name: [row]}}`, all of one moment; instants as ISO 8601 UTC."""
    async with database.reading() as transaction:
        tables = {table.name: await _export(transaction, table) for table in TABLES}
    return {"schemaVersion": SCHEMA_VERSION, "kind": "State", "tables": tables}


async def import_all(database: Database, document: Mapping[str, Any]) -> None:
    """Fill an empty state from an export: all of it, or nothing. Raises UnusableExport."""
    tables = _tables_of(document)
    async with database.writing() as transaction:
        await _must_be_empty(transaction)
        for table in TABLES:
            await _import(transaction, table, tables.get(table.name, []))


def as_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row, with its instants as ISO 8601."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


async def _export(transaction: AsyncConnection, table: Table) -> list[dict[str, Any]]:
    rows = await transaction.execute(select(table).order_by(*table.primary_key))
    return [as_json(row) for row in rows.mappings()]


def _tables_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    if document.get("kind") != "State" or not isinstance(document.get("tables"), Mapping):
        raise UnusableExport("this is no export of a state. Make one with `merchantctl state export`.")
    if document.get("schemaVersion") != SCHEMA_VERSION:
        raise UnusableExport(
            f"the export has schemaVersion {document.get('schemaVersion')!r}, and this version reads {SCHEMA_VERSION}. "
            "Use the version that made it."
        )
    tables: Mapping[str, Any] = document["tables"]
    return tables


async def _must_be_empty(transaction: AsyncConnection) -> None:
    for table in TABLES:
        if (await transaction.execute(select(*table.primary_key).limit(1))).first() is not None:
            raise UnusableExport(
                f"the state is not empty: its table {table.name!r} has rows. Import into a new one, "
                "named with MERCHANTCTL_STATE; nothing was changed."
            )


async def _import(transaction: AsyncConnection, table: Table, rows: Any) -> None:
    if not rows:
        return
    try:
        await transaction.execute(insert(table), [_columns(table, row) for row in rows])
    except _MISFITS as error:
        raise UnusableExport(
            f"the export's table {table.name!r} has a row that does not fit; nothing was changed."
        ) from error
    if "id" in table.c:
        await count_ids_on(transaction, table)


_MISFITS = (
    *(AttributeError, KeyError, TypeError, ValueError),  # while a row was read
    *(DataError, IntegrityError, InterfaceError, ProgrammingError),  # while it was written
)


def _columns(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {column.name: _value(column.type, row[column.name]) for column in table.columns}


def _value(column_type: object, value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(column_type, UtcTime) and value is not None else value
