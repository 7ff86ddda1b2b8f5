"""Event loops that do not sit out a wait: where nothing has happened for a moment, the time it was to last is over.

    sleep(0.5) ── 0.02 s in which nothing else happens ──▶ over, and the loop's time is half a second later

For tests in which code waits by itself, such as after a 429 or between two looks, and the wait is not what it is
about. Everything else takes as long as ever: threads and sockets are waited for, and the machine's clocks are as
they are.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOMENT_S = 0.02
"""Real seconds: an answer in the same process comes sooner."""
LONGEST_WAIT_S = 2.0
"""Whatever is to last for longer, as the time-out of a request does, takes as long as it says: a machine that is busy
may keep somebody waiting for more than a moment."""


class _HurriedEventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """Its new loops are hurried."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return HurriedEventLoop()


@contextmanager
def hurried_event_loops() -> Iterator[None]:
    """Every event loop that is made meanwhile, as by `asyncio.run`, is hurried."""
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(_HurriedEventLoopPolicy())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)


class HurriedEventLoop(asyncio.SelectorEventLoop):
    """One of them."""

    def __init__(self) -> None:
        self._hurried = _HurriedSelector()
        super().__init__(self._hurried)

    def time(self) -> float:
        return super().time() + self._hurried.skipped_s


class _HurriedSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or not MOMENT_S < timeout <= LONGEST_WAIT_S:
            return super().select(timeout)
        ready = super().select(MOMENT_S)
        if not ready:
            self.skipped_s += timeout - MOMENT_S
        return ready
