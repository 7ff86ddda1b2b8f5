"""Are both connections there and Linked?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.model.desired import DriftPolicy, LinkState, MerchantPolicy
from controller.model.observed import Company, Connection, Observed
from controller.model.plan import Actor, ConditionStatus, Direction, PlanStatus
from controller.planning.connection import choose_connection
from tests import build
from tests.build import change_classes, change_kinds, finding_codes

COMMERCE, ACCOUNTING = build.usual_company().connections
UNLINKED = build.desired_merchant(link_state=LinkState.UNLINKED)


def seen(*connections: Connection) -> Observed:
    return Observed(Company("company-1", "acme-coffee", (COMMERCE, *connections)))


def linked_too(**changes: Any) -> Connection:
    return replace(ACCOUNTING, id="accounting-2", **changes)


def test_the_first_connection_is_a_plain_create() -> None:
    plan = build.make_usual_plan(seen=seen(), last=build.recorded_state(connection_id=None))
    assert finding_codes(plan) == ["connection-missing"]
    assert change_classes(plan) == ["create"]


def test_a_bound_connection_that_is_gone_is_made_anew_only_by_leave() -> None:
    plan = build.make_usual_plan(seen=seen())
    assert finding_codes(plan) == ["connection-deleted"]
    assert change_classes(plan) == ["re-create"]


def test_report_does_not_make_a_deleted_connection_anew() -> None:
    plan = build.make_usual_plan(build.desired_merchant(policy=MerchantPolicy(drift=DriftPolicy.REPORT)), seen())
    assert finding_codes(plan) == ["connection-deleted"]
    assert plan.changes == ()


def test_without_a_declared_platform_there_is_nothing_to_create() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant(platform=None), seen(), build.recorded_state(connection_id=None)
    )
    assert finding_codes(plan) == ["connection-missing"]
    assert plan.changes == ()
    assert plan.status is PlanStatus.BLOCKED


def test_without_a_declared_platform_any_linked_one_will_do() -> None:
    live = build.usual_configuration()
    other = replace(ACCOUNTING, platform="qhyg")
    plan = build.make_usual_plan(build.desired_merchant(platform=None), replace(seen(other), configuration=live))
    assert plan.status is PlanStatus.IN_SYNC


@pytest.mark.parametrize(
    ("status", "code", "direction"),
    [
        ("PendingAuth", "connection-pending", None),
        ("Unlinked", "connection-unlinked", Direction.DRIFT),
        ("Deauthorized", "connection-deauthorized", Direction.DRIFT),
        ("Paused", "connection-error", None),
    ],
)
def test_who_is_not_linked_waits_for_the_merchant_who_gets_the_link(
    status: str, code: str, direction: Direction | None
) -> None:
    plan = build.make_usual_plan(seen=Observed(build.company_with_connection(status)))
    (finding,) = plan.findings
    assert (finding.code, finding.actor, finding.direction) == (code, Actor.MERCHANT, direction)
    assert finding.link == "https://link.example/acme-coffee"
    assert plan.changes == ()
    assert plan.status is PlanStatus.WAITING


def test_an_empty_link_is_no_link() -> None:
    """API notes 7 #51."""
    plan = build.make_usual_plan(seen=Observed(build.company_with_connection("PendingAuth", linkUrl="")))
    assert plan.findings[0].link is None


def test_an_attempt_that_failed_says_why() -> None:
    problem = {"errorMessage": "The subscription has expired."}
    plan = build.make_usual_plan(
        seen=Observed(build.company_with_connection("PendingAuth", dataConnectionErrors=[problem]))
    )
    assert finding_codes(plan) == ["connection-error"]
    assert "The subscription has expired." in plan.findings[0].cause


def test_while_consent_is_missing_the_mapping_and_the_switch_are_not_compared() -> None:
    live = build.usual_configuration({"enabled": False})
    plan = build.make_usual_plan(seen=build.observed(live, company=build.company_with_connection("Deauthorized")))
    assert finding_codes(plan) == ["connection-deauthorized"]


def test_nothing_is_created_beside_another_platform() -> None:
    plan = build.make_usual_plan(seen=seen(replace(ACCOUNTING, platform="qhyg")))
    assert finding_codes(plan) == ["connection-wrong-platform"]
    assert plan.changes == ()
    assert plan.status is PlanStatus.BLOCKED
    assert "--allow re-create" in plan.findings[0].remedy


def test_two_linked_ones_block_since_nobody_knows_which_books_are_meant() -> None:
    plan = build.make_usual_plan(seen=seen(ACCOUNTING, linked_too()))
    assert finding_codes(plan) == ["connection-duplicate"]
    assert plan.status is PlanStatus.BLOCKED


