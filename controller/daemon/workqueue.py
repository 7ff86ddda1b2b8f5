"""Who is to be looked at, and when: names with a due time, each waiting at most once.

add(acme, after 60 s)  ·  add(acme)  ──▶  acme is due at once: the earliest time wins, and so does being urgent

Two lanes. `get` hands out whoever is due, for a long pass; `get_urgent`, for a short one, whomever something has
happened to: a webhook, a status that moved, a person who asks. Neither waits for the other. A merchant is in urgent
work once at a time: added meanwhile, it is handed out again afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

EVERYONE = "*"
"""Stands for the whole fleet; no merchant can be called that."""


class Queue(Protocol):
    """What is added is handed out, at its time or soon after, and to one taker only."""

    @property
    def max_batch(self) -> int | None:
        """How many are handed out at once at most; None = all that are due."""

    def add(self, keys: Iterable[str], after: float = 0, *, urgent: bool = False) -> None:
        """They are due in so many seconds. Whoever waits already keeps the earlier time."""

    async def get(self) -> tuple[str, ...]:
        """Waits for somebody to be due; () once it was closed. Those handed out before count as looked at."""

    async def get_urgent(self) -> tuple[str, ...]:
        """Waits for somebody urgent; () once it was closed. They are in work until `done` is called with them."""

    async def done(self, keys: Iterable[str]) -> None:
        """They were looked at. Those whom `get` handed out count so at the next `get` anyway."""

    def close(self) -> None:
        """Nobody is handed out any more."""

    def __len__(self) -> int:
        """How many wait."""


class WorkQueue:
    """The queue of one process. What it held is lost with the process: begin with EVERYONE."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._urgent: set[str] = set()
        self._in_urgent_work: set[str] = set()
        self._waiters: set[asyncio.Event] = set()
        self._closed = False

    @property
    def max_batch(self) -> None:
        return None

    def add(self, keys: Iterable[str], after: float = 0, *, urgent: bool = False) -> None:
        time, keys = _now() + after, tuple(keys)
        for key in keys:
            self._times[key] = min(time, self._times.get(key, time))
        if urgent:
            self._urgent.update(keys)
        self._wake_waiters()

    async def get(self) -> tuple[str, ...]:
        return await self._hand_out(urgent=False)

    async def get_urgent(self) -> tuple[str, ...]:
        keys = await self._hand_out(urgent=True)
        self._in_urgent_work.update(keys)
        return keys

    async def done(self, keys: Iterable[str]) -> None:
        self._in_urgent_work.difference_update(keys)
        self._wake_waiters()

    def close(self) -> None:
        self._closed = True
        self._wake_waiters()

    def __len__(self) -> int:
        return len(self._times)

    async def _hand_out(self, *, urgent: bool) -> tuple[str, ...]:
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            while not self._closed:
                changed.clear()
                times = {
                    key: time
                    for key, time in self._times.items()
                    if (key in self._urgent) == urgent and key not in self._in_urgent_work
                }
                due = tuple(sorted(key for key, time in times.items() if time <= _now()))
                if due:
                    for key in due:
                        del self._times[key]
                    self._urgent.difference_update(due)
                    return due
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(times.values()) - _now() if times else None)
            return ()
        finally:
            self._waiters.discard(changed)

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            waiter.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
