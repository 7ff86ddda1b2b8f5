"""Timers: the door to APScheduler. A timer that is late fires once, and never beside itself.

APScheduler goes by this machine's clock. Where that is put back, each would wait until it has caught up: they all fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

from controller.quick_dataclasses import dataclass

CLOCK_CHECK_INTERVAL_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do again and again, for the first time after one interval, or at once. `action` answers for its own
    failures."""

    name: str
    interval_s: float
    action: Callable[[], Coroutine[Any, Any, None]]
    at_once: bool = False


@contextmanager
def run_timers(*timers: Timer, now: Callable[[], datetime]) -> Iterator[None]:
    """The timers fire while this lasts. `now`: this machine's clock."""
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
    watch = asyncio.get_running_loop().create_task(_fire_when_clock_is_put_back(scheduler, now))
    try:
        yield
    finally:
        watch.cancel()
        scheduler.shutdown(wait=False)


async def _fire_when_clock_is_put_back(scheduler: AsyncIOScheduler, now: Callable[[], datetime]) -> None:
    latest = now()
    while True:
        await asyncio.sleep(CLOCK_CHECK_INTERVAL_S)
        before, latest = latest, now()
        if latest < before - timedelta(seconds=CLOCK_CHECK_INTERVAL_S):
            log.warning("clock_put_back", seconds=round((before - latest).total_seconds()))
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
