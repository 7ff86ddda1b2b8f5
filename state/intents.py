"""Intents: each create is recorded before its request is sent, so that a crash never leads to a duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from state.async_engine import AsyncConnection
from state.bindings import upsert_binding
from state.database import Database
from state.lock import require_lock
from state.process import ProcessIdentity
from state.tables import intents


@dataclass(frozen=True, slots=True)
class Intent:
    """A create that was about to be sent at `begun_at`, and whose outcome is not recorded yet.

    kind        "company" or "connection"
    name        by which a created company is recognised: its desired name, stripped
    company_id  for a connection: the company it belongs to
    platform    for a connection: its platform key
    key         idempotency key of the request, unique over all states; None in rows of earlier versions
    missed_at   begin of the first complete listing that did not show what it may have created
    """

    id: int
    merchant: str
    kind: str
    name: str
    company_id: str | None
    platform: str | None
    begun_at: datetime
    key: str | None = None
    missed_at: datetime | None = None


async def begin_intent(database: Database, columns: Mapping[str, Any], lock_owner: ProcessIdentity | None) -> Intent:
    """Insert an intent, durably before it returns.

    lock_owner  this process, where it holds the lock; raises as `require_lock` if it has lost it since
    """
    async with database.writing() as transaction:
        # Checked in the same transaction: whoever takes the lock next sees this intent, or it was never written.
        if lock_owner:
            await require_lock(transaction, lock_owner)
        inserted = insert(intents).values({**columns, "key": str(uuid4())}).returning(intents)
        return _from_row((await transaction.execute(inserted)).one())


async def note_intent_missed(database: Database, intent_id: int, at: datetime) -> None:
    """Record that a complete listing begun at `at` did not show what this may have created; the first one is kept."""
    async with database.writing() as transaction:
        not_missed_before = (intents.c.id == intent_id) & intents.c.missed_at.is_(None)
        await transaction.execute(update(intents).where(not_missed_before).values(missed_at=at))


async def close_intent(database: Database, intent_id: int, *, outcome: str, at: datetime) -> None:
    """Close an open intent; one that is closed stays as it is."""
    async with database.writing() as transaction:
        await _close(transaction, intent_id, outcome, at)


async def settle_intent(database: Database, intent_id: int, merchant: str, at: datetime, **columns: Any) -> None:
    """Bind what the create made (`columns` of the binding) and close the intent, in one commit."""
    async with database.writing() as transaction:
        await upsert_binding(transaction, merchant, **columns)
        await _close(transaction, intent_id, "done", at)


async def open_intents(database: Database) -> tuple[Intent, ...]:
    """The open intents of all merchants, the oldest first."""
    async with database.reading() as transaction:
        return await read_open_intents(transaction)


async def read_open_intents(transaction: AsyncConnection) -> tuple[Intent, ...]:
    """As `open_intents`, within the caller's transaction."""
    rows = await transaction.execute(select(intents).where(intents.c.closed_at.is_(None)).order_by(intents.c.id))
    return tuple(_from_row(row) for row in rows)


async def _close(transaction: AsyncConnection, intent_id: int, outcome: str, at: datetime) -> None:
    is_open = (intents.c.id == intent_id) & intents.c.closed_at.is_(None)
    await transaction.execute(update(intents).where(is_open).values(closed_at=at, outcome=outcome))


def _from_row(row: Row[Any]) -> Intent:
    columns = (row.id, row.merchant, row.kind, row.name, row.company_id, row.platform, row.begun_at)
    return Intent(*columns, row.key, row.missed_at)
