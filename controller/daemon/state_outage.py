"""While the state cannot be reached, this process waits, and goes on by itself: a database is restarted now and then.

a pass, the queue ──▶ begin ──▶ said once; not ready; no timer fires, nobody is looked at
                                └─ asked again with growing pauses ──▶ said once; whoever was in hand is looked at

Only a state that does not answer, or that another process does not end writing to, is waited for. One that answers and
cannot be used (a newer schema, damaged rows) ends the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf

import structlog

from controller.daemon.doubling_wait import DoublingWait
from state.errors import StateUnreachable

FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S = 0.25, 5.0
"""Seconds from one try to reach the state to the next: twice as long each time."""

log = structlog.get_logger()


class StateOutage:
    """Whether the state is out of reach. `reason` says so, in words for anybody; None: it is not."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._begun, self._over, self._closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._over.set()

    def begin(self, problem: StateUnreachable) -> None:
        """The state was not reached. Nothing happens where that is known, or where the service ends."""
        if self.reason is None and not self._closed.is_set():
            self.reason = "the state cannot be reached: nothing is looked at until it answers again; the log says why"
            log.error("state_unreachable", reason=str(problem), remedy="it is asked again until it answers")
            self._over.clear()
            self._begun.set()

    async def wait_until_over(self) -> None:
        """Returns at once where there is none, and when the service ends."""
        await self._over.wait()

    async def watch(self, check_state: Callable[[], Awaitable[None]]) -> None:
        """Ends each outage once the state answers. Returns when the service ends.

        check_state  asks the state. Raises StateUnreachable; and StateUnusable, which is raised here
        """
        now = asyncio.get_running_loop().time
        ended_at, retry_wait = -inf, DoublingWait(FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S)
        while not self._closed.is_set():
            await self._begun.wait()
            began = now()
            if began - ended_at > MAX_RETRY_WAIT_S:
                retry_wait.reset()
            else:
                # It answered to that question alone: for instance, it is read from and takes no second connection.
                await self._wait_unless_closed(retry_wait.take_next_s())
            while not self._closed.is_set():
                with suppress(StateUnreachable):
                    await check_state()
                    break
                await self._wait_unless_closed(retry_wait.take_next_s())
            else:
                return
            ended_at = now()
            log.info("state_reachable_again", seconds=round(ended_at - began, 1))
            self.reason = None
            self._begun.clear()
            self._over.set()

    async def _wait_unless_closed(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)

    def close(self) -> None:
        """The service ends: nobody waits any longer."""
        for event in (self._closed, self._begun, self._over):
            event.set()
