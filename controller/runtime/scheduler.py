"""Timers: the door to APScheduler. A timer that is late fires once, and never beside itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do again and again. `do` answers for its own failures."""

    name: str
    seconds: float
    do: Callable[[], Coroutine[Any, Any, None]]


@contextmanager
def ticking(*timers: Timer) -> Iterator[None]:
    """The timers fire while this lasts, the first time after one interval."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for timer in timers:
        scheduler.add_job(
            timer.do,
            "interval",
            id=timer.name,
            seconds=timer.seconds,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
