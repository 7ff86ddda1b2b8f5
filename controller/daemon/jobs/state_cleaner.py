"""Once a day what is over and old goes from the state, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from controller.daemon.scheduler import Timer
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.reconcile.state_cleanup import delete_expired_rows

CLEANUP_CHECK_INTERVAL_S = 3600.0
"""Seconds from one look whether a day is over to the next; the first comes so long after the start."""

CLEANUP_INTERVAL = timedelta(hours=23, minutes=30)

CLEANUP_BATCH_PAUSE_S = 0.05
"""Seconds between a few rows and the next: others write meanwhile."""

log = structlog.get_logger()


@dataclass(slots=True)
class StateCleaner:
    """`retention_s`: how many seconds what is over is remembered; `is_stopped`: whether a signal came."""

    run: RunContext
    retention_s: float
    is_stopped: Callable[[], bool]
    last_cleaned_at: datetime | None = None

    @property
    def timer(self) -> Timer:
        return Timer("cleanup", CLEANUP_CHECK_INTERVAL_S, self.clean_daily)

    async def clean_daily(self) -> None:
        now = self.run.now()
        # In either direction: one that was in the future was before the clock was put back.
        if self.last_cleaned_at and abs(now - self.last_cleaned_at) < CLEANUP_INTERVAL:
            return
        self.last_cleaned_at = now
        if gone := await delete_expired_rows(
            self.run, self.retention_s, stopped=self.is_stopped, pause_s=CLEANUP_BATCH_PAUSE_S
        ):
            log.info("old_rows_deleted", rows=gone)
