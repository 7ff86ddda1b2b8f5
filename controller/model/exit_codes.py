"""The exit code of a run, from what it planned or did.

nothing was done   65 manifests · 6 locked · 4 refused · 64 usage      (6 and 64 come as errors, not as plans)
otherwise          the first that holds of
                   130/143 signal · 1 error · 4 mass loss · 5 unread · 3 failed or blocked · 2 changes or drift · 0 fine
"""

from __future__ import annotations

from controller.model.drift import is_drift
from controller.model.plan import Actor, Plan, PlanStatus
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    Outcome,
    Skipped,
    Unchanged,
)

EXIT_OK, EXIT_ERROR, EXIT_CHANGES, EXIT_BLOCKED, EXIT_REFUSED, EXIT_UNREAD, EXIT_LOCKED = range(7)
EXIT_USAGE, EXIT_INVALID = 64, 65


def exit_code(verb: str, result: FleetPlan | FleetReport, detailed: bool = False) -> int:
    """The exit code of `verb` (plan, apply, drift, status). `detailed` is `--detailed-exitcode` of plan."""
    plan = result.plan if isinstance(result, FleetReport) else result
    if plan.diagnostics:
        return EXIT_INVALID
    if verb == "apply" and plan.refusal:
        return EXIT_REFUSED
    if isinstance(result, FleetReport) and result.signal:
        return 128 + result.signal
    if verb == "apply" and was_declined(result):
        return EXIT_ERROR
    # A finding of the fleet, as mass-loss, holds changes: like a refusal, it needs a person.
    if verb == "apply" and plan.findings:
        return EXIT_REFUSED
    # Nobody could be read any more: the key, or Codat, is the reason for all the rest.
    if isinstance(result, FleetReport) and result.api_unusable:
        return EXIT_UNREAD
    if has_unread(plan):
        return EXIT_BLOCKED if verb == "apply" and _all_read_but_internal_errors(plan) else EXIT_UNREAD
    if verb == "apply":
        return EXIT_BLOCKED if _is_incomplete(result) else EXIT_OK
    if verb == "drift":
        return EXIT_CHANGES if has_drift_or_failed_sync(plan) else EXIT_OK
    return EXIT_CHANGES if verb == "plan" and detailed and _has_work_left(plan) else EXIT_OK


def was_declined(result: FleetPlan | FleetReport) -> bool:
    """Whether the person said no: `apply` returned a plan with changes, and no limit refused them."""
    return isinstance(result, FleetPlan) and result.refusal is None and any(plan.changes for plan in result.every_plan)


def has_unread(plan: FleetPlan) -> bool:
    """Whether something that was asked for could not be read."""
    return not plan.is_complete or any(merchant_plan.has_unread for merchant_plan in plan.every_plan)


def _all_read_but_internal_errors(plan: FleetPlan) -> bool:
    """Whether everything was read, and merchants count as unread only because planning them raised an error."""
    unread = [merchant_plan for merchant_plan in plan.every_plan if merchant_plan.has_unread]
    all_internal = all(
        any(finding.code == "internal-error" for finding in merchant_plan.findings) for merchant_plan in unread
    )
    return bool(unread) and all_internal and not plan.unread_reasons


def has_drift_or_failed_sync(plan: FleetPlan) -> bool:
    """Whether somebody changed live, or sales do not arrive in the books: what `drift` exits 2 for."""
    if any(merchant_plan.has_recent_sync_failure(plan.made_at) for merchant_plan in plan.plans):
        return True
    findings = (*plan.findings, *(finding for merchant_plan in plan.every_plan for finding in merchant_plan.findings))
    return any(map(is_drift, findings))


def is_blocked(plan: Plan) -> bool:
    """Whether an operator must correct something before all of the plan, or any of it, can be done."""
    waits_for_operator = any(finding.waits_for is Actor.OPERATOR for finding in plan.findings)
    return plan.status is PlanStatus.BLOCKED or (plan.status is PlanStatus.CHANGE and waits_for_operator)


def _is_incomplete(result: FleetPlan | FleetReport) -> bool:
    """Whether an apply left something undone."""
    plan = result.plan if isinstance(result, FleetReport) else result
    if any(map(is_blocked, plan.every_plan)):
        return True
    if isinstance(result, FleetPlan):
        return False
    return bool(result.stop_reason) or any(_is_incomplete_outcome(outcome) for outcome in result.outcomes.values())


def _is_incomplete_outcome(outcome: Outcome) -> bool:
    match outcome:
        case Failed() | ChangedSincePlan() | Skipped():
            return True
        case Applied(findings=findings):
            return any(finding.waits_for is Actor.OPERATOR for finding in findings)
        case Unchanged():
            return False


def _has_work_left(plan: FleetPlan) -> bool:
    to_do = (PlanStatus.CHANGE, PlanStatus.BLOCKED)
    return any(each.changes or each.status in to_do for each in plan.every_plan)