@pytest.mark.parametrize("other", [linked_too(status="PendingAuth"), linked_too(status="PendingAuth", platform="qhyg")])
def test_one_that_waits_beside_the_linked_one_is_worth_knowing_and_blocks_nothing(other: Connection) -> None:
    plan = build.make_usual_plan(seen=replace(seen(ACCOUNTING, other), configuration=build.usual_configuration()))
    assert finding_codes(plan) == ["connection-duplicate"]
    assert plan.findings[0].actor is Actor.NOBODY
    assert plan.status is PlanStatus.IN_SYNC


def connection(name: str, status: str) -> Connection:
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
def test_the_linked_one_is_meant_then_the_bound_one_then_the_only_one(
    statuses: dict[str, Any], bound: str | None, chosen: str | None
) -> None:
    found = choose_connection([connection(name, status) for name, status in statuses.items()], bound)
    assert (found and found.id) == chosen


@pytest.mark.parametrize("status", ["PendingAuth", "Unlinked", "Deauthorized"])
def test_wanted_unlinked_is_met_by_whatever_is_not_linked(status: str) -> None:
    plan = build.make_usual_plan(UNLINKED, Observed(build.company_with_connection(status)))
    assert plan.status is PlanStatus.IN_SYNC
    assert plan.findings == ()


def test_wanted_unlinked_never_creates_a_connection() -> None:
    for last in (build.recorded_state(), build.recorded_state(connection_id=None)):
        assert build.make_usual_plan(UNLINKED, seen(), last).changes == ()


def test_linked_but_wanted_unlinked_is_switched_off_first() -> None:
    plan = build.make_usual_plan(UNLINKED)
    assert change_kinds(plan) == ["set-configuration", "unlink-connection"]
    assert change_classes(plan) == ["disable", "unlink"]


def test_of_two_linked_ones_that_are_wanted_unlinked_one_at_least_is_unlinked() -> None:
    plan = build.make_usual_plan(UNLINKED, seen(linked_too(), replace(ACCOUNTING, id="accounting-3")))
    assert change_kinds(plan) == ["unlink-connection"]
    assert plan.connection_id == "accounting-2"


@pytest.mark.parametrize(
    ("connections", "code"),
    [
        ((ACCOUNTING,), "commerce-connection-missing"),
        ((replace(COMMERCE, status="Unlinked"), ACCOUNTING), "commerce-connection-unlinked"),
    ],
)
def test_a_commerce_connection_cannot_be_mended_by_us(connections: tuple[Connection, ...], code: str) -> None:
    plan = build.make_usual_plan(seen=Observed(Company("company-1", "acme-coffee", connections)))
    assert finding_codes(plan) == [code]
    assert plan.status is PlanStatus.BLOCKED
    assert plan.changes == ()


# A move, as `policy.replaceConnection` declares it

MOVING = build.desired_merchant(platform="qhyg", policy=MerchantPolicy(replace_connection="qhyg"))


def quickbooks(**changes: Any) -> Connection:
    return replace(ACCOUNTING, **({"id": "accounting-2", "platform": "qhyg"} | changes))


def test_a_new_connection_that_somebody_deleted_is_made_anew_only_by_leave() -> None:
    plan = build.make_usual_plan(MOVING, seen(ACCOUNTING), build.recorded_state(connection_id="deleted since"))
    assert change_kinds(plan) == ["create-connection"]
    assert change_classes(plan) == ["re-create"]


def test_two_linked_connections_of_the_new_platform_are_for_a_person() -> None:
    plan = build.make_usual_plan(MOVING, seen(ACCOUNTING, quickbooks(), quickbooks(id="accounting-3")))
    assert finding_codes(plan) == ["connection-duplicate"]
    assert plan.changes == ()


def test_whatever_is_linked_beside_the_new_one_is_to_go_and_nothing_else() -> None:
    stranger = quickbooks(id="accounting-4", platform="tgff", status="PendingAuth")
    plan = build.make_usual_plan(
        MOVING, seen(ACCOUNTING, quickbooks(), stranger), build.recorded_state(connection_id="accounting-2")
    )
    assert [(str(change.kind), change.fields[0].live) for change in plan.changes] == [
        ("delete-connection", "accounting-1")
    ]
    assert plan.replaced_connections == ("accounting-1",)


def test_a_merchant_that_is_to_be_unlinked_moves_nowhere() -> None:
    plan = build.make_usual_plan(
        replace(MOVING, link_state=LinkState.UNLINKED), seen(replace(ACCOUNTING, status="Unlinked"))
    )
    assert plan.changes == ()


@pytest.mark.parametrize(
    ("status", "ready"), [("PendingAuth", ConditionStatus.TRUE), ("Linked", ConditionStatus.FALSE)]
)
def test_a_moving_merchant_is_ready_while_the_old_one_goes_on_and_not_while_both_are_linked(
    status: str, ready: ConditionStatus
) -> None:
    both = replace(seen(ACCOUNTING, quickbooks(status=status)), configuration=build.usual_configuration())
    plan = build.make_usual_plan(MOVING, both, build.recorded_state(connection_id="accounting-2"))
    assert plan.ready_condition is not None
    assert plan.ready_condition.status is ready
