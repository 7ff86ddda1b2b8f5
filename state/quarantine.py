"""Quarantine: merchants that are left alone after failures, until a time or until their inputs change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select

from state.database import Database, upsert
from state.tables import quarantine


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One merchant's quarantine.

    key    hash of manifest and live state that it failed with: with another key the merchant is tried again
    until  it is tried again from then on; None = only with another key
    tries  failures in a row
    """

    merchant: str
    key: str
    reason: str
    until: datetime | None
    tries: int


class QuarantinedMerchants:
    """The merchants in quarantine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, merchant: str, *, key: str, reason: str, until: datetime | None, tries: int) -> None:
        """Put a merchant in quarantine, or replace its entry."""
        entry = Quarantine(merchant, key, reason, until, tries)
        async with self._database.writing() as transaction:
            await upsert(transaction, quarantine, [asdict(entry)])

    async def release(self, merchant: str) -> None:
        async with self._database.writing() as transaction:
            await transaction.execute(delete(quarantine).where(quarantine.c.merchant == merchant))

    async def load(self) -> dict[str, Quarantine]:
        """By merchant, those whose time is over included."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(quarantine).order_by(quarantine.c.merchant))
            return {row.merchant: Quarantine(*row) for row in rows}
