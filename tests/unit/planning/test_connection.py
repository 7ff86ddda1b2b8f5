"""Are both connections there and Linked?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model.merchant import Drift, LinkState, Policy
from controller.model.observed import Company, Connection, Observed
from controller.model.plan import Actor, Direction, State
from controller.planning.connection import choose
from tests import build
from tests.build import classes, codes, kinds

COMMERCE, ACCOUNTING = build.company().connections
UNLINKED = build.wanted(link_state=LinkState.UNLINKED)


def seen(*connections):
    return Observed(Company("company-1", "acme-coffee", (COMMERCE, *connections)))


def linked_too(**changes):
    return replace(ACCOUNTING, id="accounting-2", **changes)


def test_the_first_connection_is_a_plain_create():
    plan = build.plan(seen=seen(), last=build.memory(connection_id=None))
    assert codes(plan) == ["connection-missing"]
    assert classes(plan) == ["create"]


def test_a_bound_connection_that_is_gone_is_made_anew_only_by_leave():
    plan = build.plan(seen=seen())
    assert codes(plan) == ["connection-deleted"]
    assert classes(plan) == ["re-create"]


def test_report_does_not_make_a_deleted_connection_anew():
    plan = build.plan(build.wanted(policy=Policy(drift=Drift.REPORT)), seen())
    assert codes(plan) == ["connection-deleted"]
    assert plan.changes == ()


def test_without_a_declared_platform_there_is_nothing_to_create():
    plan = build.plan(build.wanted(platform=None), seen(), build.memory(connection_id=None))
    assert codes(plan) == ["connection-missing"]
    assert plan.changes == ()
    assert plan.state is State.BLOCKED


def test_without_a_declared_platform_any_linked_one_will_do():
    live = build.configuration()
    other = replace(ACCOUNTING, platform="qhyg")
    plan = build.plan(build.wanted(platform=None), replace(seen(other), configuration=live))
    assert plan.state is State.IN_SYNC


@pytest.mark.parametrize(
    ("status", "code", "direction"),
    [
        ("PendingAuth", "connection-pending", None),
        ("Unlinked", "connection-unlinked", Direction.DRIFT),
        ("Deauthorized", "connection-deauthorized", Direction.DRIFT),
        ("Paused", "connection-error", None),
    ],
)
def test_who_is_not_linked_waits_for_the_merchant_who_gets_the_link(status, code, direction):
    plan = build.plan(seen=Observed(build.connected(status)))
    (finding,) = plan.findings
    assert (finding.code, finding.actor, finding.direction) == (code, Actor.MERCHANT, direction)
    assert finding.link == "https://link.example/acme-coffee"
    assert plan.changes == ()
    assert plan.state is State.WAITING


def test_an_empty_link_is_no_link():
    """REFERENCE 7 row 51."""
    plan = build.plan(seen=Observed(build.connected("PendingAuth", linkUrl="")))
    assert plan.findings[0].link is None


def test_an_attempt_that_failed_says_why():
    problem = {"errorMessage": "The subscription has expired."}
    plan = build.plan(seen=Observed(build.connected("PendingAuth", dataConnectionErrors=[problem])))
    assert codes(plan) == ["connection-error"]
    assert "The subscription has expired." in plan.findings[0].cause


def test_while_consent_is_missing_the_mapping_and_the_switch_are_not_compared():
    live = build.configuration({"enabled": False})
    plan = build.plan(seen=build.observed(live, company=build.connected("Deauthorized")))
    assert codes(plan) == ["connection-deauthorized"]


def test_nothing_is_created_beside_another_platform():
    plan = build.plan(seen=seen(replace(ACCOUNTING, platform="qhyg")))
    assert codes(plan) == ["connection-wrong-platform"]
    assert plan.changes == ()
    assert plan.state is State.BLOCKED
    assert "--allow re-create" in plan.findings[0].remedy


def test_two_linked_ones_block_since_nobody_knows_which_books_are_meant():
    plan = build.plan(seen=seen(ACCOUNTING, linked_too()))
    assert codes(plan) == ["connection-duplicate"]
    assert plan.state is State.BLOCKED


@pytest.mark.parametrize("other", [linked_too(status="PendingAuth"), linked_too(status="PendingAuth", platform="qhyg")])
def test_one_that_waits_beside_the_linked_one_is_worth_knowing_and_blocks_nothing(other):
    plan = build.plan(seen=replace(seen(ACCOUNTING, other), configuration=build.configuration()))
    assert codes(plan) == ["connection-duplicate"]
    assert plan.findings[0].actor is Actor.NOBODY
    assert plan.state is State.IN_SYNC


def connection(name, status):
    return Connection(name, "gbol", "Accounting", status)


@pytest.mark.parametrize(
    ("statuses", "bound", "chosen"),
    [
        ({}, "a", None),
        ({"a": "PendingAuth"}, None, "a"),
        ({"a": "PendingAuth", "b": "PendingAuth"}, None, None),
        ({"a": "PendingAuth", "b": "PendingAuth"}, "b", "b"),
        ({"a": "PendingAuth", "b": "Linked"}, "a", "b"),
        ({"a": "Linked", "b": "Linked"}, "b", "b"),
        ({"a": "Linked", "b": "Linked"}, "gone", None),
    ],
)
def test_the_linked_one_is_meant_then_the_bound_one_then_the_only_one(statuses, bound, chosen):
    found = choose([connection(name, status) for name, status in statuses.items()], bound)
    assert (found and found.id) == chosen


@pytest.mark.parametrize("status", ["PendingAuth", "Unlinked", "Deauthorized"])
def test_wanted_unlinked_is_met_by_whatever_is_not_linked(status):
    plan = build.plan(UNLINKED, Observed(build.connected(status)))
    assert plan.state is State.IN_SYNC
    assert plan.findings == ()


def test_wanted_unlinked_never_creates_a_connection():
    for last in (build.memory(), build.memory(connection_id=None)):
        assert build.plan(UNLINKED, seen(), last).changes == ()


def test_linked_but_wanted_unlinked_is_switched_off_first():
    plan = build.plan(UNLINKED)
    assert kinds(plan) == ["set-configuration", "unlink-connection"]
    assert classes(plan) == ["disable", "unlink"]


def test_of_two_linked_ones_that_are_wanted_unlinked_one_at_least_is_unlinked():
    plan = build.plan(UNLINKED, seen(linked_too(), replace(ACCOUNTING, id="accounting-3")))
    assert kinds(plan) == ["unlink-connection"]
    assert plan.connection_id == "accounting-2"


@pytest.mark.parametrize(
    ("connections", "code"),
    [
        ((ACCOUNTING,), "commerce-connection-missing"),
        ((replace(COMMERCE, status="Unlinked"), ACCOUNTING), "commerce-connection-unlinked"),
    ],
)
def test_a_commerce_connection_cannot_be_mended_by_us(connections, code):
    plan = build.plan(seen=Observed(Company("company-1", "acme-coffee", connections)))
    assert codes(plan) == [code]
    assert plan.state is State.BLOCKED
    assert plan.changes == ()
