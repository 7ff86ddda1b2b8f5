"""Two clocks, this machine's and Codat's: what is written must not depend on which of them is right.

`skew` is what has to be added to our clock to have Codat's, as an answer's `Date` said it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.model.holds import HeldBy, Hold
from controller.model.plan import Actor, Finding, Plan, PlanStatus
from controller.planning.holds import hold_changes

CLOCK_SKEW_CODE = "clock-skew"

NEGLIGIBLE_SKEW = timedelta(seconds=5)
"""No difference up to this: `Date` is in whole seconds, and an answer takes some time."""

TOLERATED_SKEW = timedelta(minutes=2)
"""A difference above this is told once a run, even where nothing depends on it."""

SET_CLOCK_REMEDY = "set this machine's clock (timedatectl set-ntp true)"


def service_time(now: datetime, skew: timedelta | None) -> datetime:
    """Now by Codat's clock; by ours where Codat did not say its time, or differs by less than NEGLIGIBLE_SKEW."""
    return now if skew is None or abs(skew) <= NEGLIGIBLE_SKEW else now + skew


def hold_if_skew_matters(by_service: Plan, by_ours: Plan, service_now: datetime, our_now: datetime) -> Plan:
    """One merchant's plan by Codat's clock, held where the plan by our clock would write something else."""
    if _writes(by_service) == _writes(by_ours):
        return by_service
    clocks = f"Codat's clock says {_format_instant(service_now)} and this machine's {_format_instant(our_now)}"
    more_by_service, more_by_ours = (
        _describe_extra_writes(by_service, by_ours),
        _describe_extra_writes(by_ours, by_service),
    )
    writes = f"{more_by_service} by Codat's, {more_by_ours} by this machine's"
    cause = f"{clocks}, and what is to be written depends on it: {writes}"
    finding = Finding(
        CLOCK_SKEW_CODE, by_service.merchant, cause, f"{SET_CLOCK_REMEDY}; then merchantctl apply", Actor.OPERATOR
    )
    return hold_changes(by_service, PlanStatus.BLOCKED, Hold(HeldBy.CLOCK_SKEW, cause), finding)


def describe_skew(now: datetime, skew: timedelta | None) -> str | None:
    """A sentence about clocks that differ by more than TOLERATED_SKEW; None where they do not."""
    if skew is None or abs(skew) <= TOLERATED_SKEW:
        return None
    direction = "behind" if skew > timedelta() else "ahead of"
    difference = f"{_format_duration(abs(skew))} {direction} Codat's"
    times = f"{_format_instant(now)} here, {_format_instant(now + skew)} there"
    return f"this machine's clock is {difference} ({times}): whoever's writes depend on it is held; {SET_CLOCK_REMEDY}"


def _writes(plan: Plan) -> list[tuple[object, ...]]:
    """Kind, classes and values of all that would be written; not why."""
    return [
        (change.kind, change.classes, tuple((field.field, field.wanted) for field in change.fields))
        for change in plan.changes
    ]


def _describe_extra_writes(plan: Plan, other: Plan) -> str:
    """The writes of a plan that the other one lacks, in words."""
    other_lines = set(_describe_all_writes(other))
    return ", ".join(line for line in _describe_all_writes(plan) if line not in other_lines) or "nothing else"


def _describe_all_writes(plan: Plan) -> list[str]:
    if not plan.changes:
        return ["nothing"]
    kinds = [f"{change.kind.value} as {', '.join(change.classes)}" for change in plan.changes if change.classes]
    return kinds + [f"{field.field} {field.wanted}" for change in plan.changes for field in change.fields]


def _format_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _format_duration(duration: timedelta) -> str:
    if duration.days:
        return f"{duration.days} day" + ("s" if duration.days != 1 else "")
    minutes = round(duration.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} minutes"
