"""What the steps of planning are given about one merchant, and what each of them returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from functools import lru_cache
from typing import Any

from controller.model.desired import DesiredMerchant, LinkState
from controller.model.field_values import Value
from controller.model.observed import Company, Connection, Observed, RecordedState
from controller.model.plan import RECHECK_UNREAD_AFTER, Actor, Change, Condition, ConditionStatus, Direction, Finding
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What planning knows of one merchant. `company` and `connection` are set once the steps have found them.

    replaced       accounting connections of another platform whose place `connection` is to take
    remap_allowed  a person has released this merchant's renumbered references
    """

    desired: DesiredMerchant
    observed: Observed
    recorded: RecordedState
    now: datetime
    company: Company | None = None
    connection: Connection | None = None
    replaced: tuple[Connection, ...] = ()
    remap_allowed: bool = False

    @property
    def is_to_be_taken_down(self) -> bool:
        """Whether it is to be unlinked, disabled or removed: what its mapping says does not matter any more."""
        return bool(self.desired.removal) or self.desired.link_state is LinkState.UNLINKED

    def finding(self, code: str, cause: str, remedy: str, actor: Actor, **fields: Any) -> Finding:
        return Finding(code, self.desired.name, cause, remedy, actor, **fields)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step found. The next step runs only while `proceed` is true.

    context          with what this step has found out
    more_conditions  further conditions that the same step decides
    resolved_values  the desired values, from the step that compares the configuration
    differences      by declared field that differs live, who moved: see `Plan.differences`
    """

    context: PlanningContext
    condition: Condition
    proceed: bool = True
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    more_conditions: tuple[Condition, ...] = ()
    resolved_values: dict[str, Value] = field(default_factory=dict)
    differences: Mapping[str, Direction] = field(default_factory=dict)


# Kept, since nearly every merchant of a fleet has the same ones: ten thousand plans would hold a hundred thousand.
@lru_cache(maxsize=1024)
def condition_met(kind: str, reason: str = "") -> Condition:
    return Condition(kind, ConditionStatus.TRUE, reason)


@lru_cache(maxsize=1024)
def condition_unmet(kind: str, reason: str) -> Condition:
    return Condition(kind, ConditionStatus.FALSE, reason)


def unknown_result(context: PlanningContext, kind: str, subject: str, reason: str) -> StepResult:
    """Planning ends here, since `subject` could not be read: it may be missing or in sync, nobody knows."""
    finding = context.finding(
        "unknown",
        f"{subject} could not be read: {reason}",
        "run it again",
        Actor.CODAT,
        recheck_after=RECHECK_UNREAD_AFTER,
    )
    return StepResult(context, Condition(kind, ConditionStatus.UNKNOWN, reason), proceed=False, findings=(finding,))


def stop_result(
    context: PlanningContext, kind: str, *findings: Finding, changes: tuple[Change, ...] = ()
) -> StepResult:
    """The condition is not met and planning ends here; the first finding is its reason."""
    return StepResult(
        context, condition_unmet(kind, findings[0].code), proceed=False, findings=findings, changes=changes
    )
