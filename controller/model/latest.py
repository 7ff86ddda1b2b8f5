"""What the resident controller knows at this moment: every merchant as it was last looked at, and how its passes go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.model.merchant import Complaint, Fleet
from controller.model.report import FleetPlan, FleetReport, Outcome


@dataclass(frozen=True, slots=True)
class Latest:
    """One moment of a controller that runs.

    fleet       the manifests in use; where `complaints` stand, an older revision that was good
    plan        the last pass over everyone, and merged into it whoever was looked at by name since; None = none yet
    outcomes    what became of those plans, by merchant
    at          when everyone was last looked at
    next_at     when everyone is due again
    queued      merchants that are due or wait for their time
    complaints  about the manifests as they stand on disk
    trouble     why the last pass came to nothing; None when it did not
    """

    fleet: Fleet | None = None
    plan: FleetPlan | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    at: datetime | None = None
    next_at: datetime | None = None
    queued: int = 0
    complaints: tuple[Complaint, ...] = ()
    trouble: str | None = None
    report_only: bool = False


def after(latest: Latest, result: FleetPlan | FleetReport, fleet: Fleet, *, everyone: bool, at: datetime) -> Latest:
    """The next moment, once a pass has ended. A pass over few says nothing of the others, nor of the fleet's limits."""
    plan, outcomes = (result.plan, result.outcomes) if isinstance(result, FleetReport) else (result, {})
    if everyone or latest.plan is None:
        return replace(latest, fleet=fleet, plan=plan, outcomes=outcomes, at=at if everyone else None, trouble=None)
    seen = {each.merchant: each for each in plan.plans}
    plans = {each.merchant: each for each in latest.plan.plans} | seen
    others = {name: outcome for name, outcome in latest.outcomes.items() if name not in seen}
    merged = replace(
        latest.plan, plans=tuple(plans[name] for name in sorted(plans)), refusal=plan.refusal or latest.plan.refusal
    )
    return replace(latest, fleet=fleet, plan=merged, outcomes=others | dict(outcomes), trouble=None)
