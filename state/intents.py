"""Creates begun and not yet seen finished: written before the request, so that a crash never makes a twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from state.bindings import set_columns
from state.database import Database
from state.lock import assure
from state.process import Owner
from state.tables import intents


@dataclass(frozen=True, slots=True)
class Intent:
    """A create that was about to be asked for at `begun_at`, and whose end nobody has recorded yet.

    kind        "company" or "connection"
    name        how to know our own child again: the company's wanted name, stripped
    company_id  for a connection: the company it belongs to
    platform    for a connection: its platform key
    """

    id: int
    merchant: str
    kind: str
    name: str
    company_id: str | None
    platform: str | None
    begun_at: datetime


async def begin_intent(database: Database, columns: Mapping[str, Any], held: Owner | None) -> int:
    """Durable before it returns; the id is for `close` or `settle`. Whoever lost the lock he `held` begins nothing."""
    async with database.writing() as transaction:
        if held:
            await assure(transaction, held)
        result = await transaction.execute(insert(intents).returning(intents.c.id), columns)
        return int(result.scalar_one())


async def close_intent(database: Database, intent_id: int, *, outcome: str, at: datetime) -> None:
    async with database.writing() as transaction:
        await _close(transaction, intent_id, outcome, at)


async def settle(database: Database, intent_id: int, merchant: str, at: datetime, **columns: Any) -> None:
    """The create is known to have happened: bind what it made and close the intent, in one commit."""
    async with database.writing() as transaction:
        await set_columns(transaction, merchant, **columns)
        await _close(transaction, intent_id, "done", at)


async def open_intents(database: Database) -> tuple[Intent, ...]:
    async with database.reading() as transaction:
        return await read_open(transaction)


async def read_open(transaction: AsyncConnection) -> tuple[Intent, ...]:
    """The open intents of everybody, the oldest first, within a transaction of the caller's."""
    rows = await transaction.execute(select(intents).where(intents.c.closed_at.is_(None)).order_by(intents.c.id))
    return tuple(_intent(row) for row in rows)


async def _close(transaction: AsyncConnection, intent_id: int, outcome: str, at: datetime) -> None:
    still_open = (intents.c.id == intent_id) & intents.c.closed_at.is_(None)
    await transaction.execute(update(intents).where(still_open).values(closed_at=at, outcome=outcome))


def _intent(row: Row[Any]) -> Intent:
    return Intent(row.id, row.merchant, row.kind, row.name, row.company_id, row.platform, row.begun_at)
