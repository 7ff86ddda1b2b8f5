"""Manual syncs: each is recorded before the merchant is switched off for it, until it is switched on again.

    begin ─▶ (switched off) ─▶ mark_requested ─▶ (Codat synchronises) ─▶ mark_ended ─▶ (switched on) ─▶ close

Whose process dies in between is told by its heartbeats; whoever looks next goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from state.database import Database, current_time
from state.errors import LeaseLost, StateProblem
from state.lock import StateLock
from state.process import ProcessIdentity, seconds_since_boot
from state.process_claims import HEARTBEATS_PER_LEASE, may_be_alive
from state.tables import manual_syncs


@dataclass(frozen=True, slots=True)
class ManualSyncRow:
    """An open manual sync.

    was_enabled    scheduled syncs were on before it: they are to be on again after it
    previous_sync  id of the merchant's latest sync before it; None = there was none
    requested_at   since when its request may have arrived; None = it was not sent
    ended_at       since when nothing more of it runs: the merchant is only to be switched on again
    owner          the process that carries it out
    is_alive       whether that process may live still
    """

    id: int
    merchant: str
    company_id: str
    was_enabled: bool
    previous_sync: str | None
    begun_at: datetime
    requested_at: datetime | None
    ended_at: datetime | None
    owner: ProcessIdentity
    is_alive: bool


class ManualSyncs:
    """The manual syncs of all merchants."""

    def __init__(self, database: Database, lock: StateLock, lease_s: float) -> None:
        self._database, self._lock = database, lock
        self._lease_s = lease_s

    async def begin(
        self,
        merchant: str,
        company_id: str,
        *,
        was_enabled: bool,
        previous_sync: str | None,
        owner: ProcessIdentity,
        at: datetime,
    ) -> int:
        """Insert one, durably before it returns. Raises as `StateLock.require_held`: call it with the lock."""
        columns: dict[str, Any] = {"merchant": merchant, "company_id": company_id, "was_enabled": was_enabled}
        columns |= {"previous_sync": previous_sync, "begun_at": at, "host": owner.host, "pid": owner.pid}
        columns |= {"started": owner.started, "command": owner.command}
        async with self._database.writing() as transaction:
            await self._lock.require_held(transaction)
            columns["alive_until"] = await current_time(transaction) + timedelta(seconds=self._lease_s)
            inserted = insert(manual_syncs).values(columns).returning(manual_syncs.c.id)
            return int(await transaction.scalar(inserted) or 0)

    @asynccontextmanager
    async def keep_alive(self, number: int) -> AsyncIterator[None]:
        """While this lasts, others see that its process lives."""
        heartbeats = asyncio.create_task(self._send_heartbeats(number))
        try:
            yield
        finally:
            heartbeats.cancel()
            with suppress(StateProblem):
                async with self._database.writing() as transaction:
                    gone = update(manual_syncs).where(manual_syncs.c.id == number)
                    await transaction.execute(gone.values(alive_until=await current_time(transaction)))

    async def _send_heartbeats(self, number: int) -> None:
        while True:
            await asyncio.sleep(self._lease_s / HEARTBEATS_PER_LEASE)
            with suppress(StateProblem):  # `mark_requested` tells whether it is ours still
                await self._update_and_restart_lease(number)

    async def mark_requested(self, number: int, at: datetime) -> None:
        """Record, durably before it returns, that its request is about to leave. Raises LeaseLost: then it must not."""
        renewed_at = await self._update_and_restart_lease(number, requested_at=at)
        if renewed_at is None or seconds_since_boot() - renewed_at > self._lease_s / 3:
            raise LeaseLost

    async def _update_and_restart_lease(self, number: int, **values: Any) -> float | None:
        """When its lease began anew, in seconds since boot; None where somebody else has ended it."""
        is_open = (manual_syncs.c.id == number) & manual_syncs.c.ended_at.is_(None) & manual_syncs.c.closed_at.is_(None)
        async with self._database.writing() as transaction:
            # Not before the turn to write has come, however long that took.
            asked_at = seconds_since_boot()
            values["alive_until"] = await current_time(transaction) + timedelta(seconds=self._lease_s)
            is_ours = await transaction.execute_and_count(update(manual_syncs).where(is_open).values(values))
            return asked_at if is_ours else None

    async def mark_ended(self, number: int, outcome: str, at: datetime) -> None:
        """Nothing more of it runs; the first outcome stays."""
        is_running = (manual_syncs.c.id == number) & manual_syncs.c.ended_at.is_(None)
        async with self._database.writing() as transaction:
            await transaction.execute(update(manual_syncs).where(is_running).values(ended_at=at, outcome=outcome))

    async def close(self, number: int, at: datetime) -> None:
        """The merchant is as it is to be."""
        async with self._database.writing() as transaction:
            await transaction.execute(update(manual_syncs).where(manual_syncs.c.id == number).values(closed_at=at))

    async def load_open(self) -> list[ManualSyncRow]:
        """Those that are not closed, the oldest first."""
        query = select(manual_syncs).where(manual_syncs.c.closed_at.is_(None)).order_by(manual_syncs.c.id)
        async with self._database.reading() as transaction:
            rows = (await transaction.execute(query)).all()
            now = await current_time(transaction) if rows else None
        return [_from_row(row, now, self._lease_s) for row in rows if now]


def _from_row(row: Row[Any], now: datetime, lease_s: float) -> ManualSyncRow:
    owner = ProcessIdentity(row.host, row.pid, row.started, row.command)
    is_alive = may_be_alive(row.alive_until, now, lease_s) and not owner.has_surely_ended()
    times = (row.begun_at, row.requested_at, row.ended_at)
    return ManualSyncRow(
        row.id, row.merchant, row.company_id, row.was_enabled, row.previous_sync, *times, owner, is_alive
    )
