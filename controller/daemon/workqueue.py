"""Who is to be looked at, when, and how urgently: keys with a due time, each waiting at most once.

add(acme, after 60 s)  ·  add(acme)  ──▶  acme is due at once: the earliest time wins, and the most urgent lane

A key is in work once at a time, from being handed out until `done`; added meanwhile it is handed out again afterwards.
Only an event does not wait for that: it takes the key over from a long pass of this process, which leaves it alone
(`controller.reconcile.pass_takeovers`).

`get` hands out whoever is due to long passes; `get_urgent`, to short ones, whomever something has happened to. Neither
waits for the other. Here is what a queue promises, and the queue of a process that shares nothing; the one that
outlives its process is `state_queue`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import IntEnum
from typing import Protocol

from controller.daemon.scheduler import Timer

EVERYONE = "*"
"""Stands for the whole fleet; no merchant can be called that."""


class Lane(IntEnum):
    """Why somebody is looked at, the most urgent first."""

    EVENT = 0
    """Something happened to it: a webhook, a status that moved, a person who asks."""
    REVISION = 1
    """The manifests declare it otherwise."""
    RETRY = 2
    """It waits or failed, or its time has come: the wait is over."""
    RESYNC = 3
    """Its turn among all."""

    @property
    def reason(self) -> str:
        """In a word, for the log."""
        return "recheck" if self is Lane.RETRY else self.name.lower()


Work = Mapping[str, Lane]
"""Who was handed out, and the lane of each."""


class Queue(Protocol):
    """What is added is handed out, at its time or soon after, and to one taker only."""

    @property
    def upkeep_timers(self) -> tuple[Timer, ...]:
        """What has to fire while anybody waits for `get` or `get_urgent`."""

    def add(self, keys: Iterable[str], after_s: float = 0, lane: Lane = Lane.RETRY) -> None:
        """They are due in so many seconds. Whoever waits already keeps the earlier time and the more urgent lane."""

    def notify_event_recorded(self, keys: Iterable[str]) -> None:
        """Something has happened to them, and whoever recorded it has asked the state for a look at them."""

    async def get_not_urgent(self) -> Work:
        """Waits for somebody to be due; nobody once it was closed. Raises StateUnreachable."""

    async def get_urgent(self) -> Work:
        """Waits for somebody to whom something has happened; nobody once it was closed. Raises StateUnreachable."""

    async def done(self, work: Work) -> None:
        """These were looked at, and what came of it was added: they are not in work any more."""

    def close(self) -> None:
        """Nobody is handed out any more."""

    def __len__(self) -> int:
        """How many wait."""


class WorkQueue:
    """The queue of a process that shares nothing. What it held is lost with the process: begin with EVERYONE."""

    upkeep_timers: tuple[Timer, ...] = ()

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[float, Lane]] = {}
        self._in_work: dict[str, Lane] = {}
        self._waiters: set[asyncio.Event] = set()
        self._closed = False

    def add(self, keys: Iterable[str], after_s: float = 0, lane: Lane = Lane.RETRY) -> None:
        note_asks(self._waiting, keys, _now() + after_s, lane)
        self._wake_waiters()

    def notify_event_recorded(self, keys: Iterable[str]) -> None:
        self.add(keys, lane=Lane.EVENT)

    async def get_not_urgent(self) -> Work:
        return await self._hand_out(urgent=False)

    async def get_urgent(self) -> Work:
        return await self._hand_out(urgent=True)

    async def done(self, work: Work) -> None:
        for key, lane in work.items():
            if self._in_work.get(key) is lane:  # else an event has taken it over
                del self._in_work[key]
        self._wake_waiters()

    def close(self) -> None:
        self._closed = True
        self._wake_waiters()

    def __len__(self) -> int:
        return len(self._waiting)

    async def _hand_out(self, *, urgent: bool) -> Work:
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            while not self._closed:
                changed.clear()
                may_go = {
                    key: (time, lane)
                    for key, (time, lane) in self._waiting.items()
                    if (lane is Lane.EVENT) == urgent and self._may_be_handed_out(key, lane)
                }
                due = {key: lane for key, (time, lane) in sorted(may_go.items()) if time <= _now()}
                if due:
                    for key in due:
                        del self._waiting[key]
                    self._in_work.update(due)
                    return due
                next_at = min((time for time, _ in may_go.values()), default=None)
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), None if next_at is None else next_at - _now())
            return {}
        finally:
            self._waiters.discard(changed)

    def _may_be_handed_out(self, key: str, lane: Lane) -> bool:
        return key not in self._in_work or (lane is Lane.EVENT and self._in_work[key] is not Lane.EVENT)

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            waiter.set()


def note_asks(asks: dict[str, tuple[float, Lane]], keys: Iterable[str], at: float, lane: Lane) -> None:
    """Puts keys down among others, by key: the earliest time wins, and the most urgent lane."""
    for key in keys:
        before_at, before_lane = asks.get(key, (at, lane))
        asks[key] = (min(at, before_at), min(lane, before_lane))


def _now() -> float:
    return asyncio.get_running_loop().time()
