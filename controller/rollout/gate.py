"""What a rollout touches, how one of its merchants came through, and whether the next wave may begin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus
from controller.model.observed import LastSync
from controller.model.plan import Actor, ChangeClass, ChangeKind, Direction, Plan, PlanStatus
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome, Skipped, Unchanged
from controller.model.rollout import MemberState, Rollout
from controller.planning.diff import recorded_path
from controller.reporting.formatting import format_list

ROLLOUT_CHANGE_KINDS = frozenset({ChangeKind.SET_CONFIGURATION, ChangeKind.RENAME_COMPANY})
FIRST_TIME_CLASSES = frozenset({ChangeClass.CONFIGURE, ChangeClass.RE_CREATE})
"""A first configuration is the end of provisioning: nothing stood there before that could be put back."""


def changes_only_existing(plan: Plan) -> bool:
    """Whether all that the plan would do is a change of what is there already, for a merchant that stays."""
    return (
        bool(plan.changes)
        and not plan.is_removal
        and all(
            change.kind in ROLLOUT_CHANGE_KINDS and not FIRST_TIME_CLASSES.intersection(change.classes)
            for change in plan.changes
        )
    )


def is_rollout_member(plan: Plan, configured_before: bool) -> bool:
    """Whether a merchant is part of a rollout: it is to change, or cannot be judged.

    A merchant that is blocked belongs where something stands that the rollout might have changed, one that could not
    be read belongs always: dropped, they would make a smaller rollout that says that all is done.
    """
    if plan.is_removal or plan.is_closed:
        return False
    if plan.status is PlanStatus.BLOCKED:
        return plan.configured or configured_before
    return changes_only_existing(plan) or plan.status is PlanStatus.UNKNOWN


def why_stuck(plan: Plan) -> str:
    """Why nothing can be done about a merchant as it stands, though something should; empty where there is no such
    reason."""
    return _blocking_reason(plan) if plan.status in (PlanStatus.BLOCKED, PlanStatus.UNKNOWN) else ""


def member_result(plan: Plan, outcome: Outcome) -> tuple[MemberState, str]:
    """How a merchant stands once its wave has reached it, and why."""
    match outcome:
        case Applied():
            remains = next((each for each in plan.findings if each.waits_for is Actor.OPERATOR), None)
            return (MemberState.FAILED, f"{remains.code}: {remains.cause}") if remains else (MemberState.DONE, "")
        case Failed(reason=why) | Skipped(reason=why):
            return MemberState.FAILED, why
        case ChangedSincePlan():
            return MemberState.FAILED, outcome.sentence
        case Unchanged():
            return _result_without_write(plan)


def _result_without_write(plan: Plan) -> tuple[MemberState, str]:
    result = result_by_status(plan)
    return result, "" if result is MemberState.DONE else _blocking_reason(plan)


def result_by_status(plan: Plan) -> MemberState:
    """How a merchant stands that nothing can be written to."""
    return STATUS_MEANINGS[MerchantStatus(plan.status.value)].wave_result


def _blocking_reason(plan: Plan) -> str:
    """The finding that keeps the merchant where it is: what our side must mend comes first."""
    by_weight = sorted(plan.findings, key=lambda each: each.waits_for is not Actor.OPERATOR and each.code != "unknown")
    return f"{by_weight[0].code}: {by_weight[0].cause}" if by_weight else plan.status.value


def why_unhealthy(plan: Plan, fields: Collection[str], sync: LastSync | None, written_at: datetime) -> str:
    """Why a merchant is not as its wave left it; empty where it is. What others keep by `drift: Report` is theirs."""
    if result_by_status(plan) is not MemberState.DONE:
        found = plan.findings[0] if plan.findings else None
        return f"{found.code} {found.field or ''}".strip() + f": {found.cause}" if found else plan.status.value
    for field, moved in plan.differences.items():
        if moved is not Direction.PENDING and recorded_path(field) in fields:
            return f"{field} was changed since"
    # Codat's times are whole seconds: a sync in the very second of the write counts as one after it.
    return _failed_sync_reason(sync, written_at.replace(microsecond=0)) if sync else ""


def _failed_sync_reason(sync: LastSync, since: datetime) -> str:
    """One that failed before the wave was written is none of its business."""
    failed = sync.failed and sync.ran_at is not None and sync.ran_at >= since
    return f"its sync failed since with {sync.code}: {sync.message}" if failed else ""


def why_gate_closed(rollout: Rollout) -> str:
    """Why the gate after the wave in hand does not open; empty where it does."""
    failed = rollout.members_of_wave(rollout.current_wave, MemberState.FAILED)
    most = rollout.spec.max_failures
    if len(failed) <= most:
        return ""
    names = format_list([each.merchant for each in failed], 3)
    return f"wave {rollout.current_wave}: {names} failed, and {most} may; merchantctl rollout status says why"


def why_wave_not_begun(rollout: Rollout, stuck: Collection[str]) -> str:
    """Why the wave in hand is not begun: more of it are blocked or unread than may fail. Empty where it may begin."""
    most = rollout.spec.max_failures
    if len(stuck) <= most:
        return ""
    told = (
        f"wave {rollout.current_wave} was not begun: {format_list(sorted(stuck), 3)} cannot be done as things "
        f"stand, and {most} may fail"
    )
    go_on = f"merchantctl rollout resume --max-failures {len(stuck)}"
    return f"{told}; merchantctl rollout status says why: mend that, or {go_on}"
