"""How each merchant's latest sync went: a few merchants a minute, the whole fleet once per round.

What is read goes into the state, where the next plan finds it; whose sync fails, or does so no more, other than at the
last look at it, is looked at now.
Who cannot be read is passed over for a while, and keeps nobody else from being read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from math import ceil

import structlog

from controller.codat.client import Reader
from controller.codat.rate_limiter import background_requests
from controller.daemon.jobs.merchant_backoff import MerchantBackoff
from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Lane, Queue
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE, ControllerStatus
from controller.model.errors import ApiUnusable, RemoteLimitReached
from controller.model.plan import READY_CONDITION, ConditionStatus, Plan
from controller.model.syncs_and_uploads import is_sync_failure
from controller.quick_dataclasses import dataclass
from controller.reconcile.last_sync import read_latest_sync
from state import LastSyncRow, Store
from state.errors import StateProblem

SYNC_POLL_INTERVAL_S = 60.0
"""Seconds from one few to the next."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SyncPoller:
    """Reads in turn. `round_s`: the seconds in which each merchant has its turn."""

    api: Reader
    store: Store
    queue: Queue
    latest: Callable[[], ControllerStatus]
    now: Callable[[], datetime]
    round_s: float
    backoff: MerchantBackoff = field(default_factory=MerchantBackoff)

    @property
    def timer(self) -> Timer:
        return Timer("sync_status", min(SYNC_POLL_INTERVAL_S, self.round_s), self.poll_some)

    async def poll_some(self) -> None:
        """The next few. Only everybody's trouble ends it for this time: whoever was left out comes first the next."""
        try:
            known = await self.store.last_syncs.load()
            with background_requests():
                for plan in () if self.api.resume_at else self._next_due(known):
                    await self._poll_one(plan, known.get(plan.merchant))
        except (RemoteLimitReached, ApiUnusable, StateProblem) as error:
            log.warning("sync_status_reads_interrupted", reason=str(error))

    async def _poll_one(self, plan: Plan, before: LastSyncRow | None) -> None:
        assert plan.company_id is not None, "in service is only who has a company"
        try:
            row = await read_latest_sync(plan.merchant, plan.company_id, before, self.api, self.now())
            await self.store.last_syncs.save_if_newer([row], believed_until=row.read_at + MAX_CLOCK_DIFFERENCE)
        except Exception as error:
            self.backoff.record_failure_or_raise(plan.merchant, error, self.now(), "sync_status_unreadable")
            return
        self.backoff.record_success(plan.merchant)
        # Not beside what was read before: a rollout or a person may have, and nobody has looked because of that.
        if is_sync_failure(row.code) != (plan.last_sync is not None and is_sync_failure(plan.last_sync.code)):
            self.queue.add([plan.merchant], lane=Lane.EVENT)

    def _next_due(self, known: Mapping[str, LastSyncRow]) -> list[Plan]:
        plan = self.latest().plan
        ready = select_expected_to_sync(plan.plans) if plan else []
        due = self.backoff.select_not_backing_off(ready, self.now())
        return select_next(due, known, self.now(), self.round_s, self.timer.interval_s)


def select_expected_to_sync(plans: Iterable[Plan]) -> list[Plan]:
    """Whose sales Codat is to synchronise: linked on both sides, configured and switched on."""
    return [
        plan
        for plan in plans
        if plan.company_id
        and any(each.type == READY_CONDITION and each.status is ConditionStatus.TRUE for each in plan.conditions)
    ]


def select_next(
    plans: list[Plan], known: Mapping[str, LastSyncRow], now: datetime, round_s: float, interval_s: float
) -> list[Plan]:
    """Those whose turn it is, never read and longest unread first; so many that a round gets through."""
    read = {plan.merchant: known[plan.merchant].read_at for plan in plans if plan.merchant in known}
    due = [
        plan
        for plan in plans
        # In either direction: what was read in the future was read before the clock was put back.
        if plan.merchant not in read or abs(now - read[plan.merchant]) >= timedelta(seconds=round_s)
    ]
    due.sort(key=lambda plan: (plan.merchant in read, read.get(plan.merchant, now), plan.merchant))
    return due[: ceil(len(plans) * interval_s / round_s)]
