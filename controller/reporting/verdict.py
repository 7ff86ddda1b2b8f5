"""The exit code of a run, from what it planned or did.

nothing was done   65 manifests · 6 locked · 4 refused · 64 usage      (6 and 64 come as errors, not as plans)
otherwise          the first that holds of
                   130/143 signal · 1 error · 5 unread · 3 failed or blocked · 2 changes or drift · 0 fine
"""

from __future__ import annotations

from controller.model.plan import Actor, Direction, Finding, Plan, State
from controller.model.report import Done, Failed, FleetPlan, FleetReport, Moved, Nothing, Outcome, Skipped

FINE, ERROR, CHANGES, BLOCKED, REFUSED, UNREAD, LOCKED, USAGE, INVALID = 0, 1, 2, 3, 4, 5, 6, 64, 65

DRIFT_CODES = frozenset(
    {"company-missing", "company-renamed", "connection-unlinked", "connection-deauthorized", "connection-deleted"}
    | {
        f"{kind}-{fate}"
        for kind in ("account", "tax-rate", "customer", "supplier")
        for fate in ("deleted", "archived", "recreated")
    }
)
"""Findings that are drift whatever their direction: something that was there is gone or severed."""


def exit_code(verb: str, result: FleetPlan | FleetReport, detailed: bool = False) -> int:
    """The exit code of `verb` (plan, apply, drift, status). `detailed` is `--detailed-exitcode` of plan."""
    plan = result.plan if isinstance(result, FleetReport) else result
    if plan.complaints:
        return INVALID
    if verb == "apply" and plan.refusal:
        return REFUSED
    if isinstance(result, FleetReport) and result.signal:
        return 128 + result.signal
    if verb == "apply" and declined(result):
        return ERROR
    if unread(plan):
        return UNREAD
    if verb == "apply":
        return BLOCKED if _short_of_done(result) else FINE
    if verb == "drift":
        return CHANGES if drifted(plan) else FINE
    return CHANGES if verb == "plan" and detailed and _work_left(plan) else FINE


def declined(result: FleetPlan | FleetReport) -> bool:
    """A plan came back from `apply` with changes that nobody refused: the person said no."""
    return isinstance(result, FleetPlan) and result.refusal is None and any(plan.changes for plan in result.plans)


def unread(plan: FleetPlan) -> bool:
    """Something that was asked for could not be read."""
    return not plan.complete or any(each.unread for each in plan.plans)


def drifted(plan: FleetPlan) -> bool:
    """Live is not what we left: what `drift` exits 2 for."""
    return any(is_drift(finding) for each in plan.plans for finding in each.findings)


def is_drift(finding: Finding) -> bool:
    """Whether a finding counts for the 2 of `drift`.

    A rename that the manifest asks for, and a connection that we unlinked ourselves, are pending: nobody else moved.
    """
    if finding.direction in (Direction.DRIFT, Direction.CONFLICT):
        return True
    return finding.code in DRIFT_CODES and finding.direction is not Direction.PENDING


def blocked(plan: Plan) -> bool:
    """Our side must mend something first: nothing can be done, or only a part of it."""
    partly = plan.state is State.CHANGE and any(finding.actor is Actor.US for finding in plan.findings)
    return plan.state is State.BLOCKED or partly


def _short_of_done(result: FleetPlan | FleetReport) -> bool:
    plan = result.plan if isinstance(result, FleetReport) else result
    if any(blocked(each) for each in plan.plans):
        return True
    if isinstance(result, FleetPlan):
        return False
    return bool(result.stopped) or any(_fell_short(outcome) for outcome in result.outcomes.values())


def _fell_short(outcome: Outcome) -> bool:
    match outcome:
        case Failed() | Moved() | Skipped():
            return True
        case Done(findings=findings):
            return any(finding.actor is Actor.US for finding in findings)
        case Nothing():
            return False


def _work_left(plan: FleetPlan) -> bool:
    return any(each.changes or each.state in (State.CHANGE, State.BLOCKED) for each in plan.plans)
