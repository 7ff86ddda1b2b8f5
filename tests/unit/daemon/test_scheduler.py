"""Timers fire by the clock, whatever happens to that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from controller.daemon.scheduler import Timer, run_timers

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


async def test_a_clock_that_is_put_back_stops_no_timer() -> None:
    now, fired = NOON, asyncio.Event()

    async def fire() -> None:
        fired.set()

    async with run_timers(Timer("hourly", 3600, fire), now=lambda: now):
        await asyncio.sleep(0)
        now -= timedelta(hours=5)
        async with asyncio.timeout(300):
            await fired.wait()
