"""Reference data that has grown old is asked for again, little by little.

The service re-reads a merchant's books only when asked (REFERENCE 3.8); what was deleted there shows only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

import structlog

from controller.model.errors import RemoteError
from controller.model.latest import Latest
from controller.model.plan import Plan
from controller.runtime.scheduler import Timer
from state import Store

EVERY = 300.0
"""Seconds from one few to the next."""

log = structlog.get_logger()


class Refreshing(Protocol):
    async def refresh(self, company_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Refresher:
    """Asks for new pulls. `after`: how many seconds old data may grow. When it asked for whom is in the state."""

    api: Refreshing
    store: Store
    latest: Callable[[], Latest]
    now: Callable[[], datetime]
    after: float

    @property
    def timer(self) -> Timer:
        return Timer("refresh", min(EVERY, self.after), self.ask_some)

    async def ask_some(self) -> None:
        """The next few. A refusal ends it for this time."""
        plan, asked = self.latest().plan, await self.store.pulls()
        few = aged(plan.plans if plan else (), asked, self.now(), self.after, self.timer.seconds)
        try:
            for each in few:
                assert each.company_id is not None, "data is only known of who has a company"
                await self.api.refresh(each.company_id)
                await self.store.note_pulls([each.merchant], self.now())
        except RemoteError as error:
            log.warning("reference data not asked for", why=str(error))
        if few:
            log.info("reference data asked for", merchants=len(few))


def aged(plans: Iterable[Plan], asked: Mapping[str, datetime], now: datetime, after: float, every: float) -> list[Plan]:
    """Whose data is too old and was not asked for lately, the oldest first.

    At most twice as many as would do: a fleet that is all old is not asked for at once.
    """
    plans, since = tuple(plans), now - timedelta(seconds=after)
    ages = {plan.merchant: plan.data.last_sync for plan in plans if plan.data and plan.data.last_sync}
    old = [plan for plan in plans if plan.merchant in ages and ages[plan.merchant] <= since]
    old = sorted((plan for plan in old if not _lately(asked, plan, since)), key=lambda plan: ages[plan.merchant])
    return old[: ceil(2 * len(plans) * every / after)]


def _lately(asked: Mapping[str, datetime], plan: Plan, since: datetime) -> bool:
    return plan.merchant in asked and asked[plan.merchant] > since
