"""The limits, judged over all plans at once before the first write.

    re-create, delete          0          unlink   max(1, 2 %)     remap       max(50, 25 %)
    shrink               refused          disable  max(1, 5 %)     reschedule  max(50, 25 %)

Percentages are of the bound merchants. Creates, first configurations, enables and renames have no limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.model.plan import ChangeClass, Plan
from controller.model.report import Excess, Refusal
from controller.model.run import Leave

FLOORS = {
    ChangeClass.DELETE: (0, 0),
    ChangeClass.RE_CREATE: (0, 0),
    ChangeClass.UNLINK: (1, 2),
    ChangeClass.DISABLE: (1, 5),
    ChangeClass.REMAP: (50, 25),
    ChangeClass.RESCHEDULE: (50, 25),
}
"""At least so many, and so many per cent of the bound merchants."""
SHRINK = (1, 10)

WINDOW = timedelta(hours=24)
"""What an unattended run is judged together with: small runs in a row must not add up to an accident."""


@dataclass(frozen=True, slots=True)
class Fold:
    """The fleet around the plans.

    bound     merchants that state knows a company of, tombstones aside
    lost      those of them whose manifest is gone; None when this run may not judge that
    declared  merchants that the manifests hold
    """

    bound: int
    lost: tuple[str, ...] | None
    declared: int


def judge(
    plans: Iterable[Plan], fold: Fold, leave: Leave, before: Mapping[ChangeClass, int] | None = None
) -> tuple[dict[ChangeClass, int], Refusal | None]:
    """How many changes of each class the plans make, and a Refusal with the numbers when a limit is passed.

    `before` are the changes already made within the rolling window that the limits cover.
    """
    plans = tuple(plans)
    counts = count(plans)
    excesses = (*_over(plans, counts, fold, leave, before or {}), *_shrunk(fold, leave), *_too_many(plans, leave))
    return counts, Refusal(excesses) if excesses else None


def count(plans: Iterable[Plan]) -> dict[ChangeClass, int]:
    """Changes by class; one POST counts in each class that it touches."""
    counted = Counter(cls for plan in plans for change in plan.changes for cls in change.classes)
    return {cls: counted[cls] for cls in ChangeClass if counted[cls]}


def limit(floor: tuple[int, int], bound: int) -> int:
    """The larger of a number and a percentage of the bound merchants, rounded down."""
    least, percent = floor
    return max(least, bound * percent // 100)


def _over(
    plans: tuple[Plan, ...],
    counts: Mapping[ChangeClass, int],
    fold: Fold,
    leave: Leave,
    before: Mapping[ChangeClass, int],
) -> Iterable[Excess]:
    for cls, floor in FLOORS.items():
        most, number, made = limit(floor, fold.bound), counts.get(cls, 0), before.get(cls, 0)
        if number and number + made > most and cls.value not in leave.allow:
            yield Excess(cls.value, number + made, most, f"--allow {cls.value}", _touched(plans, cls), made)


def _touched(plans: tuple[Plan, ...], cls: ChangeClass) -> tuple[str, ...]:
    return tuple(plan.merchant for plan in plans if any(cls in change.classes for change in plan.changes))


def _shrunk(fold: Fold, leave: Leave) -> Iterable[Excess]:
    """An empty root, or one that lost many of its merchants, is a mistake until somebody says that it is not."""
    if not fold.lost or "shrink" in leave.allow:
        return
    most = 0 if fold.declared == 0 else limit(SHRINK, fold.bound)
    if len(fold.lost) > most:
        yield Excess("shrink", len(fold.lost), most, "--allow shrink", fold.lost)


def _too_many(plans: tuple[Plan, ...], leave: Leave) -> Iterable[Excess]:
    total = sum(len(plan.changes) for plan in plans)
    if leave.max_changes is not None and total > leave.max_changes:
        yield Excess("all changes", total, leave.max_changes, f"--max-changes {total}")
