"""Timers: the door to APScheduler. A timer that is late fires once, and never beside itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do again and again, for the first time after one interval, or at once. `action` answers for its own
    failures."""

    name: str
    interval_s: float
    action: Callable[[], Coroutine[Any, Any, None]]
    at_once: bool = False


@contextmanager
def run_timers(*timers: Timer) -> Iterator[None]:
    """The timers fire while this lasts."""
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
            **({"next_run_time": datetime.now(UTC)} if timer.at_once else {}),
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
