"""Who is to be looked at, when, and how urgently: a row a merchant, which outlives every process that works on it.

ask ──▶ waits until `due_at` ──▶ claim: taken by one process ──▶ finish: the row goes
        the earliest time,                       │                └─ asked for meanwhile: it waits again
        the most urgent lane                     └─ its taker has died or left: it is due at once

All times are those of the database's clock, which is one for all processes. A key is a merchant's name, or what the
caller lets stand for everyone and for the account.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, bindparam, case, delete, func, select, update

from state.async_engine import AsyncConnection
from state.database import Database, current_time, upsert
from state.process import ProcessIdentity
from state.tables import due, due_takers

MOST_URGENT = 0
"""The lane of those to whom something has happened."""

TAKER_SILENCE = timedelta(seconds=30)
"""A taker that gave no sign of life for so long is dead: whoever it has taken is due again."""

BELIEVED_SIGN_OF_LIFE_AGE = timedelta(seconds=15)
"""Only a taker whose own last sign of life is no older than that gives others up: while the state was out of reach,
none of them could give one."""

DUE_CLOCK_TOLERANCE = timedelta(seconds=2)
"""What was asked for further in the future than that was asked for before the clock was put back."""

MAX_DUE_PER_TICK = 200
"""So many of those due are told at once."""

DUE_ROWS_PER_TRANSACTION = 500
"""Rows written in one transaction, so that whoever else writes waits for milliseconds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """A look in so many seconds. `lane`: the smaller, the more urgent."""

    after_s: float = 0.0
    lane: int = MOST_URGENT


@dataclass(frozen=True, slots=True)
class Taker:
    """One queue of one process. `id`: another one in each."""

    id: str
    process: ProcessIdentity


class Due:
    """The rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def schedule_looks(self, asks: Mapping[str, Ask], *, at_once: bool = False) -> None:
        """Put these down. Whoever waits already keeps the earlier time and the more urgent lane.

        at_once  in one transaction: nobody sees some of them without the others
        """
        for some in [tuple(asks.items())] if at_once else _batches(tuple(asks.items())):
            async with self._database.writing() as transaction:
                await schedule_looks_in_transaction(transaction, dict(some))

    async def finish(self, work: Mapping[str, int], taker: Taker, asks: Mapping[str, Ask]) -> None:
        """Those whom this taker has in these lanes were looked at, and that is what came of it. Durable together."""
        async with self._database.writing() as transaction:
            await schedule_looks_in_transaction(transaction, asks)
            for lane in sorted(set(work.values())):
                for some in _batches(sorted(key for key in work if work[key] == lane)):
                    is_ours = due.c.key.in_(some) & (due.c.taken_by == taker.id) & (due.c.taken_lane == lane)
                    await transaction.execute(delete(due).where(is_ours, due.c.due_at.is_(None)))
                    await transaction.execute(update(due).where(is_ours).values(taken_by=None, taken_lane=None))

    async def claim(
        self, lanes: Collection[int], taker: Taker, *, limit: int | None, keys: Collection[str] | None = None
    ) -> dict[str, int]:
        """Take those who are due in these lanes, the most urgent first: the lane of each.

        limit  so many at most; None = all of them
        keys   of those whom nobody has taken only these; None = whoever it is
        """
        async with self._database.reading() as connection:
            now = await current_time(connection)
            if await connection.scalar(_select_due(now, taker, lanes, keys).limit(1)) is None:
                return {}  # to find nobody must not cost the turn of whoever writes
        async with self._database.writing() as transaction:
            query = _select_due(await current_time(transaction), taker, lanes, keys).limit(limit)
            taken = {row.key: row.lane for row in await transaction.execute(query)}
            for some in _batches(sorted(taken)):
                values = {"taken_by": taker.id, "taken_lane": due.c.lane, "due_at": None}
                await transaction.execute(update(due).where(due.c.key.in_(some)).values(values))
            return taken

    async def repair_waits_and_load_due(self, taker: Taker, limit: int = MAX_DUE_PER_TICK) -> dict[str, int]:
        """Those whom this taker may claim, the most urgent first: the lane of each. Where the clock was put back, what
        waits begins to wait anew, and waits no longer than before."""
        async with self._database.reading() as connection:
            now = await current_time(connection)
            rows = (await connection.execute(_select_due(now, taker).limit(limit))).all()
            is_ahead = await connection.scalar(select(due.c.key).where(_is_ahead_of_clock(now)).limit(1))
        if is_ahead is not None:
            await self._restart_waits_ahead_of_clock()
        return {row.key: row.lane for row in rows}

    async def count_waiting(self) -> int:
        """Those who wait for their time or for a taker."""
        async with self._database.reading() as connection:
            return int(await connection.scalar(select(func.count()).where(due.c.due_at.is_not(None))) or 0)

    # -- Takers

    async def record_alive_and_reap(self, taker: Taker) -> int:
        """A sign of life. Whoever was taken by one that is dead is due at once; how many these are."""
        async with self._database.writing() as transaction:
            now = await current_time(transaction)
            own_before = await transaction.scalar(select(due_takers.c.alive_at).where(due_takers.c.id == taker.id))
            process = taker.process
            columns = {"host": process.host, "pid": process.pid, "started": process.started}
            await upsert(transaction, due_takers, [{"id": taker.id, **columns, "alive_at": now}])
            # A sign of life before the clock was put back says when to believe the next one.
            ahead = update(due_takers).where(due_takers.c.alive_at > now + DUE_CLOCK_TOLERANCE)
            await transaction.execute(ahead.values(alive_at=now))
            others = await transaction.execute(select(due_takers).where(due_takers.c.id != taker.id))
            may_give_up = own_before is not None and abs(now - own_before) < BELIEVED_SIGN_OF_LIFE_AGE
            dead = [
                row.id
                for row in others
                if ProcessIdentity(row.host, row.pid, row.started, "").has_surely_ended()
                or (may_give_up and now - row.alive_at > TAKER_SILENCE)
            ]
            return await _end_takers(transaction, dead, now) if dead else 0

    async def load_taken(self, taker: Taker) -> frozenset[str]:
        """Whom this taker has."""
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(select(due.c.key).where(due.c.taken_by == taker.id))).scalars())

    async def put_back(self, keys: Collection[str], taker: Taker) -> None:
        """Those of them whom this taker has are due at once."""
        async with self._database.writing() as transaction:
            now = await current_time(transaction)
            for some in _batches(sorted(keys)):
                await _make_due_at_once(transaction, (due.c.taken_by == taker.id) & due.c.key.in_(some), now)

    async def end_taker(self, taker: Taker) -> None:
        """This taker ends: whoever it has not looked at is due at once."""
        async with self._database.writing() as transaction:
            await _end_takers(transaction, [taker.id], await current_time(transaction))

    async def _restart_waits_ahead_of_clock(self) -> None:
        async with self._database.writing() as transaction:
            now = await current_time(transaction)
            query = select(due.c.key, due.c.due_at, due.c.asked_at).where(_is_ahead_of_clock(now))
            ahead = (await transaction.execute(query)).all()
            statement = update(due).where(due.c.key == bindparam("of")).values(due_at=bindparam("at"), asked_at=now)
            rows = [{"of": row.key, "at": now + max(timedelta(), row.due_at - row.asked_at)} for row in ahead]
            if rows:
                await transaction.execute(statement, rows)


async def schedule_looks_in_transaction(transaction: AsyncConnection, asks: Mapping[str, Ask]) -> None:
    """As `Due.schedule_looks`, within the caller's transaction."""
    if not asks:
        return
    now = await current_time(transaction)
    for keys in _batches(sorted(asks)):
        query = select(due.c.key, due.c.due_at, due.c.asked_at, due.c.lane).where(due.c.key.in_(keys))
        before = {row.key: row for row in await transaction.execute(query)}
        rows = [_merged_row(key, asks[key], now, before.get(key)) for key in keys]
        await upsert(transaction, due, rows)


