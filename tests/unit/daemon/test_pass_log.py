"""What the log says of a pass: the facts, and nothing that is not so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.daemon.pass_log import LogLine, change_lines, finding_lines, leaving_lines, pass_facts
from controller.daemon.pass_result import Pass, PassFailure
from controller.daemon.workqueue import EVERYONE
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    CheckedPart,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    LimitExceeded,
    Refusal,
    RequestEstimate,
    RetainedMerchant,
)
from tests.build import USUAL_NOW
from tests.narrowing import expect

PLANS = (Plan("ann", PlanStatus.CHANGE), Plan("bob", PlanStatus.CHANGE), Plan("cid", PlanStatus.IN_SYNC))
FLEET = FleetPlan(PLANS, "", True, (), None, RequestEstimate(0, 0, 0), USUAL_NOW)


def said(seen: FleetPlan | FleetReport | PassFailure, *keys: str) -> dict[str, object]:
    return pass_facts(Pass(keys or (EVERYONE,), seen, USUAL_NOW, USUAL_NOW, reason="recheck" if keys else "resync"))


def test_a_pass_that_wrote_says_how_everyone_stands_and_who_failed() -> None:
    report = FleetReport(
        FLEET, {"ann": Applied(1), "bob": Failed("no", retryable=True, writes=1)}, USUAL_NOW, USUAL_NOW
    )
    assert said(report) == {
        "scope": "everyone", "because": "resync", "failed": 1, "in_sync": 2, "writes": 2, "findings": 0, "seconds": 0.0,
        "failures": ["bob"],
    }  # fmt: skip


def test_a_refusal_is_said_with_the_flag_that_lifts_it() -> None:
    refused = replace(FLEET, refusal=Refusal((LimitExceeded("disable", 3, 2, "--allow disable"),)))
    assert "--allow disable" in expect(list, said(refused)["refused"])[0]
    assert said(refused)["writes"] == 0


def test_a_setback_says_why_and_claims_nothing_about_merchants() -> None:
    assert said(PassFailure("no answer"), "ann", "bob") == {
        "scope": "2 named", "because": "recheck", "writes": 0, "findings": 0, "seconds": 0.0, "cut_short": "no answer",
    }  # fmt: skip


# -- One line a change, one a finding


CHANGE = Change(
    ChangeKind.SET_CONFIGURATION,
    (ChangeClass.DISABLE,),
    (FieldChange("enabled", True, False, Direction.DRIFT),),
)


def finding(code: str, merchant: str = "ann", *, actor: Actor = Actor.MERCHANT, since: datetime = USUAL_NOW) -> Finding:
    return Finding(code, merchant, "the merchant revoked it", "send the link", actor, "connection.state", since=since)


def fleet(*plans: Plan) -> FleetPlan:
    return replace(FLEET, plans=plans, fleet_digest="0123456789abcdef")


def told(lines: Iterable[LogLine]) -> list[tuple[str, str]]:
    return [(line.event, str(line.facts.get("merchant"))) for line in lines]


def look(seen: FleetPlan | FleetReport, **facts: Any) -> Pass:
    return Pass((EVERYONE,), seen, USUAL_NOW, USUAL_NOW, **facts)


def test_a_change_that_was_made_is_a_line_with_its_fields_why_and_under_which_revision() -> None:
    plan = Plan("ann", PlanStatus.CHANGE, changes=(CHANGE,))
    report = FleetReport(fleet(plan), {"ann": Applied(1)}, USUAL_NOW, USUAL_NOW)
    (line,) = change_lines(look(report, urgent=True, reason="event"))
    assert (line.event, line.warns) == ("change_applied", False)
    assert line.facts == {
        "merchant": "ann", "because": "event", "revision": "0123456789ab", "change": "set the configuration",
        "fields": ["enabled: true -> false"], "causes": ["changed outside merchantctl"],
    }  # fmt: skip


@pytest.mark.parametrize("outcome", [Failed("refused", retryable=False, writes=1), ChangedSincePlan("it is gone", 1)])
def test_changes_that_were_not_made_are_a_warning_with_the_reason(outcome: Failed | ChangedSincePlan) -> None:
    plan = Plan("ann", PlanStatus.CHANGE, changes=(CHANGE,))
    (line,) = change_lines(look(FleetReport(fleet(plan), {"ann": outcome}, USUAL_NOW, USUAL_NOW)))
    assert (line.event, line.warns) == ("changes_not_all_made", True)
    assert line.facts["reason"] in ("refused", "it is gone")
    assert line.facts["writes_made"] == 1


def test_a_finding_is_told_when_it_comes_and_when_it_goes_and_not_in_between() -> None:
    before = fleet(
        Plan("ann", PlanStatus.BLOCKED, findings=(finding("old"), finding("stays"))), Plan("bob", PlanStatus.IN_SYNC)
    )
    now = fleet(
        Plan(
            "ann",
            PlanStatus.BLOCKED,
            findings=(finding("stays"), finding("new")),
            checked_parts=frozenset(CheckedPart),
        ),
        Plan("bob", PlanStatus.IN_SYNC),
    )
    opened, closed = finding_lines(look(now, known_before=before), before)
    assert told((opened, closed)) == [("finding_opened", "ann"), ("finding_closed", "ann")]
    assert (opened.facts["code"], closed.facts["code"]) == ("new", "old")


def test_what_a_pass_saw_is_told_though_it_is_shown_already() -> None:
    """The state has it before it is told, and what others saw is read from there now and then."""
    before = fleet(Plan("ann", PlanStatus.BLOCKED, findings=(finding("old"),)))
    now = fleet(Plan("ann", PlanStatus.BLOCKED, findings=(finding("new"),), checked_parts=frozenset(CheckedPart)))
    lines = finding_lines(look(now, known_before=before), now)
    assert [(line.event, line.facts["code"]) for line in lines] == [
        ("finding_opened", "new"),
        ("finding_closed", "old"),
    ]


def test_who_leaves_management_is_told_once_and_warned_of_where_a_newcomer_may_be_it() -> None:
    retained = (
        RetainedMerchant("acme", "1", "Acme", newcomers=("acme-coffee",)),
        RetainedMerchant("bakery", "2", "Bakery"),
        RetainedMerchant("cafe", "3", "Cafe", retained_since=USUAL_NOW),
    )
    lines = leaving_lines(look(FleetReport(replace(FLEET, retained=retained), {}, USUAL_NOW, USUAL_NOW)))
    warned, told_only = lines
    assert (warned.event, warned.warns, warned.facts["may_be"]) == ("merchant_left_management", True, ["acme-coffee"])
    assert "metadata.renamedFrom: acme" in str(warned.facts["remedy"])
    assert (told_only.facts["merchant"], told_only.warns) == ("bakery", False)


def test_after_a_restart_what_was_open_before_is_no_news() -> None:
    old = finding("stays", since=USUAL_NOW - timedelta(days=3))
    now = fleet(Plan("ann", PlanStatus.BLOCKED, findings=(old, finding("new"))))
    assert [line.facts["code"] for line in finding_lines(look(now), None)] == ["new"]


def test_what_a_pass_corrected_itself_is_told_by_its_change_alone() -> None:
    drift = finding("drift", actor=Actor.APPLY)
    plan = Plan("ann", PlanStatus.CHANGE, changes=(CHANGE,), findings=(drift,))
    report = FleetReport(fleet(plan), {"ann": Applied(1)}, USUAL_NOW, USUAL_NOW)
    assert list(finding_lines(look(report), None)) == []


def test_nothing_is_told_to_be_over_of_a_merchant_that_could_not_be_looked_at_or_was_not() -> None:
    before = fleet(
        Plan("ann", PlanStatus.BLOCKED, findings=(finding("old"),)),
        Plan("bob", PlanStatus.BLOCKED, findings=(finding("old", "bob"),)),
    )
    unread = fleet(Plan("ann", PlanStatus.UNKNOWN))
    assert told(finding_lines(Pass(("ann",), unread, USUAL_NOW, USUAL_NOW), before)) == []


def test_of_whom_a_later_pass_has_looked_at_nothing_comes_or_goes() -> None:
    before = fleet(Plan("ann", PlanStatus.WAITING, findings=(finding("later"),)))
    old = fleet(Plan("ann", PlanStatus.BLOCKED, findings=(finding("older"),)))
    assert told(finding_lines(look(old, taken_over=frozenset({"ann"})), before)) == []
