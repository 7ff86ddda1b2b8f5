"""One run at a time may write over there: a row that names its holder.

A dead holder's lock is taken over. Whether a holder on another host, or in another container, is dead nobody here
can know: only `state unlock` ends its lock.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, upsert
from state.errors import StateLocked
from state.process import Owner
from state.tables import lock

ASK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LockRow:
    """Who holds the lock, since when (aware, UTC)."""

    owner: Owner
    since: datetime


async def acquire_lock(database: Database, owner: Owner, *, patience: float) -> None:
    """Take the lock, waiting at most `patience` seconds for a living holder. Raises StateLocked."""
    deadline = asyncio.get_running_loop().time() + patience
    while holder := await _try(database, owner):
        if asyncio.get_running_loop().time() >= deadline:
            raise StateLocked(holder.owner, holder.since)
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def release_lock(database: Database, owner: Owner) -> None:
    """Give the lock back; nothing happens where somebody else holds it by now."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        if holder and holder.owner.is_same_process(owner):
            await transaction.execute(delete(lock))


async def lock_holder(database: Database) -> LockRow | None:
    async with database.reading() as transaction:
        return await _holder(transaction)


async def break_lock(database: Database) -> LockRow | None:
    """End whoever's lock it is, dead or alive; returns what was there."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        await transaction.execute(delete(lock))
        return holder


async def _try(database: Database, owner: Owner) -> LockRow | None:
    """The living holder that is in the way, or None: then the lock is ours."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        if holder and not holder.owner.is_dead():
            return holder
        columns = {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
        await upsert(transaction, lock, [{"id": 1, **columns, "since": datetime.now(UTC)}])
        return None


async def _holder(transaction: AsyncConnection) -> LockRow | None:
    columns = (lock.c.host, lock.c.pid, lock.c.started, lock.c.command, lock.c.since)
    row = (await transaction.execute(select(*columns))).one_or_none()
    return row and LockRow(Owner(*row[:4]), row.since)
