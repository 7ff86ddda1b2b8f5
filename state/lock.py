"""The locks: one command and one controller at a time may write to Codat. A row names the holder of each, and a claim
proves that the holder lives.

A command and a controller do not wait for each other: to each merchant they write under a lease (`StateLock.lease`),
which one of them has at a time. What concerns who is who takes both locks.

The claim decides (`state.process_claims`): a dead holder has lost it, wherever it ran, and the next run takes over at
once. A holder in PostgreSQL that sends no heartbeat, because it is stopped, hangs or is cut off, loses it after its
lease.

A holder proves the lock before each write to Codat (`StateLock.prove`), and with it its leases; one that has lost it
writes nothing more. A request that was under way at that moment cannot be called back, so the next holder is told when
a lock was lost rather than released.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from sqlalchemy import ColumnElement, delete, select, update

from state.async_engine import AsyncConnection
from state.database import Database, LockKind, read_lock_holder, require_current_schema, upsert
from state.errors import LeaseLost, LockEnded, StateLocked, StateUnusable
from state.process import LockRow, ProcessIdentity, seconds_since_boot
from state.process_claims import HEARTBEATS_PER_LEASE, Claim
from state.tables import locks

ACQUIRE_RETRY_INTERVAL_S = 0.2

WAIT_LOG_INTERVAL_S = 30.0
"""Seconds from one log line about a long wait to the next."""

MAX_PROOF_ATTEMPTS = 3
"""How many times a proof is asked for before its lateness counts as a lost lease."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockWait:
    """A wait for the lock of another run.

    silent_for_s  seconds since that run's last heartbeat
    waited_s      seconds waited so far
    timeout_s     seconds to wait at most
    """

    holder: LockRow
    silent_for_s: float
    waited_s: float
    timeout_s: float


OnLockWait = Callable[[LockWait], None]


