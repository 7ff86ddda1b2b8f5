"""What a filtered report shows, and what it still says of the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controller.model.exit_codes import exit_code
from controller.model.finding_filter import FindingFilter, Only, divide_by_label, filter_findings
from controller.model.plan import Actor, Direction, Finding
from tests.unit.reporting.fleets import NOW, finding, fleet, merchant, waiting

DRIFT = finding("sync-disabled", direction=Direction.DRIFT, since=NOW)
PENDING = finding("mapping-changed", direction=Direction.PENDING)
FAILED = finding("last-sync-failed", actor=Actor.MERCHANT)
CONSENT = waiting().findings[0]
PLAN = fleet(merchant(findings=(DRIFT, PENDING, FAILED)), waiting("bolt"), merchant("calm"), unmanaged_names=("x", "y"))


def shown(**parts: Any) -> list[Finding]:
    filtered, _ = filter_findings(PLAN, FindingFilter(**parts))
    return [found for each in filtered.plans for found in each.findings]


def test_only_drift_is_what_drift_exits_with_2_for() -> None:
    assert shown(only=Only.DRIFT) == [DRIFT, FAILED]


def test_only_pending_is_what_the_manifests_ask_for() -> None:
    assert shown(only=Only.PENDING) == [PENDING]


def test_several_codes_and_several_actors_are_any_of_them() -> None:
    assert shown(codes=frozenset({"sync-disabled", "last-sync-failed"})) == [DRIFT, FAILED]
    assert [each.code for each in shown(actors=frozenset({Actor.MERCHANT}))] == [
        "last-sync-failed",
        "connection-pending",
    ]


def test_all_parts_of_a_filter_must_allow_a_finding() -> None:
    assert shown(only=Only.DRIFT, actors=frozenset({Actor.MERCHANT})) == [FAILED]


@pytest.mark.parametrize(("since", "is_shown"), [(NOW, False), (NOW - timedelta(seconds=1), True)])
def test_what_was_first_seen_at_the_last_time_is_not_new(since: Any, is_shown: bool) -> None:
    assert (DRIFT in shown(since=since)) is is_shown


def test_what_the_ledger_does_not_know_yet_is_new() -> None:
    assert PENDING in shown(since=NOW)


def test_everyone_who_was_looked_at_is_counted_and_what_is_left_out_too() -> None:
    filtered, left_out = filter_findings(PLAN, FindingFilter(only=Only.DRIFT))
    assert (len(filtered.plans), left_out) == (3, 2 + 2)
    assert filtered.unmanaged_count == 0
    assert filter_findings(PLAN, FindingFilter()) == (PLAN, 0)


def test_companies_that_nobody_claims_are_shown_where_their_code_is() -> None:
    filtered, _ = filter_findings(PLAN, FindingFilter(codes=frozenset({"company-unmanaged"})))
    assert filtered.unmanaged_count == 2


def test_the_exit_code_is_about_what_is_shown() -> None:
    pending, _ = filter_findings(PLAN, FindingFilter(only=Only.PENDING))
    assert (exit_code("drift", PLAN), exit_code("drift", pending)) == (2, 0)


def test_a_plan_is_divided_by_a_label_and_who_has_none_comes_last() -> None:
    labelled = fleet(*PLAN.plans, labels={"acme": {"tier": "gold"}, "calm": {"tier": "basic"}, "bolt": {}})
    parts = divide_by_label(labelled, "tier")
    assert {value: [each.merchant for each in part.plans] for value, part in parts.items()} == {
        "basic": ["calm"],
        "gold": ["acme"],
        "": ["bolt"],
    }
    assert list(parts) == ["basic", "gold", ""]
