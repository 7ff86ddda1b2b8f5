"""Memo of the pure part: under which key each merchant was last judged to be in sync. May be lost at any time."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import verdicts


async def verdicts_of_all(database: Database) -> dict[str, str]:
    async with database.reading() as transaction:
        rows = await transaction.execute(select(verdicts.c.merchant, verdicts.c.key))
        return {row.merchant: row.key for row in rows}


async def remember_verdicts(database: Database, keys: Mapping[str, str]) -> None:
    """Merchants that are not named keep theirs. An opaque key that differs is a merchant to look at anew."""
    rows = [{"merchant": merchant, "key": key} for merchant, key in keys.items()]
    if rows:
        async with database.writing() as transaction:
            await upsert(transaction, verdicts, rows)
