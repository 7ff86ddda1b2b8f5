"""The lock on the state, shared by the passes of this process: a short one need not wait for the end of a long one.

long pass    takes the lock, and gives it back once no short one is under way any more
short pass   joins a long one, from which it takes its merchants over; where there is none it takes the lock
             goes by the manifests that the long one goes by: who is who moves for both at once
another run  another controller on the state has its turn between two passes; where its pass is a long one, a short one
             here does not wait for the end of that, but leaves its merchants to it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from math import inf
from typing import NamedTuple

from controller.daemon.pass_result import declared_names
from controller.model.desired import Fleet
from controller.reconcile.pass_takeovers import Takeovers
from state.errors import StateLocked

OpenLock = Callable[[float], AbstractAsyncContextManager[datetime | None]]
"""Takes the lock on the state within so many seconds, or raises StateLocked; when whoever had it before was seen last,
where it was lost and not given back."""

MAX_SHORT_PASS_WAIT_S = 1.0
"""So long a short pass waits for another controller: longer than most passes are."""


class HeldElsewhere(Exception):
    """Another controller has the lock for long. It shares the queue, and can look at these merchants at once."""


class Turn(NamedTuple):
    """What a pass has while it has the lock.

    takeovers  who is taken over from it
    fleet      the manifests that it goes by
    lost_at    when whoever had the lock before was seen last, where it was lost and not given back
    """

    takeovers: Takeovers
    fleet: Fleet
    lost_at: datetime | None = None


class PassLock:
    """One for a process. `read_fleet`: the manifests in force, as of when it is called."""

    def __init__(self, open_lock: OpenLock, read_fleet: Callable[[], Fleet]) -> None:
        self._open_lock, self._read_fleet = open_lock, read_fleet
        self._changed = asyncio.Condition()
        self._is_taken = False
        self._holder: Turn | None = None  # of the pass that has the lock, while others may join it
        self._joined_count = 0

    @asynccontextmanager
    async def hold(self, max_wait_for_another_process_s: float = inf) -> AsyncIterator[Turn]:
        """For a pass that others may join. It has the lock to itself when it begins.

        max_wait_for_another_process_s  after that StateLocked; a pass of this process is waited for however long
        """
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_taken)
            self._is_taken = True
        try:
            async with self._open_lock(max_wait_for_another_process_s) as lost_at:
                turn = self._holder = Turn(Takeovers(), self._read_fleet(), lost_at)
                try:
                    await self._wake_waiters()
                    yield turn
                finally:
                    # First nobody joins any more: else there might always be one more to wait for below.
                    self._holder = None
                    turn.takeovers.allow()  # whoever joined and waited for that may begin: this pass is over
                    async with self._changed:
                        await self._changed.wait_for(lambda: not self._joined_count)
        finally:
            self._is_taken = False
            await self._wake_waiters()

    @asynccontextmanager
    async def join_or_hold(self, merchants: Collection[str]) -> AsyncIterator[Turn]:
        """For a short pass over these merchants, of whom it takes those over that it looks at: who has a manifest.

        Raises HeldElsewhere.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(MAX_SHORT_PASS_WAIT_S):
                    await self._changed.wait_for(lambda: self._holder is not None or not self._is_taken)
            except TimeoutError:  # a long pass of this process waits for the lock itself
                raise HeldElsewhere from None
            holder = self._holder
            # Counted where the holder was seen, with no wait in between: it gives the lock back once nobody counts.
            self._joined_count += holder is not None
        if holder is None:
            async with AsyncExitStack() as turn:
                try:
                    # No long pass comes in between: a condition that nobody holds over a wait is had at once.
                    held = await turn.enter_async_context(self.hold(MAX_SHORT_PASS_WAIT_S))
                except StateLocked:
                    raise HeldElsewhere from None
                yield held
            return
        try:
            await holder.takeovers.take(declared_names(merchants, holder.fleet))
            yield Turn(Takeovers(), holder.fleet)
        finally:
            self._joined_count -= 1
            await self._wake_waiters()

    async def _wake_waiters(self) -> None:
        async with self._changed:
            self._changed.notify_all()
