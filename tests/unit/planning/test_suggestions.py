"""What a reference that leads nowhere may have meant: the right one is first; where nothing is alike, nothing is."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.model.field_values import Option, Ref
from controller.planning.suggestions import suggest_options
from tests.unit.planning.charts import CHARTS

RIGHT = 0.9
"""So many of the questions of a row, in each chart, have the right answer first."""


def without_accents(name: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))


def first_word(name: str) -> str | None:
    word = name.split()[0].rstrip(",")
    return word if word != name and len(word) > 2 else None


def leaf(name: str) -> str:
    return name.rpartition(":")[2]


Ask = Callable[[str], str | None]
QUESTIONS: dict[str, Ask] = {
    "upper": str.upper,
    "lower": str.lower,
    "first word": first_word,
    "no accents": without_accents,
    "full width": lambda name: "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in name),
    "Parent:": lambda name: f"Parent:{leaf(name)}",
    "Parent: left out": lambda name: leaf(name) if ":" in name else None,
    "(old)": lambda name: f"{name} (old)",
    "OLD -": lambda name: f"OLD - {name}",
    "a letter lost": lambda name: name[: len(name) // 2] + name[len(name) // 2 + 1 :] if len(name) > 5 else None,
}


def asked(ask: Ask, chart: tuple[Option, ...]) -> Iterator[tuple[str, Option]]:
    """The questions that have one answer: what several names begin with, or are, asks for none of them."""
    questions = [(ask(each.name), each) for each in chart if each.name]
    several = Counter(question.casefold() for question, _ in questions if question)
    for question, each in questions:
        if question and several[question.casefold()] == 1 and question not in {other.name for other in chart}:
            yield question, each


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("row", QUESTIONS)
def test_the_one_that_was_meant_comes_first_however_it_was_written(row: str, chart: str) -> None:
    options = CHARTS[chart]
    answers = [
        (question, right, suggest_options(Ref("name", question), options))
        for question, right in asked(QUESTIONS[row], options)
    ]
    wrong = [
        (question, right.name, [each.name for each in near])
        for question, right, near in answers
        if near[:1] != (right,)
    ]
    assert len(wrong) <= (1 - RIGHT) * len(answers), wrong


def test_each_row_asks_enough_to_be_measured() -> None:
    for row, ask in QUESTIONS.items():
        assert sum(1 for chart in CHARTS.values() for _ in asked(ask, chart)) >= 20, row


CODES: dict[str, Callable[[str], str | None]] = {
    "a leading zero": lambda code: f"0{code}",
    "more digits": lambda code: f"{code}00",
    "the last digit lost": lambda code: code[:-1] if len(code) > 3 else None,
    "full width": lambda code: "".join(chr(ord(each) + 0xFEE0) for each in code),
}


@pytest.mark.parametrize("row", CODES)
def test_a_code_finds_what_begins_with_it_or_what_it_begins_with(row: str) -> None:
    answers = [
        (question, right, suggest_options(Ref("code", question), chart))
        for chart in CHARTS.values()
        for right in chart
        if right.code and (question := CODES[row](right.code)) and not any(each.code == question for each in chart)
        if row != "the last digit lost" or sum((each.code or "").startswith(question) for each in chart) == 1
    ]
    wrong = [
        (question, right.code, [each.code for each in near])
        for question, right, near in answers
        if near[:1] != (right,)
    ]
    assert len(answers) >= 20
    assert len(wrong) <= (1 - RIGHT) * len(answers), wrong


def test_codes_are_no_spellings() -> None:
    near = suggest_options(Ref("code", "7070"), CHARTS["france"])
    assert [each.code for each in near][:1] == ["707"]
    without = tuple(each for each in CHARTS["france"] if each.code != "707")
    assert [each.code for each in suggest_options(Ref("code", "707"), without)] == ["7071", "7072"]


STRANGE = (
    "Kangaroo fund",
    "Zeppelin hangar",
    "Wine cellar",
    "Quixotic",
    "Ferry crossing",
    "zzz",
    "Bouquet",
    "Häkchen",
    "Xylophone lessons",
    "犬小屋",
)


@pytest.mark.parametrize("chart", CHARTS)
def test_where_nothing_is_alike_nothing_is_offered(chart: str) -> None:
    for name in STRANGE:
        assert suggest_options(Ref("name", name), CHARTS[chart]) == (), name
    for code in ("9999999", "X", "12-34-56", "5"):
        assert suggest_options(Ref("code", code), CHARTS[chart]) == (), code
    assert suggest_options(Ref("id", "5f0c1a7e-2b64-4c9f-8a51-7d3e6b9f1003"), CHARTS[chart]) == ()


def test_a_code_that_is_gone_is_looked_for_by_the_name_that_its_record_had() -> None:
    bank_fees, travel = Option("a", "Bank charges", "627"), Option("b", "Travel", "405")
    assert suggest_options(Ref("code", "404"), (travel, bank_fees), other_names=("Bank Fees",)) == (bank_fees,)
    assert suggest_options(Ref("code", "404"), (travel,), other_names=("Bank Fees",)) == ()


def test_a_name_that_stands_as_a_code_and_a_code_as_a_name_are_found() -> None:
    sales = Option("a", "Sales", "200")
    assert suggest_options(Ref("name", "200"), (sales,)) == (sales,)
    assert suggest_options(Ref("code", "sales"), (sales,)) == (sales,)
    assert suggest_options(Ref("id", "output2"), (Option("OUTPUT2", "20% (VAT on income)"),)) == (
        Option("OUTPUT2", "20% (VAT on income)"),
    )


def test_of_twins_the_selected_one_goes_first() -> None:
    one, other = Option("a", "Tips payable"), Option("b", "Tips payable")
    assert suggest_options(Ref("name", "TIPS PAYABLE"), (one, other), selected=other) == (other, one)


@pytest.mark.parametrize("key", ["code", "name", "id"])
def test_what_has_neither_letters_nor_digits_is_no_record_without_a_code(key: Any) -> None:
    charts = (Option("a", "Sales"), Option("b", "Fees", "0"))
    for text in ("☕", "***", "-"):
        assert suggest_options(Ref(key, text), charts) == (), text
