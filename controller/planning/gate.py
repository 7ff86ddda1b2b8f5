"""What a rollout touches, how one of its merchants came through, and whether the next wave may begin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from controller.model.observed import LastSync
from controller.model.plan import ChangeClass, ChangeKind, Direction, Plan, State
from controller.model.report import Done, Failed, Moved, Nothing, Outcome, Skipped
from controller.model.rollout import Member, MemberState, Rollout
from controller.planning.diff import remembered_as
from controller.planning.last_sync import is_failure

ROLLED = frozenset({ChangeKind.SET_CONFIGURATION, ChangeKind.RENAME_COMPANY})
BEGINNINGS = frozenset({ChangeClass.CONFIGURE, ChangeClass.RE_CREATE})
"""A first configuration is the end of provisioning: nothing stood there before that could be put back."""


def rolls(plan: Plan) -> bool:
    """Whether all that the plan would do is a change of what is there already."""
    return bool(plan.changes) and all(
        change.kind in ROLLED and not BEGINNINGS.intersection(change.classes) for change in plan.changes
    )


def came_through(plan: Plan, outcome: Outcome) -> tuple[MemberState, str]:
    """How a merchant stands once its wave has reached it, and why."""
    match outcome:
        case Done():
            return MemberState.DONE, ""
        case Failed(reason=why) | Skipped(reason=why):
            return MemberState.FAILED, why
        case Moved(what=what):
            return MemberState.FAILED, f"{what} moved since it was planned"
        case Nothing():
            return _untouched(plan)


def _untouched(plan: Plan) -> tuple[MemberState, str]:
    why = plan.findings[0].cause if plan.findings else ""
    match plan.state:
        case State.IN_SYNC:
            return MemberState.DONE, ""
        case State.WAITING:
            return MemberState.LEFT, why
    return MemberState.FAILED, why


def not_well(plan: Plan, fields: Collection[str], sync: LastSync | None, written: datetime) -> str:
    """Why a merchant is not as its wave left it; empty where it is. What others keep by `drift: Report` is theirs."""
    if plan.state is not State.IN_SYNC:
        found = plan.findings[0] if plan.findings else None
        return f"{found.code} {found.field or ''}".strip() + f": {found.cause}" if found else plan.state.value
    moved = (each.field for each in plan.findings if each.direction in (Direction.DRIFT, Direction.CONFLICT))
    field = next((each for each in moved if each and remembered_as(each) in fields), None)
    if field:
        return f"{field} was changed since"
    return _sync_failed(sync, written.replace(microsecond=0)) if sync else ""


def _sync_failed(sync: LastSync, since: datetime) -> str:
    """One that failed before the wave was written is none of its business."""
    failed = is_failure(sync.code) and sync.ran_at is not None and sync.ran_at >= since
    return f"its sync failed since with {sync.code}: {sync.message}" if failed else ""


def closed(rollout: Rollout) -> str:
    """Why the gate after the wave in hand does not open; empty where it does."""
    failed = rollout.of_wave(rollout.wave, MemberState.FAILED)
    most = rollout.terms.max_failures
    if len(failed) <= most:
        return ""
    return f"wave {rollout.wave}: {_names(failed)} failed, and {most} may; merchantctl rollout status says why"


def _names(members: tuple[Member, ...], most: int = 3) -> str:
    names = ", ".join(each.merchant for each in members[:most])
    return names if len(members) <= most else f"{names} and {len(members) - most:,} more"
