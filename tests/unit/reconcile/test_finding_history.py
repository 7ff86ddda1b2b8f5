"""What of the ledger a look ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.model.plan import Actor, CheckedPart, Finding, PlanStatus
from controller.model.report import FleetPlan
from controller.model.run_policy import Scope
from controller.reconcile.finding_history import FLEET_KEY, cleared_findings
from tests.unit.reporting.fleets import finding, fleet, merchant

OPEN = ("acme", "sync-disabled", "enabled")
SAW = frozenset(CheckedPart)


def seen(**more: Any) -> FleetPlan:
    return fleet(merchant(checked_parts=SAW), **more)


def test_it_is_over_where_the_look_came_to_judge_it_and_does_not_show_it() -> None:
    assert cleared_findings([OPEN], seen()) == {OPEN}
    assert cleared_findings([OPEN], fleet(merchant(checked_parts=SAW - {CheckedPart.MAPPING}))) == set()
    assert (
        cleared_findings(
            [OPEN], fleet(merchant(checked_parts=SAW, findings=(finding("sync-disabled", field="enabled"),)))
        )
        == set()
    )


def test_who_was_not_looked_at_keeps_all_of_it() -> None:
    assert cleared_findings([OPEN], fleet(merchant("bakery", checked_parts=SAW))) == set()


def test_while_a_create_is_not_settled_nothing_of_its_merchant_is_over() -> None:
    assert cleared_findings([OPEN], seen(), unsettled={"acme"}) == set()


def test_who_is_doubted_in_a_mass_loss_keeps_all_of_it() -> None:
    loss = Finding("mass-loss", "", "", "", Actor.OPERATOR, affected_merchants=("acme",))
    assert cleared_findings([OPEN], seen(findings=(loss,))) == set()


def test_who_left_is_known_only_where_all_manifests_were_read_and_everyone_is_meant() -> None:
    others = fleet(merchant("bakery", checked_parts=SAW))
    assert cleared_findings([OPEN], others, known=frozenset({"bakery"})) == {OPEN}
    assert cleared_findings([OPEN], others, known=frozenset({"bakery", "acme"})) == set()
    assert cleared_findings([OPEN], others, known=None) == set()
    assert cleared_findings([OPEN], replace(others, scope=Scope(Path("a.yaml"))), known=frozenset({"bakery"})) == set()


def test_what_was_found_of_a_manifest_that_is_gone_is_over_though_its_merchant_is_held_where_it_stands() -> None:
    """Nothing of its mapping is read any more: it would stay open for good."""
    held = merchant(checked_parts=frozenset({CheckedPart.COMPANY}), findings=(finding("rename-unclear"),))
    assert cleared_findings([OPEN], fleet(held), known=frozenset({"bakery"})) == {OPEN}
    assert cleared_findings([OPEN], fleet(held), known=frozenset({"acme"})) == set()
    unread = replace(held, status=PlanStatus.UNKNOWN)
    assert cleared_findings([OPEN], fleet(unread), known=frozenset({"bakery"})) == set()


def test_what_was_found_of_the_fleet_ends_with_a_look_at_everyone() -> None:
    loss, parked = (FLEET_KEY, "mass-loss", ""), (FLEET_KEY, "disable-held", "")
    assert cleared_findings([loss, parked], seen()) == {loss, parked}
    assert cleared_findings([loss, parked], seen(is_complete=False)) == {parked}
    assert cleared_findings([loss, parked], seen(scope=Scope(names=frozenset({"acme"})))) == set()
