"""Whom a rollout holds, and until when."""

from datetime import UTC, datetime

import pytest

from controller.model.desired import DeletionPolicy, DesiredMerchant
from controller.model.holds import DeclaredHold, HeldBy, Hold
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Finding, Plan, PlanStatus
from controller.planning.holds import (
    ROLLOUT_HELD_CODE,
    RolloutHold,
    hold_changes,
    hold_if_closed,
    hold_if_left_to_rollout,
    is_held_for_rollout,
    is_rollout_hold_in_force,
)

SAME, OTHER = DesiredMerchant("acme", "acme", digest="same"), DesiredMerchant("acme", "acme", digest="other")
REMAP = Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.REMAP,))
MOVED = Finding("mapping-changed", "acme", "the manifest moved", "merchantctl apply", Actor.APPLY)
PLAN = Plan("acme", PlanStatus.CHANGE, changes=(REMAP,), findings=(MOVED,))


def hold(state: str) -> RolloutHold:
    return RolloutHold("spring", state, 2, "same")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_while_it_is_under_way_a_rollout_holds_whatever_is_wished(state: str) -> None:
    assert is_rollout_hold_in_force(hold(state), SAME)
    assert is_rollout_hold_in_force(hold(state), OTHER)


@pytest.mark.parametrize("state", ["aborted", "undoing", "undone"])
def test_once_it_is_over_it_holds_until_something_else_is_wished(state: str) -> None:
    assert is_rollout_hold_in_force(hold(state), SAME)
    assert not is_rollout_hold_in_force(hold(state), OTHER)


def test_a_merchant_whose_manifest_is_gone_is_nobodys_to_hold() -> None:
    assert not is_rollout_hold_in_force(
        hold("running"), DesiredMerchant("acme", "acme", removal=DeletionPolicy.DISABLE, digest="same")
    )


def test_who_is_held_waits_and_is_told_for_what() -> None:
    plan = hold_if_left_to_rollout(PLAN, hold("paused"))
    assert (plan.status, plan.changes) == (PlanStatus.WAITING, ())
    assert is_held_for_rollout(plan)
    assert [each.code for each in plan.findings] == [ROLLOUT_HELD_CODE, "mapping-changed"]
    assert {each.remedy for each in plan.findings} == {
        "merchantctl rollout resume spring; or merchantctl rollout abort spring"
    }
    assert {each.actor for each in plan.findings} == {Actor.NOBODY}


def test_what_is_held_already_stays_shown_while_the_merchant_is_closed() -> None:
    held = hold_changes(PLAN, PlanStatus.BLOCKED, Hold(HeldBy.CLOCK_SKEW, "the clocks differ"))
    suspended = DesiredMerchant("acme", "acme", hold=DeclaredHold(HeldBy.SUSPENSION, "month end"))
    plan = hold_if_closed(held, suspended, datetime(2026, 11, 28, tzinfo=UTC))
    assert plan.is_closed
    assert (plan.changes, plan.held_changes) == ((), (REMAP,))


def test_who_needs_nothing_is_not_held_from_it() -> None:
    quiet = Plan("acme", PlanStatus.IN_SYNC)
    assert hold_if_left_to_rollout(quiet, hold("paused")) is quiet
    assert hold_if_left_to_rollout(PLAN, None) is PLAN
