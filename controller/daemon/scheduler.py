"""Timers: the door to APScheduler. A timer that is late fires once, and never beside itself.

APScheduler goes by this machine's clock. Where that is put back, each would wait until it has caught up: they all fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
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


@asynccontextmanager
async def run_timers(*timers: Timer, now: Callable[[], datetime]) -> AsyncIterator[None]:
    """The timers fire while this lasts; at its end whatever is under way is cancelled. `now`: this machine's clock."""
    under_way: set[asyncio.Task[None]] = set()

    async def fire(timer: Timer) -> None:
        action = asyncio.create_task(timer.action())
        under_way.add(action)
        action.add_done_callback(under_way.discard)
        with suppress(asyncio.CancelledError):  # the scheduler's own end is told to nobody
            await asyncio.wait({action})
        if action.done() and not action.cancelled():
            action.result()

    scheduler = AsyncIOScheduler(timezone=UTC)
    for timer in timers:
        scheduler.add_job(
            fire,
            "interval",
            (timer,),
            id=timer.name,
            name=timer.name,
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
        scheduler.shutdown(wait=False)
        for task in (watch, *under_way):
            task.cancel()
        await asyncio.wait({watch, *under_way})


async def _fire_when_clock_is_put_back(scheduler: AsyncIOScheduler, now: Callable[[], datetime]) -> None:
    latest = now()
    while True:
        await asyncio.sleep(CLOCK_CHECK_INTERVAL_S)
        before, latest = latest, now()
        if latest < before - timedelta(seconds=CLOCK_CHECK_INTERVAL_S):
            log.warning("clock_put_back", seconds=round((before - latest).total_seconds()))
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
