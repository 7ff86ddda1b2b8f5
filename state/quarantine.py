"""Merchants that are left alone for a while: until a time, or until what made them fail has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from state.database import Database, upsert
from state.tables import quarantine


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One merchant's stay.

    key    what it failed with (manifest and live state, hashed): another key lets it out
    until  not before then; None = only another key lets it out
    tries  failures in a row
    """

    merchant: str
    key: str
    reason: str
    until: datetime | None
    tries: int


async def put_in(database: Database, stay: Quarantine) -> None:
    row = {name: getattr(stay, name) for name in Quarantine.__dataclass_fields__}
    async with database.writing() as transaction:
        await upsert(transaction, quarantine, [row])


async def release(database: Database, merchant: str) -> None:
    async with database.writing() as transaction:
        await transaction.execute(delete(quarantine).where(quarantine.c.merchant == merchant))


async def quarantined(database: Database) -> dict[str, Quarantine]:
    async with database.reading() as transaction:
        rows = await transaction.execute(select(quarantine).order_by(quarantine.c.merchant))
        return {row.merchant: Quarantine(*row) for row in rows}
