"""JUnit XML: what fails in it is what somebody has to act on, and every XML parser reads it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from controller.model.desired import DesiredMerchant, Diagnostic, Fleet
from controller.model.plan import Actor, Direction, PlanStatus
from controller.model.report import Applied, Failed, LimitExceeded, Outcome, Refusal, Skipped
from controller.reporting.junit import apply_junit, drift_junit, plan_junit, validate_junit
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, report, waiting


def results(text: str) -> dict[str, str]:
    """By test case what became of it."""
    suite = ElementTree.fromstring(text)[0]
    cases = {str(case.get("name")): case[0].tag if len(case) else "passed" for case in suite}
    counted = {kind: int(suite.get(kind) or 0) for kind in ("failures", "errors", "skipped", "tests")}
    tags = list(cases.values())
    assert counted == {
        "failures": tags.count("failure"),
        "errors": tags.count("error"),
        "skipped": tags.count("skipped"),
        "tests": len(tags),
    }
    return cases


def test_in_a_plan_whoever_a_person_must_help_fails_and_what_apply_mends_passes() -> None:
    blocked = merchant("b", PlanStatus.BLOCKED, findings=(finding("account-archived", "b", Actor.OPERATOR),))
    unread = merchant("u", PlanStatus.UNKNOWN, findings=(finding("unknown", "u", Actor.NOBODY),))
    plan = fleet(merchant("a"), blocked, changing("c"), unread, waiting("w"))
    assert results(plan_junit(plan)) == {"a": "passed", "b": "failure", "c": "passed", "u": "error", "w": "passed"}


def test_in_a_drift_report_whoever_was_changed_outside_fails() -> None:
    drift = finding("mapping-changed", "d", direction=Direction.DRIFT)
    pending = finding("mapping-changed", "p", direction=Direction.PENDING)
    plan = fleet(merchant("d", findings=(drift,)), merchant("p", findings=(pending,)))
    assert results(drift_junit(plan)) == {"d": "failure", "p": "passed"}


def test_of_an_apply_whatever_was_not_carried_out_fails_and_so_does_what_is_left_for_a_person() -> None:
    left = finding("account-archived", "l", Actor.OPERATOR)
    outcomes: dict[str, Outcome] = {
        "d": Applied(1),
        "f": Failed("404", retryable=False),
        "l": Applied(1, (left,)),
        "s": Skipped("not begun"),
    }
    drift = finding("mapping-changed", "d")
    done = replace(changing("d"), findings=(drift,))
    made = report(fleet(done, *map(changing, "fls"), waiting("w")), outcomes, stop_reason="too many failures")
    assert results(apply_junit(made)) == {
        "ended early": "failure",
        "d": "passed",
        "f": "failure",
        "l": "failure",
        "s": "failure",
        "w": "passed",
    }
    assert results(apply_junit(fleet(changing("d")))) == {"d": "passed"}


def test_what_keeps_the_whole_fleet_back_fails_by_itself() -> None:
    refusal = Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    plan = replace(fleet(merchant("a")), refusal=refusal, findings=(finding("mass-loss", "", Actor.OPERATOR),))
    assert results(plan_junit(plan)) == {"mass-loss": "failure", "disable": "failure", "a": "passed"}


def test_a_complaint_stands_at_its_file_and_line() -> None:
    manifests = Fleet({"a": DesiredMerchant("a", "A")}, frozenset("a"), (Diagnostic("b.yaml", 3, 1, "no"),), False, "")
    text = validate_junit(manifests)
    assert results(text) == {"b.yaml:3": "failure", "a": "passed"}
    case = ElementTree.fromstring(text)[0][0]
    assert (case.get("file"), case.get("line")) == ("b.yaml", "3")


@given(st.text(), st.text(), st.text())
def test_whatever_the_words_every_parser_reads_it(name: str, cause: str, code: str) -> None:
    found = replace(finding(code, name, Actor.OPERATOR), cause=cause)
    suite = ElementTree.fromstring(plan_junit(fleet(merchant(name, findings=(found,)))))[0]
    assert len(suite) == 1
