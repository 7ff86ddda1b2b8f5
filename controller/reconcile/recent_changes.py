"""What unattended runs changed lately, by class: the next one is judged together with it.

What a person confirmed (`apply`, `rollout`) is recorded, and does not count: it says nothing of what `run` may do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from controller.model.plan import ChangeClass, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome
from controller.planning.unattended_limits import LIMIT_WINDOW, LIMITED_CLASSES, limited_classes
from controller.reconcile.context import RunContext
from controller.reconcile.snapshot import RunSnapshot


async def count_recent_automatic_changes(run: RunContext) -> Mapping[ChangeClass, int]:
    """Changes within the window by class that nobody confirmed; none where a person answers for this very run.

    Those count, too, that another pass of this process was judged for and has not made yet. One that it has made
    meanwhile counts twice until that pass ends: rather one too few is written than one too many.
    """
    if not run.policy.automatic:
        return {}
    # Before, too: what another pass writes while this reads is not among the counts, and that pass may have ended then.
    judged_before = run.in_flight_changes.counts.copy()
    counts = await run.store.runs.count_unconfirmed_writes(run.service_now() - LIMIT_WINDOW)
    judged = judged_before | run.in_flight_changes.counts
    return {cls: counts.get(cls.value, 0) + judged[cls] for cls in LIMITED_CLASSES}


async def record_counts_before_writing(plan: Plan, snapshot: RunSnapshot) -> datetime:
    """Counts the changes that nobody confirmed before the first of them leaves, so that no crash makes one forgotten;
    when that was. Of these, what was not made is taken back by `record_counts_after_writing`."""
    at = snapshot.run.service_now()
    if snapshot.run.policy.automatic:
        await _record_counts(_count_limited_changes(plan, len(plan.changes)), snapshot, at)
    return at


async def record_counts_after_writing(
    plan: Plan, outcome: Outcome, snapshot: RunSnapshot, counted_at: datetime
) -> None:
    """Takes back what `record_counts_before_writing` counted and was not made; counts what a person confirmed."""
    made = outcome.writes if isinstance(outcome, Applied | Failed | ChangedSincePlan) else 0
    made += isinstance(outcome, Failed) and outcome.unsure  # it may have been
    counts = _count_limited_changes(plan, made)
    if snapshot.run.policy.automatic:
        counts.subtract(_count_limited_changes(plan, len(plan.changes)))
    await _record_counts(counts, snapshot, counted_at)


def _count_limited_changes(plan: Plan, first: int) -> Counter[str]:
    return Counter(cls.value for change in plan.changes[:first] for cls in limited_classes(change))


async def _record_counts(counts: Counter[str], snapshot: RunSnapshot, at: datetime) -> None:
    """What was not made is subtracted at the instant at which it was counted, so that both leave the window at once."""
    changed = {cls: number for cls, number in counts.items() if number}
    if changed:
        await snapshot.run.store.runs.record_writes(
            snapshot.run_id, changed, at, confirmed=not snapshot.run.policy.automatic
        )