class StateLock:
    """One of the locks, and this process's hold on it: who took it here, and the heartbeats in the background."""

    def __init__(
        self,
        database: Database,
        lease_s: float,
        since_boot: Callable[[], float] | None = None,
        kind: LockKind = LockKind.COMMANDS,
    ) -> None:
        self._database, self._kind, self._claim = database, kind, database.claims[kind]
        self._lease_s = lease_s
        self._since_boot = since_boot or seconds_since_boot
        self._owner: ProcessIdentity | None = None
        self._heartbeats: asyncio.Task[None] | None = None
        self._leased: set[str] = set()

    async def acquire(
        self, owner: ProcessIdentity, *, timeout_s: float, on_wait: OnLockWait | None = None
    ) -> datetime | None:
        """Take the lock, waiting at most `timeout_s` seconds for a living holder. Raises StateLocked.

        on_wait  called after each look in vain; the default writes to the log

        Heartbeats are sent in the background until it is released. Returns when an earlier holder lost the lock without
        releasing it, None where there was none: a request that it had sent may still be under way.
        """
        now = asyncio.get_running_loop().time
        started_at, report = now(), on_wait or _build_wait_logger()
        while isinstance(result := await self._try_to_acquire(owner), LockRow):
            holder: LockRow = result
            silent: float | None = 0.0
            # A try takes the turn of whoever writes, the holder first of all: only to look is in nobody's way.
            while silent is not None:
                silent, waited = await self._database.holder_silence_s(self._kind), now() - started_at
                holder = await self.load_holder() or holder
                if waited >= timeout_s:
                    raise StateLocked(holder.owner, holder.since, silent or 0.0)
                report(LockWait(holder, silent or 0.0, waited, timeout_s))
                await asyncio.sleep(ACQUIRE_RETRY_INTERVAL_S)
        self._owner = owner
        self._heartbeats = asyncio.create_task(self._keep_alive())
        return result

    async def prove(self) -> None:
        """Prove that the lock that was taken here is held now; nothing happens where none was.

        Raises StateLocked and LockEnded as `require_held`, and LeaseLost where it lapsed.
        """
        if self._owner is None:
            return
        for _ in range(MAX_PROOF_ATTEMPTS):
            asked_at = self._since_boot()
            async with self._database.reading() as transaction:
                await self.require_held(transaction)
            await self._claim.renew()
            # Where this process was stopped between question and answer, the answer is old: the lease may have lapsed
            # since. Only a quick answer leaves most of the lease for the write that follows.
            if self._since_boot() - asked_at < self._lease_s / 3:
                return
        raise LeaseLost

    async def require_held(self, transaction: AsyncConnection) -> None:
        """The part of `prove` that is done within the caller's transaction.

        Raises StateLocked where another run has taken the lock since, LockEnded where it was ended by hand.
        """
        if self._owner is None:
            return
        holder = await read_lock_holder(transaction, self._kind)
        if holder is None:
            raise LockEnded
        if not holder.owner.is_same_process(self._owner):
            raise StateLocked(holder.owner, holder.since)

    @asynccontextmanager
    async def lease(self, merchants: Collection[str]) -> AsyncIterator[bool]:
        """The leases on these merchants, while this lasts; yields False, and has none, where anybody else has one:
        another holder, or another task of this one. Only for whoever holds this lock. Raises LeaseLost."""
        if self._owner is None:
            yield True  # as `prove`: nothing is asked of whoever has not taken the lock here
            return
        async with AsyncExitStack() as taken:
            # In order: of two who want some of the same, one has them all, where each might have got some and failed.
            for name in sorted(set(merchants)):
                is_free = name not in self._leased  # the claim would grant a lease of its own once more
                if is_free:
                    self._leased.add(name)
                    taken.callback(self._leased.discard, name)
                if not (is_free and await self._claim.take_lease(name)):
                    await taken.aclose()
                    yield False
                    return
                taken.push_async_callback(self._claim.give_back_lease, name)
            yield True

    async def release(self, owner: ProcessIdentity) -> None:
        """Release the lock that this owner took here; the row stays where another process holds the lock by now."""
        if self._owner != owner:
            return
        if self._heartbeats:
            self._heartbeats.cancel()
        try:
            async with self._database.writing() as transaction:
                holder = await read_lock_holder(transaction, self._kind)
                if holder is not None and holder.owner.is_same_process(owner):
                    await transaction.execute(delete(locks).where(locks.c.id == self._kind))
                await self._claim.give_back()
        except BaseException:
            # A claim that is kept would stand in the way of this process itself: a controller takes the lock again for
            # its next pass. The row stays, and tells whoever takes it next that this lock was not released.
            await self._claim.give_back()
            raise
        finally:
            self._owner = self._heartbeats = None

    async def release_if_held(self) -> None:
        """Release the lock that was taken here, if one was."""
        if self._owner:
            await self.release(self._owner)

    async def load_holder(self) -> LockRow | None:
        """The recorded holder, dead or alive; None where nobody holds the lock."""
        return await self._database.load_lock_holder(self._kind)

    async def holder_silence_s(self) -> float | None:
        """Seconds since the holder's last heartbeat; None where nobody who lives holds the lock."""
        return await self._database.holder_silence_s(self._kind)

    async def force_release(self, expected_owner: ProcessIdentity | None = None) -> LockRow | None:
        """End the lock of its holder, dead or alive, by hand; returns the holder. `acquire` tells the next one when.

        Raises StateLocked where the holder is not the expected owner, if one is given.
        """
        async with self._database.writing() as transaction:
            holder = await read_lock_holder(transaction, self._kind)
            if holder and expected_owner and not holder.owner.is_same_process(expected_owner):
                raise StateLocked(holder.owner, holder.since)
            await self._claim.revoke()
            await transaction.execute(update(locks).where(self._has_not_ended()).values(ended_at=_now()))
            return holder

    def _has_not_ended(self) -> ColumnElement[bool]:
        return (locks.c.id == self._kind) & locks.c.ended_at.is_(None)

    async def _keep_alive(self) -> None:
        """Send heartbeats until cancelled; returns where the lock is lost, which the next `prove` raises too."""
        try:
            await keep_alive(self._claim, self._lease_s)
        except LeaseLost as error:
            _LOG.warning("%s", error)

    async def _try_to_acquire(self, owner: ProcessIdentity) -> LockRow | datetime | None:
        """The living holder, if there is one. Else the lock is ours now, and this is when another lost it, or None."""
        is_ours = False
        try:
            async with self._database.writing() as transaction:
                # An upgrade waits for whoever has a lock. Whoever has none, as a controller between two passes, goes on
                # beside it, and would write rows that the newer version takes for its own.
                await require_current_schema(transaction)
                holder, is_ours = await read_lock_holder(transaction, self._kind), await self._claim.take()
                if not is_ours:
                    # A holder without a row has taken its claim and could not write its name.
                    return holder or LockRow(_UNNAMED_HOLDER, _now())
                # A row without a living claim: its holder died. `ended_at`: its lock was broken by hand.
                # When it was lost nobody knows. Now is the latest, so what is under way is waited for long enough.
                lost_at = (
                    _now()
                    if holder
                    else await transaction.scalar(select(locks.c.ended_at).where(locks.c.id == self._kind))
                )
                columns = {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
                await upsert(transaction, locks, [{"id": self._kind, **columns, "since": _now(), "ended_at": None}])
                return lost_at
        except BaseException:
            # The row was rolled back, so the claim must go too: else nobody could take the lock while this process
            # lives.
            if is_ours:
                await self._claim.give_back()
            raise


async def require_all_held(locks: Collection[StateLock], transaction: AsyncConnection) -> None:
    """As `StateLock.require_held`, of each that was taken here."""
    for lock in locks:
        await lock.require_held(transaction)


async def prove_all(locks: Collection[StateLock]) -> None:
    """As `StateLock.prove`, of each that was taken here."""
    for lock in locks:
        await lock.prove()


def _build_wait_logger() -> OnLockWait:
    """A callback that logs a wait at once, and then once every WAIT_LOG_INTERVAL_S."""
    next_log_s = 0.0

    def log_wait(wait: LockWait) -> None:
        nonlocal next_log_s
        if wait.waited_s < next_log_s:
            return
        next_log_s = wait.waited_s + WAIT_LOG_INTERVAL_S
        _LOG.warning(
            "the state is locked by %s, which gave its last sign of life %.0f s ago; waiting up to %.0f s for it",
            wait.holder.description,
            wait.silent_for_s,
            wait.timeout_s - wait.waited_s,
        )

    return log_wait


async def keep_alive(claim: Claim, lease_s: float) -> NoReturn:
    """Renew a claim until cancelled. Raises LeaseLost."""
    while True:
        await asyncio.sleep(lease_s / HEARTBEATS_PER_LEASE)
        try:
            await claim.renew()
        except LeaseLost:
            raise
        except StateUnusable:
            # The claim is ours still, and only its sign of life is missing: the next one may be there.
            continue


_UNNAMED_HOLDER = ProcessIdentity("an unknown host", 0, "", "a run that could not write its name")


def _now() -> datetime:
    return datetime.now(UTC)
