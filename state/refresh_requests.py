"""When `run` last requested a refresh of each merchant's reference data. If lost, it is requested once more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import pulls


class RefreshRequests:
    """The last request of each merchant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, merchants: Iterable[str], at: datetime) -> None:
        """Record that a refresh of these merchants was requested at that instant."""
        async with self._database.writing() as transaction:
            await upsert(transaction, pulls, [{"merchant": name, "asked_at": at} for name in merchants])

    async def load(self) -> dict[str, datetime]:
        """By merchant the instant of its last request."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(pulls.c.merchant, pulls.c.asked_at))
            return {row.merchant: row.asked_at for row in rows}
