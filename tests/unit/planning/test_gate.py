"""What a rollout touches, and whether its next wave may begin."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.model.observed import LastSync
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, Finding, Plan, State
from controller.model.report import Done, Failed, Moved, Nothing, Skipped
from controller.model.rollout import Member, MemberState, Rollout, RolloutState, Terms
from controller.planning.gate import came_through, closed, not_well, rolls

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = "schedule.syncHourUtc"


def plan(*kinds: ChangeKind, cls: ChangeClass = ChangeClass.REMAP, state: State = State.CHANGE, **more: object) -> Plan:
    return Plan("acme", state, changes=tuple(Change(kind, (cls,)) for kind in kinds), **more)  # type: ignore[arg-type]


def finding(code: str, **more: object) -> Finding:
    return Finding(code, "acme", "so it is", "do this", Actor.US, **more)  # type: ignore[arg-type]


def test_what_is_there_is_changed_and_nothing_else():
    assert rolls(plan(ChangeKind.SET_CONFIGURATION))
    assert rolls(plan(ChangeKind.RENAME_COMPANY, ChangeKind.SET_CONFIGURATION))
    assert not rolls(plan())
    assert not rolls(plan(ChangeKind.SET_CONFIGURATION, ChangeKind.UNLINK_CONNECTION))
    assert not rolls(plan(ChangeKind.CREATE_CONNECTION))


@pytest.mark.parametrize("cls", [ChangeClass.CONFIGURE, ChangeClass.RE_CREATE])
def test_a_first_configuration_is_provisioning(cls):
    assert not rolls(plan(ChangeKind.SET_CONFIGURATION, cls=cls))


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Done(1), MemberState.DONE),
        (Failed("400", again=False), MemberState.FAILED),
        (Moved("enabled"), MemberState.FAILED),
        (Skipped("refused before"), MemberState.FAILED),
    ],
)
def test_what_was_written_or_tried_is_told_by_its_outcome(outcome, state):
    assert came_through(plan(ChangeKind.SET_CONFIGURATION), outcome)[0] is state


@pytest.mark.parametrize(
    ("stands", "state"),
    [
        (State.IN_SYNC, MemberState.DONE),
        (State.BLOCKED, MemberState.FAILED),
        (State.UNKNOWN, MemberState.FAILED),
        (State.WAITING, MemberState.LEFT),
    ],
)
def test_where_nothing_was_to_do_the_plan_tells(stands, state):
    assert came_through(plan(state=stands), Nothing())[0] is state


def test_who_is_in_sync_is_well():
    assert not_well(plan(state=State.IN_SYNC), {HOUR}, None, NOON) == ""


def test_who_has_moved_is_not():
    assert not_well(plan(state=State.CHANGE), {HOUR}, None, NOON) == "change"
    blocked = plan(state=State.BLOCKED, findings=(finding("account-deleted", field="mapping.sales.customer"),))
    assert not_well(blocked, {HOUR}, None, NOON) == "account-deleted mapping.sales.customer: so it is"


def test_of_what_others_may_keep_only_the_fields_of_the_rollout_count():
    """`drift: Report`: a clock's own path stands for the hour that was written."""
    kept = plan(state=State.IN_SYNC, findings=(finding("x", field="schedule.time", direction=Direction.DRIFT),))
    assert not_well(kept, {HOUR}, None, NOON) == "schedule.time was changed since"
    assert not_well(kept, {"enabled"}, None, NOON) == ""


@pytest.mark.parametrize(("ago", "code", "well"), [(-1, 4000, False), (1, 4000, True), (-1, 2000, True)])
def test_a_sync_that_failed_since_the_wave_counts_and_an_older_one_does_not(ago, code, well):
    ran = NOON - timedelta(minutes=ago)
    sync = LastSync(code, "why", ran, ran, ran)
    assert (not_well(plan(state=State.IN_SYNC), set(), sync, NOON) == "") is well


@pytest.mark.parametrize(("tolerated", "opens"), [(0, False), (1, False), (2, True)])
def test_a_wave_may_fail_so_many_and_no_more(tolerated, opens):
    states = (MemberState.DONE, MemberState.FAILED, MemberState.FAILED, MemberState.LEFT)
    members = [Member(f"m{number}", 1, "", state) for number, state in enumerate(states)]
    members += [Member("later", 2, "", MemberState.FAILED)]
    terms = Terms(("4", "100%"), max_failures=tolerated)
    rollout = Rollout(1, "spring", RolloutState.RUNNING, "", NOON, NOON, terms, 1, None, tuple(members))
    assert (closed(rollout) == "") is opens
    assert opens or "m1, m2 failed" in closed(rollout)
