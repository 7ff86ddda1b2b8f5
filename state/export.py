"""The whole state as one JSON document, and back: for backups, and to move from SQLite to PostgreSQL.

Not exported: the lock, caches that fill again by themselves (`verdicts`, `syncs`, `pulls`, `conditions`,
`seen`, `seen_fleet`, `declared_fleet`, `controllers`), `upload_leases`, what was announced in a chat (`told`), webhook
deliveries (`inbox`, `proven_deliveries`), and who is to be looked at (`due`, `due_takers`): everyone is, at each start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from state.async_engine import AsyncConnection
from state.database import Database, advance_id_sequence
from state.errors import UnusableExport
from state.export_validation import EXPORTED_TABLES, read_rows
from state.tables import merchants, pushed_records, uploads

EXPORT_SCHEMA_VERSION = 1


async def export_all(database: Database) -> dict[str, Any]:
    """`{schemaVersion, kind: "State", tables: {name: [row]}}`, one consistent snapshot; instants as ISO 8601 UTC."""
    async with database.reading() as transaction:
        tables = {table.name: await _export_rows(transaction, table) for table in EXPORTED_TABLES}
    return {"schemaVersion": EXPORT_SCHEMA_VERSION, "kind": "State", "tables": tables}


async def import_all(database: Database, document: Mapping[str, Any]) -> None:
    """Fill an empty state from an export: all of it, or nothing. Raises UnusableExport, with the place in the file."""
    tables = parse_export(document)
    async with database.writing() as transaction:
        await _require_empty(transaction)
        for table in EXPORTED_TABLES:
            await _insert_rows(transaction, table, tables[table.name])
        await _reserve_upload_ids(transaction)


def parse_export(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of an export by table, as an import would write them. Raises UnusableExport, with the place in it."""
    tables = document.get("tables")
    if document.get("kind") != "State" or not isinstance(tables, Mapping):
        raise UnusableExport("this is no export of a state. Make one with `merchantctl state export`.")
    version = document.get("schemaVersion")
    if version != EXPORT_SCHEMA_VERSION:
        raise UnusableExport(
            f"the export has schemaVersion {version!r}, and this version reads {EXPORT_SCHEMA_VERSION}. "
            "Use the version that made it."
        )
    return read_rows(tables)


def as_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row by column name, its instants as ISO 8601 text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


async def _export_rows(transaction: AsyncConnection, table: Table) -> list[dict[str, Any]]:
    rows = await transaction.execute(select(table).order_by(*table.primary_key))
    return [as_json(row) for row in rows.mappings()]


async def _require_empty(transaction: AsyncConnection) -> None:
    for table in EXPORTED_TABLES:
        if (await transaction.execute(select(*table.primary_key).limit(1))).first() is not None:
            raise UnusableExport(
                f"the state is not empty: its table {table.name!r} has rows. Import into a new one, "
                "named with MERCHANTCTL_STATE; nothing was changed."
            )


def _unbind_retired_sharing_a_company(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of `merchants`, without the company of a tombstone where an active merchant has the same one.

    States of earlier versions left it to both; the unique index of today refuses that.
    """
    active_companies = {row["company_id"] for row in rows if not row.get("retired_at")}
    return [
        {**row, "company_id": None} if row.get("retired_at") and row["company_id"] in active_companies else row
        for row in rows
    ]


async def _insert_rows(transaction: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    if table is merchants:
        rows = _unbind_retired_sharing_a_company(rows)
    try:
        await transaction.execute(insert(table), rows)
    except (DataError, IntegrityError, InterfaceError, ProgrammingError, ValueError, TypeError) as error:
        raise UnusableExport(
            f"tables.{table.name} has a row that this database does not take; nothing was changed."
        ) from error
    if "id" in table.c:
        await advance_id_sequence(transaction, table)


async def _reserve_upload_ids(transaction: AsyncConnection) -> None:
    """The number of an upload that has expired, and that a record names still, is not given anew."""
    last_named = await transaction.scalar(select(func.max(pushed_records.c.upload_id))) or 0
    if last_named > (await transaction.scalar(select(func.max(uploads.c.id))) or 0):
        # Where numbers begin both databases learn from a row alone, and both remember it when the row is gone.
        texts = dict.fromkeys(("company_id", "data_type", "status", "message"), "")
        row = {"id": last_named, "records": 0, "begun_at": datetime.now(UTC), **texts}
        await transaction.execute(insert(uploads).values(row))
        await advance_id_sequence(transaction, uploads)
        await transaction.execute(delete(uploads).where(uploads.c.id == last_named))
