"""References into options, per merchant: nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.model.field_values import DeclaredValue, LocalTime, Option, Ref, Value
from controller.model.observed import Configuration
from controller.planning.resolve import ResolutionProblem, resolve_fields
from tests import build
from tests.narrowing import expect

GRATUITY = "mapping.sales.accounts.gratuity"


def answer(
    path: str, wish: Ref | LocalTime, live: Configuration | None = None, now: datetime = build.USUAL_NOW
) -> Value | ResolutionProblem:
    resolved = resolve_fields({path: wish}, live or build.usual_configuration(), now)
    return {**resolved.values, **{problem.field: problem for problem in resolved.problems}}[path]


def id_of(path: str, wish: Ref, live: Configuration | None = None) -> str:
    return expect(Option, answer(path, wish, live)).id


def problem_of(path: str, wish: Ref, live: Configuration | None = None) -> ResolutionProblem:
    return expect(ResolutionProblem, answer(path, wish, live))


@pytest.mark.parametrize("ref", [Ref("id", "acc-tips"), Ref("code", "825"), Ref("name", "Tips payable")])
def test_an_account_is_found_by_id_code_or_name(ref: Ref) -> None:
    assert answer(GRATUITY, ref) == Option("acc-tips", "Tips payable", "825")


def test_the_same_reference_means_another_id_for_another_merchant() -> None:
    options = [{"name": "Tips payable", "id": "elsewhere", "nominalCode": "825"}]
    other = build.usual_configuration(
        {"configuration": {"sales": {"accounts": {"gratuity": {"accountOptions": options}}}}}
    )
    assert id_of(GRATUITY, Ref("code", "825"), other) == "elsewhere"


def test_no_match_is_a_problem_with_the_nearest_candidates_first() -> None:
    problem = problem_of(GRATUITY, Ref("name", "Tips payble"))
    assert problem.kind == "unresolved"
    assert [each.name for each in problem.candidates] == ["Tips payable"]


def test_several_matches_are_a_problem_and_none_is_chosen() -> None:
    twins = [{"name": "Tips payable", "id": "one"}, {"name": "Tips payable", "id": "two"}]
    live = build.usual_configuration(
        {"configuration": {"sales": {"accounts": {"gratuity": {"accountOptions": twins}}}}}
    )
    problem = problem_of(GRATUITY, Ref("name", "Tips payable"), live)
    assert problem.kind == "ambiguous"
    assert [each.id for each in problem.candidates] == ["one", "two"]


@pytest.mark.parametrize("word", ["tips payable", " Tips payable", "Tips"])
def test_a_name_that_is_only_alike_is_no_match(word: str) -> None:
    assert problem_of(GRATUITY, Ref("name", word)).kind == "unresolved"


def test_null_clears() -> None:
    resolved = resolve_fields({GRATUITY: None}, build.usual_configuration(), build.USUAL_NOW)
    assert resolved.values == {GRATUITY: None}
    assert resolved.problems == ()


@pytest.mark.parametrize("path", ["mapping.sales.accounts.CARD", "mapping.fees.accounts.card"])
def test_an_account_is_found_in_another_letter_case_or_section(path: str) -> None:
    assert id_of(path, Ref("code", "610")) == "acc-card"


def test_a_key_in_its_own_section_goes_before_the_same_key_in_another() -> None:
    row = {
        "selectedAccountId": None,
        "required": False,
        "accountOptions": [{"name": "Other", "id": "other", "nominalCode": "610"}],
    }
    live = build.usual_configuration({"configuration": {"fees": {"accounts": {"card": row}}}})
    assert id_of("mapping.fees.accounts.card", Ref("code", "610"), live) == "other"
    assert id_of("mapping.payments.accounts.card", Ref("code", "610"), live) == "acc-card"


@pytest.mark.parametrize("path", ["mapping.sales.accounts.swish", 'mapping.sales.taxRates["5"]'])
def test_a_key_that_live_does_not_offer_is_a_problem(path: str) -> None:
    assert problem_of(path, Ref("name", "Sales")).kind == "not-offered"


def test_a_local_time_becomes_the_utc_hour_of_its_next_occurrence() -> None:
    clock = LocalTime("00:00", "Europe/London")
    assert answer("schedule.time", clock) == 0
    assert answer("schedule.time", clock, now=datetime(2026, 7, 1, tzinfo=UTC)) == 23


def test_the_hour_is_that_of_the_start_date_when_that_is_still_to_come() -> None:
    fields: dict[str, DeclaredValue] = {
        "schedule.time": LocalTime("00:00", "Europe/London"),
        "schedule.startDate": datetime(2027, 7, 1, tzinfo=UTC),
    }
    assert resolve_fields(fields, build.usual_configuration(), build.USUAL_NOW).values["schedule.time"] == 23
