"""A week in minutes: an event loop whose time stands while something is done, and jumps where all wait.

What is done outside of the loop (requests on a socket, SQLite and other work in threads) takes no time in it. Whatever
goes by the machine's clock, as APScheduler and a state in SQLite do, is shown the loop's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta, tzinfo
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple
from unittest.mock import patch

from controller.codat import quota_headers
from state import database

T = TypeVar("T")
_Ts = TypeVarTuple("_Ts")

LONGEST_JOB_S = 1.0
"""Real seconds: a thread that works for longer, as a server does, holds up no time."""
LONGEST_WAIT_S = 60.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0. `outside`: how much is under way that it waits for as long as it really takes."""

    def __init__(self) -> None:
        self._selector_in_use = _JumpingSelector(self)
        super().__init__(self._selector_in_use)
        self.began = datetime.now(UTC)
        self.outside = 0

    def time(self) -> float:
        return self._selector_in_use.now

    def now(self) -> datetime:
        """The time of day that goes with it."""
        return self.began + timedelta(seconds=self.time())

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """For something that is done outside."""
        self.outside += 1
        try:
            yield
        finally:
            self.outside -= 1

    def run_in_executor(self, executor: Any, func: Callable[[*_Ts], T], *args: *_Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.outside += 1
        counts = True

        def stop_counting(*_: object) -> None:
            nonlocal counts
            self.outside -= counts
            counts = False

        future.add_done_callback(stop_counting)
        self._selector_in_use.slow_jobs.append(stop_counting)
        return future

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if callback not in _answers_of_sqlite():
            return super().call_soon_threadsafe(callback, *args, context=context)

        def answered() -> None:  # counted in the loop's own thread: no time is lost, and none passes, in between
            self.outside -= 1
            callback(*args)

        return super().call_soon_threadsafe(answered, context=context)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.now = 0.0
        self.slow_jobs: list[Callable[[], None]] = []
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.outside:
            if not (ready := super().select(LONGEST_JOB_S)):
                for each in self.slow_jobs:
                    each()
            return ready
        self.slow_jobs.clear()
        if timeout is None:  # for a thread that is ending
            ready = super().select(LONGEST_WAIT_S)
            assert ready, "everything waits and nothing will come: a deadlock"
            return ready
        self.now += timeout
        return ready


def _answers_of_sqlite() -> tuple[Callable[..., object], ...]:
    from aiosqlite import core

    return core.set_result, core.set_exception


class _CountedQueue(SimpleQueue[Any]):
    """What an event loop leaves to the thread of a connection to SQLite: its answer comes by `call_soon_threadsafe`."""

    def put_nowait(self, item: Any) -> None:
        future, _ = item
        if future and isinstance(loop := future.get_loop(), VirtualLoop):
            loop.outside += 1
        super().put_nowait(item)


def run(story: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs it to its end in a loop of its own."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)

    class LoopTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return loop.now().astimezone(tz)

    with ExitStack() as patched:
        for module in ("schedulers.base", "triggers.interval", "executors.base"):
            patched.enter_context(patch(f"apscheduler.{module}.datetime", LoopTime))
        for clocked in (quota_headers, database):  # the latter's clock says who of those that wait is due
            patched.enter_context(patch(f"{clocked.__name__}.datetime", LoopTime))
        patched.enter_context(patch("aiosqlite.core.SimpleQueue", _CountedQueue))
        try:
            return loop.run_until_complete(story(loop))
        finally:
            loop.close()
