"""Whom a rollout holds, and until when."""

import pytest

from controller.model.merchant import Deletion, Wanted
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Finding, Plan, State
from controller.planning.holds import HELD, Hold, holds, is_withheld, withheld

SAME, OTHER = Wanted("acme", "acme", digest="same"), Wanted("acme", "acme", digest="other")
REMAP = Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.REMAP,))
MOVED = Finding("mapping-changed", "acme", "the manifest moved", "merchantctl apply", Actor.APPLY)
PLAN = Plan("acme", State.CHANGE, changes=(REMAP,), findings=(MOVED,))


def hold(state: str) -> Hold:
    return Hold("spring", state, 2, "same")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_while_it_is_under_way_a_rollout_holds_whatever_is_wished(state):
    assert holds(hold(state), SAME)
    assert holds(hold(state), OTHER)


@pytest.mark.parametrize("state", ["aborted", "undoing", "undone"])
def test_once_it_is_over_it_holds_until_something_else_is_wished(state):
    assert holds(hold(state), SAME)
    assert not holds(hold(state), OTHER)


def test_a_merchant_whose_manifest_is_gone_is_nobodys_to_hold():
    assert not holds(hold("running"), Wanted("acme", "acme", retired=Deletion.DISABLE, digest="same"))


def test_who_is_held_waits_and_is_told_for_what():
    plan = withheld(PLAN, hold("paused"))
    assert (plan.state, plan.changes) == (State.WAITING, ())
    assert is_withheld(plan)
    assert [each.code for each in plan.findings] == [HELD, "mapping-changed"]
    assert {each.remedy for each in plan.findings} == {"merchantctl rollout resume spring, or abort it"}
    assert {each.actor for each in plan.findings} == {Actor.NOBODY}


def test_who_needs_nothing_is_not_held_from_it():
    quiet = Plan("acme", State.IN_SYNC)
    assert withheld(quiet, hold("paused")) is quiet
    assert withheld(PLAN, None) is PLAN
