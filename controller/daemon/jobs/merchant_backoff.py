"""Whose small turn failed, and for how long each is passed over because of it. Nobody waits for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from datetime import datetime

import structlog

from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.errors import RemoteError, RemoteLimitReached
from controller.model.plan import Plan
from controller.quick_dataclasses import dataclass
from controller.reconcile.failure_policy import backoff, ends_run

QUOTA_EXCEEDED_STATUS = 429
"""A day's quota that is used up is everybody's; the limit of companies (402) never stands in the way of a read."""

log = structlog.get_logger()


@dataclass(slots=True)
class MerchantBackoff:
    """By merchant: failures in a row, and until when it is passed over: 1, 2, 4 … 60 minutes. Lost with the process."""

    failures: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def select_not_backing_off(self, plans: Iterable[Plan], now: datetime) -> list[Plan]:
        """Those who are not passed over."""
        # For longer than its own back-off nobody is: the clock was put back since.
        latest = now + MAX_CLOCK_DIFFERENCE
        waiting = {name for name, (tries, until) in self.failures.items() if now < until <= latest + backoff(tries)}
        return [plan for plan in plans if plan.merchant not in waiting]

    def record_success(self, merchant: str) -> None:
        self.failures.pop(merchant, None)

    def record_failure_or_raise(self, merchant: str, error: Exception, now: datetime, event: str) -> None:
        """Only this merchant's turn is over; logged as `event`. Raises what is everybody's trouble."""
        if ends_run(error) or (isinstance(error, RemoteLimitReached) and error.status == QUOTA_EXCEEDED_STATUS):
            raise error
        tries = 1 + self.failures.get(merchant, (0, now))[0]
        self.failures[merchant] = tries, now + backoff(tries)
        if isinstance(error, RemoteError):
            log.warning(event, merchant=merchant, reason=str(error), failures=tries)
        else:
            fault = "a fault of merchantctl itself; please report it"
            log.error(event, merchant=merchant, reason=fault, exc_info=error)
