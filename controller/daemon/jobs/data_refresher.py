"""Reference data that has grown old is asked for again, little by little.

Codat re-reads a merchant's books only when asked (API notes 3.8); what was deleted there shows only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from math import ceil

import structlog

from controller.codat.client import Client
from controller.codat.rate_limiter import background_requests
from controller.daemon.jobs.merchant_backoff import MerchantBackoff
from controller.daemon.scheduler import Timer
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE, ControllerStatus
from controller.model.errors import ApiUnusable, RemoteLimitReached
from controller.model.plan import Plan
from controller.quick_dataclasses import dataclass
from state import Store
from state.errors import StateProblem

DATA_REFRESH_INTERVAL_S = 300.0
"""Seconds from one few to the next."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DataRefresher:
    """Asks for new pulls. `max_age_s`: how old data may grow. When it asked for whom is in the state."""

    api: Client
    store: Store
    latest: Callable[[], ControllerStatus]
    now: Callable[[], datetime]
    max_age_s: float
    backoff: MerchantBackoff = field(default_factory=MerchantBackoff)

    @property
    def timer(self) -> Timer:
        return Timer("refresh", min(DATA_REFRESH_INTERVAL_S, self.max_age_s), self.refresh_some)

    async def refresh_some(self) -> None:
        """The next few. Who is refused is passed over for a while; only everybody's trouble ends it for this time."""
        number = 0
        try:
            with background_requests():
                for each in () if self.api.resume_at else self._next_stale(await self.store.refresh_requests.load()):
                    number += await self._request_refresh(each)
        except (RemoteLimitReached, ApiUnusable, StateProblem) as error:
            log.warning("data_refresh_requests_interrupted", reason=str(error))
        if number:
            log.info("data_refresh_requested", merchants=number)

    def _next_stale(self, asked: Mapping[str, datetime]) -> list[Plan]:
        plan = self.latest().plan
        due = self.backoff.select_not_backing_off(plan.plans if plan else (), self.now())
        return select_stale(due, asked, self.now(), self.max_age_s, self.timer.interval_s)

    async def _request_refresh(self, plan: Plan) -> bool:
        assert plan.company_id is not None, "data is only known of who has a company"
        try:
            # No fence, no intent, nor a lease: a pull changes nothing, and a second one while it runs is refused (409).
            await self.api.refresh(plan.company_id)
            await self.store.refresh_requests.save([plan.merchant], self.now())
        except Exception as error:
            self.backoff.record_failure_or_raise(plan.merchant, error, self.now(), "data_refresh_not_requested")
            return False
        self.backoff.record_success(plan.merchant)
        return True


def select_stale(
    plans: Iterable[Plan], asked: Mapping[str, datetime], now: datetime, max_age_s: float, interval_s: float
) -> list[Plan]:
    """Whose data is too old and was not asked for lately, the oldest first; nobody who is closed to writes.

    At most twice as many as would do: a fleet that is all old is not asked for at once.
    """
    plans, since = tuple(plan for plan in plans if not plan.is_closed), now - timedelta(seconds=max_age_s)
    ages = {
        plan.merchant: plan.data_age.last_pulled_at for plan in plans if plan.data_age and plan.data_age.last_pulled_at
    }
    old = [plan for plan in plans if plan.merchant in ages and ages[plan.merchant] <= since]
    # What was asked for in the future was so before the clock was put back.
    lately = {name for name, at in asked.items() if since < at <= now + MAX_CLOCK_DIFFERENCE}
    not_asked = [plan for plan in old if plan.merchant not in lately]
    return sorted(not_asked, key=lambda plan: ages[plan.merchant])[: ceil(2 * len(plans) * interval_s / max_age_s)]
