"""In-sync cache: the key of the inputs with which each merchant was last found in sync. May be lost at any time."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import verdicts


async def load_in_sync_keys(database: Database) -> dict[str, str]:
    """By merchant the key, opaque here; a merchant whose key differs by now has to be planned again."""
    async with database.reading() as transaction:
        rows = await transaction.execute(select(verdicts.c.merchant, verdicts.c.key))
        return {row.merchant: row.key for row in rows}


async def save_in_sync_keys(database: Database, keys: Mapping[str, str]) -> None:
    """Replace the keys of these merchants; all others keep theirs."""
    rows = [{"merchant": merchant, "key": key} for merchant, key in keys.items()]
    if rows:
        async with database.writing() as transaction:
            await upsert(transaction, verdicts, rows)
