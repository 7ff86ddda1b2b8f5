"""In-sync cache: the key of the inputs with which each merchant was last found in sync. May be lost at any time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select

from state.database import Database, upsert
from state.findings import MAX_MERCHANTS_IN_QUERY
from state.tables import verdicts


class InSyncCache:
    """By merchant the key of the inputs with which it was in sync."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_keys(self, *, merchants: Collection[str] | None = None) -> dict[str, str]:
        """By merchant (None: all) the key, opaque here; a merchant whose key differs by now has to be planned again.
        There may be those of others."""
        query = select(verdicts.c.merchant, verdicts.c.key)
        if merchants is not None and len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(verdicts.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            return {row.merchant: row.key for row in await transaction.execute(query)}

    async def save_keys(self, keys: Mapping[str, str]) -> None:
        """Replace the keys of these merchants; all others keep theirs."""
        rows = [{"merchant": merchant, "key": key} for merchant, key in keys.items()]
        if rows:
            async with self._database.writing() as transaction:
                await upsert(transaction, verdicts, rows)
