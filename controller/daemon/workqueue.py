"""Who is to be looked at, and when: names with a due time, each waiting at most once.

add(acme, after 60 s)  ·  add(acme)  ──▶  acme is due at once: the earliest wins
due() waits, and hands out all that are due together; to ask again says that they were looked at
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

    def add(self, keys: Iterable[str], after: float = 0) -> None:
        """They are due in so many seconds. Whoever waits already keeps the earlier time."""

    async def get(self) -> tuple[str, ...]:
        """Waits for somebody to be due; () once it was closed. Those handed out before count as looked at."""

    def close(self) -> None:
        """Nobody is handed out any more."""

    def __len__(self) -> int:
        """How many wait."""


class WorkQueue:
    """The queue of one process, for one taker. What it held is lost with the process: begin with EVERYONE."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def add(self, keys: Iterable[str], after: float = 0) -> None:
        time = _now() + after
        for key in keys:
            self._times[key] = min(time, self._times.get(key, time))
        self._changed.set()

    async def get(self) -> tuple[str, ...]:
        while not self._closed:
            self._changed.clear()
            ripe = self._taken()
            if ripe:
                return ripe
            await self._moved()
        return ()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def __len__(self) -> int:
        return len(self._times)

    def _taken(self) -> tuple[str, ...]:
        ripe = tuple(sorted(key for key, time in self._times.items() if time <= _now()))
        for key in ripe:
            del self._times[key]
        return ripe

    async def _moved(self) -> None:
        """Until somebody is added, or the first of those that wait is due."""
        wait = min(self._times.values()) - _now() if self._times else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), wait)


def _now() -> float:
    return asyncio.get_running_loop().time()
