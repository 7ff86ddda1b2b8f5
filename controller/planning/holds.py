"""Whom a rollout holds: their plans keep what was found, and lose what would be written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.model.merchant import Wanted
from controller.model.plan import Actor, Finding, Plan, State
from controller.model.rollout import UNDER_WAY

HELD = "rollout-held"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a merchant is left to a rollout: its wave is still to come, or it was called back.

    digest  of the wish that the rollout began with: another one ends a hold of a rollout that is over
    """

    rollout: str
    state: str
    wave: int
    digest: str

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


def holds(hold: Hold, wanted: Wanted) -> bool:
    """While the rollout is under way, whatever is wished; then as long as the same is wished as at its start."""
    return not wanted.retired and (hold.under_way or hold.digest == wanted.digest)


def withheld(plan: Plan, hold: Hold | None) -> Plan:
    """The plan of a merchant that is held: nothing is written, what was found stays told."""
    if hold is None or not plan.changes:
        return plan
    finding = _finding(plan.merchant, hold)
    told = (_left_to(each, finding.remedy) for each in plan.findings)
    return replace(plan, state=State.WAITING, changes=(), seen={}, findings=(finding, *told))


def is_withheld(plan: Plan) -> bool:
    return any(each.code == HELD for each in plan.findings)


def _left_to(finding: Finding, remedy: str) -> Finding:
    """What the next apply would have mended waits as well."""
    return replace(finding, actor=Actor.NOBODY, remedy=remedy) if finding.actor is Actor.APPLY else finding


def _finding(merchant: str, hold: Hold) -> Finding:
    cause, remedy = _under_way(hold) if hold.under_way else _over(hold)
    return Finding(HELD, merchant, cause, remedy, Actor.NOBODY)


def _under_way(hold: Hold) -> tuple[str, str]:
    cause = f"rollout {hold.rollout} is {hold.state}, and wave {hold.wave} has not reached this merchant"
    return cause, f"merchantctl rollout resume {hold.rollout}, or abort it"


def _over(hold: Hold) -> tuple[str, str]:
    cause = f"rollout {hold.rollout} was {hold.state}, and the manifests still ask for what it was to bring"
    return cause, "change the manifests back, or merchantctl rollout start"
