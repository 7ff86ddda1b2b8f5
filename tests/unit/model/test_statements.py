"""Each thing once, grouped by what is the same, the most severe first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.model.field_values import Option
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, Plan, PlanStatus
from controller.model.report import Applied, Failed, Outcome
from controller.model.severity import Severity
from controller.model.statement_groups import count_merchants_by_actor, count_merchants_by_severity, group_statements
from controller.model.statements import (
    finding_statements_of_plans,
    merchant_statements,
    plan_statements,
    report_statements,
)
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, remap, report, waiting

GRATUITY = "mapping.sales.accounts.gratuity"


def explained(name: str = "acme", cause: str = "live moved", **more: Any) -> Plan:
    """A change, and the finding that it stands for."""
    found = finding(merchant=name, field=GRATUITY, live="a", wanted="b", direction=Direction.DRIFT)
    return replace(changing(name), findings=(replace(found, cause=cause, **more),))


def test_a_change_and_its_finding_are_one_statement() -> None:
    (said,) = merchant_statements(explained(manifest="profiles/uk.yaml:7:5", since=NOW, occurrences=3))
    assert (said.subject.kind, said.subject.code) == (ChangeKind.SET_CONFIGURATION, "mapping-changed")
    assert (said.manifest, said.since, said.occurrences) == ("profiles/uk.yaml:7:5", NOW, 3)
    assert said.cause == "", "that live moved says the direction"


def test_a_cause_that_says_more_than_the_direction_is_kept() -> None:
    (said,) = merchant_statements(explained(cause="the merchant switched it off"))
    assert said.cause == "the merchant switched it off"


def test_a_finding_that_asks_for_somebody_else_is_said_beside_the_change() -> None:
    change, other = merchant_statements(explained(actor=Actor.OPERATOR))
    assert (change.subject.actor, other.subject.actor) == (Actor.APPLY, Actor.OPERATOR)


def test_a_held_change_says_what_releases_it() -> None:
    held = replace(
        explained(actor=Actor.OPERATOR, remedy="merchantctl apply --allow remap=acme"),
        changes=(),
        held_changes=(remap(),),
        hold=Hold(HeldBy.LIMIT, "held"),
    )
    (said,) = merchant_statements(held)
    assert (said.subject.held, said.subject.actor) == (True, Actor.OPERATOR)
    assert said.remedy == "merchantctl apply --allow remap=acme"


def test_what_is_first_configured_says_so_once() -> None:
    never = finding("not-configured", direction=Direction.PENDING)
    statements = merchant_statements(replace(changing(), findings=(never,)))
    assert [said.subject.code for said in statements] == ["not-configured"]


def test_an_adoption_and_a_rename_are_said() -> None:
    statements = merchant_statements(merchant("acme", adopts=True, renamed_from="old"))
    assert [(said.subject.code, said.live) for said in statements] == [
        ("renamed-in-manifests", "old"),
        ("adopted", None),
    ]


def test_drift_says_every_finding_whatever_an_apply_would_do() -> None:
    (said,) = finding_statements_of_plans(fleet(explained()))
    assert (said.subject.kind, said.subject.code, said.remedy) == (None, "mapping-changed", "merchantctl apply")


def test_a_report_says_what_became_of_each_change_and_what_is_left() -> None:
    plan = fleet(explained("a"), explained("b"), waiting("c"))
    link = waiting("a").findings[0]
    outcomes: dict[str, Outcome] = {"a": Applied(1, (link,)), "b": Failed("the key is wrong", retryable=False)}
    said = {(each.merchant, each.subject.outcome, each.cause) for each in report_statements(report(plan, outcomes))}
    assert said == {
        ("a", "done", ""),
        ("a", "", "someone changed it"),
        ("b", "failed", "the key is wrong"),
        ("c", "", "someone changed it"),
    }


def test_one_line_of_a_profile_is_one_group_of_all_whom_it_changes() -> None:
    plan = fleet(*(explained(f"m-{number}", manifest="profiles/uk.yaml:7:5") for number in range(1200)))
    (group,) = group_statements(plan_statements(plan))
    (line,) = group.lines
    assert len(group.merchants) == len(line.merchants) == 1200
    assert line.places == (("profiles/uk.yaml:7:5", 1200),)


def test_options_of_one_name_are_one_value_whatever_their_ids_are() -> None:
    plans = [changing(f"m-{number}") for number in range(3)]
    change = plans[0].changes[0]
    other_id = replace(change, fields=(replace(change.fields[0], live=Option("other", "Tips", "610")),))
    (group,) = group_statements(plan_statements(fleet(*plans[1:], replace(plans[0], changes=(other_id,)))))
    assert len(group.lines) == 1


def test_other_values_of_a_field_are_other_lines_of_one_group_and_those_of_most_come_first() -> None:
    few = merchant("a", PlanStatus.CHANGE, changes=(remap("1"),))
    (group,) = group_statements(plan_statements(fleet(few, changing("b"), changing("c"))))
    assert [line.merchants for line in group.lines] == [("b", "c"), ("a",)]


def test_fields_that_change_for_the_same_merchants_are_one_group() -> None:
    (change,) = changing().changes
    both = replace(change, fields=(*change.fields, replace(change.fields[0], field="mapping.sales.accounts.sales")))
    plans = [merchant(name, PlanStatus.CHANGE, changes=(both,)) for name in ("a", "b")]
    (group,) = group_statements(plan_statements(fleet(*plans)))
    assert [line.example.field for line in group.lines] == [GRATUITY, "mapping.sales.accounts.sales"]


def test_sentences_that_differ_only_by_the_name_say_the_same() -> None:
    found = [replace(finding(merchant=name), remedy=f"merchantctl link {name}") for name in ("a-b", "c")]
    (group,) = group_statements(
        finding_statements_of_plans(fleet(*(merchant(each.merchant, findings=(each,)) for each in found)))
    )
    assert len(group.lines) == 1


def test_the_most_severe_comes_first_then_what_is_about_most() -> None:
    lost = merchant("z", findings=(finding("company-missing", "z", Actor.OPERATOR),))
    plan = fleet(waiting("a"), changing("b"), changing("c"), lost)
    groups = group_statements(plan_statements(plan))
    assert [group.subject.severity for group in groups] == [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
    assert count_merchants_by_severity(groups) == {Severity.CRITICAL: 1, Severity.WARNING: 2, Severity.INFO: 1}
    assert count_merchants_by_actor(groups) == {Actor.OPERATOR: 1, Actor.MERCHANT: 1, Actor.APPLY: 2}


def test_what_is_deleted_unlinked_or_switched_off_is_critical_and_who_asked_for_it_does_not_matter() -> None:
    unlink = Change(ChangeKind.UNLINK_CONNECTION, (ChangeClass.UNLINK,))
    (said,) = merchant_statements(merchant(status=PlanStatus.CHANGE, changes=(unlink,)))
    assert said.subject.severity is Severity.CRITICAL


def test_the_age_of_a_line_is_that_of_the_first_and_how_often_that_of_the_worst() -> None:
    plan = fleet(explained("a", since=NOW, occurrences=2), explained("b", since=NOW - timedelta(days=2), occurrences=1))
    ((line,),) = [group.lines for group in group_statements(plan_statements(plan))]
    assert (line.since, line.most_often) == (NOW - timedelta(days=2), 2)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.sampled_from("xy")), max_size=60))
def test_every_statement_is_in_exactly_one_line(said: list[tuple[int, str, str]]) -> None:
    findings = {(number, code, field): finding(code, f"m-{number}", field=field) for number, code, field in said}
    plans = [merchant(each.merchant, findings=(each,)) for each in findings.values()]
    told = [
        (name, line.example.subject.code, line.example.field)
        for group in group_statements(finding_statements_of_plans(fleet(*plans)))
        for line in group.lines
        for name in line.merchants
    ]
    assert sorted(told) == sorted((each.merchant, each.code, each.field or "") for each in findings.values())
