"""Timers: the door to APScheduler. A timer that is late fires once, and never beside itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do again and again. `do` answers for its own failures."""

    name: str
    interval_s: float
    action: Callable[[], Coroutine[Any, Any, None]]


@contextmanager
def run_timers(*timers: Timer) -> Iterator[None]:
    """The timers fire while this lasts, the first time after one interval."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for timer in timers:
        scheduler.add_job(
            timer.action,
            "interval",
            id=timer.name,
            seconds=timer.interval_s,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
