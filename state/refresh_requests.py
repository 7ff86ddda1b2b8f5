"""When `run` last requested a refresh of each merchant's reference data. If lost, it is requested once more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import pulls


async def note_refresh_requests(database: Database, merchants: Iterable[str], at: datetime) -> None:
    """Record that a refresh of these merchants was requested at that instant."""
    async with database.writing() as transaction:
        await upsert(transaction, pulls, [{"merchant": name, "asked_at": at} for name in merchants])


async def load_refresh_requests(database: Database) -> dict[str, datetime]:
    """By merchant the instant of its last request."""
    async with database.reading() as transaction:
        rows = await transaction.execute(select(pulls.c.merchant, pulls.c.asked_at))
        return {row.merchant: row.asked_at for row in rows}
