"""How the fleet stands every few minutes, as numbers: what charts are drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from controller.daemon.scheduler import Timer
from controller.model.controller_status import ControllerStatus
from controller.model.drift import is_drift
from controller.model.merchant_status import merchant_status, open_findings
from controller.model.plan import ConditionStatus
from controller.quick_dataclasses import dataclass
from state import Sample, Store
from state.errors import StateProblem

SAMPLE_INTERVAL = timedelta(minutes=5)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sampler:
    """Records a sample of the fleet, once somebody has looked at it."""

    store: Store
    latest: Callable[[], ControllerStatus]
    now: Callable[[], datetime]

    @property
    def timer(self) -> Timer:
        # More often than a sample is kept: which process keeps the next one, `record` decides.
        return Timer("samples", SAMPLE_INTERVAL.total_seconds() / 5, self.sample)

    async def sample(self) -> None:
        latest, now = self.latest(), self.now()
        if latest.plan is None:
            return
        try:
            if await self.store.samples.record(Sample(now, fleet_counts(latest)), SAMPLE_INTERVAL):
                await self.store.samples.thin(now)
        except StateProblem as problem:
            log.warning("fleet_sample_not_recorded", reason=str(problem))


def fleet_counts(latest: ControllerStatus) -> Mapping[str, int]:
    """`merchants`, `status.STATUS` and `condition.TYPE` (met) in merchants, `drifted`, `unmanaged`. Pure."""
    counts: Counter[str] = Counter()
    for plan in latest.plan.plans if latest.plan else ():
        outcome = latest.outcomes.get(plan.merchant)
        counts["merchants"] += 1
        counts[f"status.{merchant_status(plan, outcome).value}"] += 1
        counts["drifted"] += any(map(is_drift, open_findings(plan, outcome)))
        counts.update(f"condition.{each.type}" for each in plan.conditions if each.status is ConditionStatus.TRUE)
    counts["unmanaged"] = latest.plan.unmanaged_count if latest.plan else 0
    return dict(counts)
