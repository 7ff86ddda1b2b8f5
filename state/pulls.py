"""Whose reference data `run` asked the service to pull again, and when. Forgotten, it is asked for once more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import pulls


async def note(database: Database, merchants: Iterable[str], at: datetime) -> None:
    async with database.writing() as transaction:
        await upsert(transaction, pulls, [{"merchant": name, "asked_at": at} for name in merchants])


async def of_all(database: Database) -> dict[str, datetime]:
    """By merchant: when it was asked for last."""
    async with database.reading() as transaction:
        rows = await transaction.execute(select(pulls.c.merchant, pulls.c.asked_at))
        return {row.merchant: row.asked_at for row in rows}