def _merged_row(key: str, ask: Ask, now: datetime, before: Row[Any] | None) -> dict[str, Any]:
    """The row of a key that is asked for now. Pure."""
    due_at, asked_at, lane = now + timedelta(seconds=max(0.0, ask.after_s)), now, ask.lane
    # Without a time the row is in work: its lane is that of the look under way, and says nothing of the next.
    if before is not None and before.due_at is not None:
        lane = min(lane, before.lane)
        if before.due_at <= due_at:
            due_at, asked_at = before.due_at, before.asked_at
    return {"key": key, "due_at": due_at, "asked_at": asked_at, "lane": lane}


def _select_due(
    now: datetime, taker: Taker, lanes: Collection[int] | None = None, keys: Collection[str] | None = None
) -> Select[tuple[str, int]]:
    """Whom this taker may take in these lanes, the most urgent and longest due first; None = in any, and whoever it is.

    What is most urgent it takes over from itself, where it has taken it in another lane.
    """
    is_free: ColumnElement[bool] = due.c.taken_by.is_(None)
    if keys is not None:
        is_free &= due.c.key.in_(keys)
    is_taken_over = (due.c.lane == MOST_URGENT) & (due.c.taken_by == taker.id) & (due.c.taken_lane != MOST_URGENT)
    query = select(due.c.key, due.c.lane).where(due.c.due_at <= now, is_free | is_taken_over)
    if lanes is not None:
        query = query.where(due.c.lane.in_(lanes))
    return query.order_by(due.c.lane, due.c.due_at, due.c.key)


def _is_ahead_of_clock(now: datetime) -> ColumnElement[bool]:
    return due.c.due_at.is_not(None) & (due.c.asked_at > now + DUE_CLOCK_TOLERANCE)


async def _end_takers(transaction: AsyncConnection, takers: Collection[str], now: datetime) -> int:
    """Whoever these have taken is due at once, and they are no more; how many were taken."""
    count = await _make_due_at_once(transaction, due.c.taken_by.in_(takers), now)
    await transaction.execute(delete(due_takers).where(due_takers.c.id.in_(takers)))
    return count


async def _make_due_at_once(transaction: AsyncConnection, which: ColumnElement[bool], now: datetime) -> int:
    """These are due at once, as urgently as when they were taken or more; how many they are."""
    was_more_urgent = due.c.due_at.is_(None) | (due.c.taken_lane < due.c.lane)
    lane = case((was_more_urgent, due.c.taken_lane), else_=due.c.lane)
    values = {"due_at": now, "asked_at": now, "lane": lane, "taken_by": None, "taken_lane": None}
    return await transaction.execute_and_count(update(due).where(which).values(values))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), DUE_ROWS_PER_TRANSACTION):
        yield items[start : start + DUE_ROWS_PER_TRANSACTION]
