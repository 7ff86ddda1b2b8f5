"""One run at a time may write over there: a row that names its holder.

A dead holder's lock is taken over. PostgreSQL knows who is dead, wherever he ran: his connection is gone, and the claim
with it. In SQLite only a process of this host can be known to be dead; any other's lock ends by `state unlock`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Claim, Database, upsert
from state.errors import StateLocked, StateUnusable
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
        if await _is_held_by(owner, transaction):
            await transaction.execute(delete(lock))
        await database.unclaim()


async def lock_holder(database: Database) -> LockRow | None:
    async with database.reading() as transaction:
        return await _holder(transaction)


async def break_lock(database: Database) -> LockRow | None:
    """End whoever's lock it is, dead or alive; returns what was there."""
    async with database.writing() as transaction:
        await database.evict()
        holder = await _holder(transaction)
        await transaction.execute(delete(lock))
        return holder


async def assure(transaction: AsyncConnection, owner: Owner) -> None:
    """Raises StateLocked where another run has taken this owner's lock, StateUnusable where it was ended by hand."""
    holder = await _holder(transaction)
    if holder is None:
        raise StateUnusable(
            "`merchantctl state unlock` has ended this run's lock: nothing more is begun. Run it again."
        )
    if not holder.owner.is_same_process(owner):
        raise StateLocked(holder.owner, holder.since)


async def _try(database: Database, owner: Owner) -> LockRow | None:
    """The living holder that is in the way, or None: then the lock is ours."""
    claim = Claim.UNKNOWABLE
    try:
        async with database.writing() as transaction:
            holder, claim = await _holder(transaction), await database.claim()
            if _is_taken(holder, claim):
                return holder or LockRow(_NAMELESS, _now())
            await _sign(transaction, owner)
            return None
    except BaseException:
        if claim is Claim.OURS:
            await database.unclaim()
        raise


async def _sign(transaction: AsyncConnection, owner: Owner) -> None:
    columns = {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
    await upsert(transaction, lock, [{"id": 1, **columns, "since": _now()}])


def _is_taken(holder: LockRow | None, claim: Claim) -> bool:
    if claim is Claim.UNKNOWABLE:
        return holder is not None and not holder.owner.is_dead()
    return claim is Claim.THEIRS


_NAMELESS = Owner("an unknown host", 0, "", "a run that could not write its name")


async def _is_held_by(owner: Owner, transaction: AsyncConnection) -> bool:
    holder = await _holder(transaction)
    return holder is not None and holder.owner.is_same_process(owner)


async def _holder(transaction: AsyncConnection) -> LockRow | None:
    columns = (lock.c.host, lock.c.pid, lock.c.started, lock.c.command, lock.c.since)
    row = (await transaction.execute(select(*columns))).one_or_none()
    return row and LockRow(Owner(*row[:4]), row.since)


def _now() -> datetime:
    return datetime.now(UTC)
