"""What a rollout touches, and whether its next wave may begin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.model.observed import LastSync
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, Finding, Plan, PlanStatus
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome, Skipped, Unchanged
from controller.model.rollout import MemberState, Rollout, RolloutMember, RolloutSpec, RolloutState
from controller.rollout.gate import changes_only_existing, member_result, why_gate_closed, why_unhealthy

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = "schedule.syncHourUtc"


def plan(
    *kinds: ChangeKind, cls: ChangeClass = ChangeClass.REMAP, status: PlanStatus = PlanStatus.CHANGE, **more: Any
) -> Plan:
    return Plan("acme", status, changes=tuple(Change(kind, (cls,)) for kind in kinds), **more)


def finding(code: str, **more: Any) -> Finding:
    return Finding(code, "acme", "so it is", "do this", Actor.OPERATOR, **more)


def test_what_is_there_is_changed_and_nothing_else() -> None:
    assert changes_only_existing(plan(ChangeKind.SET_CONFIGURATION))
    assert changes_only_existing(plan(ChangeKind.RENAME_COMPANY, ChangeKind.SET_CONFIGURATION))
    assert not changes_only_existing(plan())
    assert not changes_only_existing(plan(ChangeKind.SET_CONFIGURATION, ChangeKind.UNLINK_CONNECTION))
    assert not changes_only_existing(plan(ChangeKind.CREATE_CONNECTION))


@pytest.mark.parametrize("cls", [ChangeClass.CONFIGURE, ChangeClass.RE_CREATE])
def test_a_first_configuration_is_provisioning(cls: ChangeClass) -> None:
    assert not changes_only_existing(plan(ChangeKind.SET_CONFIGURATION, cls=cls))


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Applied(1), MemberState.DONE),
        (Failed("400", retryable=False), MemberState.FAILED),
        (ChangedSincePlan("enabled"), MemberState.FAILED),
        (Skipped("refused before"), MemberState.FAILED),
    ],
)
def test_what_was_written_or_tried_is_told_by_its_outcome(outcome: Outcome, state: MemberState) -> None:
    assert member_result(plan(ChangeKind.SET_CONFIGURATION), outcome)[0] is state


@pytest.mark.parametrize(
    ("stands", "state"),
    [
        (PlanStatus.IN_SYNC, MemberState.DONE),
        (PlanStatus.DRIFTED, MemberState.DONE),
        (PlanStatus.BLOCKED, MemberState.FAILED),
        (PlanStatus.UNKNOWN, MemberState.FAILED),
        (PlanStatus.WAITING, MemberState.DEFERRED),
    ],
)
def test_where_nothing_was_to_do_the_plan_tells(stands: PlanStatus, state: MemberState) -> None:
    assert member_result(plan(status=stands), Unchanged())[0] is state


@pytest.mark.parametrize("state", [PlanStatus.IN_SYNC, PlanStatus.DRIFTED])
def test_who_is_in_sync_or_keeps_a_drift_elsewhere_is_well(state: PlanStatus) -> None:
    assert why_unhealthy(plan(status=state), {HOUR}, None, NOON) == ""


def test_who_has_moved_is_not() -> None:
    assert why_unhealthy(plan(status=PlanStatus.CHANGE), {HOUR}, None, NOON) == "change"
    blocked = plan(status=PlanStatus.BLOCKED, findings=(finding("account-deleted", field="mapping.sales.customer"),))
    assert why_unhealthy(blocked, {HOUR}, None, NOON) == "account-deleted mapping.sales.customer: so it is"


def test_of_what_others_may_keep_only_the_fields_of_the_rollout_count() -> None:
    """`drift: Report`: a clock's own path stands for the hour that was written."""
    kept = plan(status=PlanStatus.IN_SYNC, differences={"schedule.time": Direction.DRIFT})
    assert why_unhealthy(kept, {HOUR}, None, NOON) == "schedule.time was changed since"
    assert why_unhealthy(kept, {"enabled"}, None, NOON) == ""


@pytest.mark.parametrize(("ago", "code", "well"), [(-1, 4000, False), (1, 4000, True), (-1, 2000, True)])
def test_a_sync_that_failed_since_the_wave_counts_and_an_older_one_does_not(ago: int, code: int, well: bool) -> None:
    ran = NOON - timedelta(minutes=ago)
    sync = LastSync(code, "why", ran, ran, ran)
    assert (why_unhealthy(plan(status=PlanStatus.IN_SYNC), set(), sync, NOON) == "") is well


@pytest.mark.parametrize(("tolerated", "opens"), [(0, False), (1, False), (2, True)])
def test_a_wave_may_fail_so_many_and_no_more(tolerated: int, opens: bool) -> None:
    states = (MemberState.DONE, MemberState.FAILED, MemberState.FAILED, MemberState.DEFERRED)
    members = [RolloutMember(f"m{number}", 1, "", state) for number, state in enumerate(states)]
    members += [RolloutMember("later", 2, "", MemberState.FAILED)]
    terms = RolloutSpec(("4", "100%"), max_failures=tolerated)
    rollout = Rollout(1, "spring", RolloutState.RUNNING, "", NOON, NOON, terms, 1, None, tuple(members))
    assert (why_gate_closed(rollout) == "") is opens
    assert opens or "m1, m2 failed" in why_gate_closed(rollout)
