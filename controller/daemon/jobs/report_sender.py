"""Reports that are due by their schedule: made from the state and delivered once, beside the passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from controller.daemon.scheduler import Timer
from controller.model.errors import UsageError
from controller.operations.scheduled_report import deliver_due_reports
from controller.quick_dataclasses import dataclass
from controller.settings import Settings
from controller.telemetry.metrics import Metrics
from state import Store
from state.errors import StateProblem

REPORT_CHECK_INTERVAL_S = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReportSender:
    """Looks twice a minute what is due."""

    settings: Settings
    store: Store
    metrics: Metrics
    now: Callable[[], datetime]

    @property
    def timer(self) -> Timer:
        return Timer("reports", REPORT_CHECK_INTERVAL_S, self.send_due, at_once=True)

    async def send_due(self) -> None:
        try:
            deliveries = await deliver_due_reports(self.settings, self.store, self.now())
            self.metrics.set_report_sent_times(await self.store.report_deliveries.load_last_sent())
        except (StateProblem, UsageError) as problem:
            log.warning("report_check_failed", reason=str(problem))
            return
        for each in deliveries:
            told = {"report": each.report, "destination": each.destination, "due": each.due_at.isoformat()}
            if each.failure is None:
                self.metrics.record_report_delivery(each.report, each.destination, "sent")
                log.info("report_delivered", **told)
            else:
                result = "failed" if each.will_retry else "lost"
                self.metrics.record_report_delivery(each.report, each.destination, result)
                log.warning("report_not_delivered", **told, reason=each.failure.reason, will_retry=each.will_retry)
