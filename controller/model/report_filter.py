"""Which findings a report shows, and by which label it is divided. Pure.

A filter narrows what is said and what the exit code says with it, as grep does. What could not be read, and manifests
that are invalid, stay: nobody knows what a filter would have shown there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from controller.model.drift import is_drift
from controller.model.plan import Actor, Direction, Finding, Plan
from controller.model.report import FleetPlan
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED
from controller.quick_dataclasses import dataclass

UNMANAGED_CODE = "company-unmanaged"


class Only(StrEnum):
    """DRIFT: what makes `drift` exit 2. PENDING: what the manifests ask for and live has not yet."""

    DRIFT = "drift"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """A finding is shown where all parts allow it; an empty part allows everything.

    actors  who must act
    since   first seen after it; a finding that the ledger does not know yet is new
    """

    only: Only | None = None
    codes: frozenset[str] = frozenset()
    actors: frozenset[Actor] = frozenset()
    since: datetime | None = None

    @property
    def shows_everything(self) -> bool:
        return self == SHOW_EVERYTHING

    def shows(self, finding: Finding) -> bool:
        return (
            (self.only is not Only.DRIFT or is_drift(finding) or finding.code == LAST_SYNC_FAILED)
            and (self.only is not Only.PENDING or finding.direction is Direction.PENDING)
            and (not self.codes or finding.code in self.codes)
            and (not self.actors or finding.actor in self.actors)
            and (self.since is None or finding.since is None or finding.since > self.since)
        )

    @property
    def shows_unmanaged(self) -> bool:
        """Whether companies that no manifest claims are shown: they are nobody's to act on, and of no known age."""
        return (
            self.only is None
            and (not self.codes or UNMANAGED_CODE in self.codes)
            and (not self.actors or Actor.NOBODY in self.actors)
        )


SHOW_EVERYTHING = FindingFilter()


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a report is shown: by which filter, how many findings it leaves out, and by which label it is divided."""

    filter: FindingFilter = SHOW_EVERYTHING
    left_out: int = 0
    group_by: str | None = None


EVERYTHING = Shown()


def filter_findings(plan: FleetPlan, wanted: FindingFilter) -> tuple[FleetPlan, int]:
    """The plan with the findings that are wanted, and how many are left out; everyone who was looked at is counted."""
    if wanted.shows_everything:
        return plan, 0
    shown = replace(
        plan,
        plans=tuple(replace(each, findings=tuple(filter(wanted.shows, each.findings))) for each in plan.plans),
        findings=tuple(filter(wanted.shows, plan.findings)),
        unmanaged_names=plan.unmanaged_names if wanted.shows_unmanaged else (),
        retained=plan.retained if wanted.shows_unmanaged else (),
    )
    return shown, _count(plan) - _count(shown)


def divide_by_label(plan: FleetPlan, label: str) -> dict[str, FleetPlan]:
    """By value of a label the plan of those who have it; those without it under the empty text, at the end."""
    by_value: dict[str, list[Plan]] = {}
    for each in plan.plans:
        by_value.setdefault(plan.labels.get(each.merchant, {}).get(label, ""), []).append(each)
    in_order = sorted(by_value, key=lambda value: (not value, value))
    return {value: replace(plan, plans=tuple(by_value[value])) for value in in_order}


def _count(plan: FleetPlan) -> int:
    return len(plan.findings) + sum(len(each.findings) for each in plan.plans) + plan.unmanaged_count
