"""Who of the newcomers may be a merchant whose manifest is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.desired import Fleet
from controller.planning.unclear_merchant_renames import (
    Declaration,
    Evidence,
    declarations_after_load,
    find_possible_renames,
    possible_heir_finding,
    removed_but_unclear_finding,
)

Load = Mapping[str, tuple[str, str]]
"""By merchant its file and its content."""


def fleet(load: Load) -> Fleet:
    files = {name: file for name, (file, _) in load.items()}
    contents = {name: content for name, (_, content) in load.items()}
    return Fleet({}, frozenset(load), (), True, "", files=files, content_digests=contents)


def after(*loads: Load, bound: Iterable[str] = ("acme",), configured: Iterable[str] = ("acme",)) -> dict[str, Any]:
    declarations: dict[str, Declaration] = {}
    for load in loads:
        declarations = declarations_after_load(declarations, fleet(load), frozenset(bound), frozenset(configured))
    return declarations


def candidates(*loads: Load, **known: Iterable[str]) -> dict[str, dict[str, Evidence]]:
    return {name: dict(each.newcomers) for name, each in find_possible_renames(after(*loads, **known)).items()}


ACME: Load = {"acme": ("a.yaml", "1")}
BAKERY: Load = {"bakery": ("b.yaml", "9")}


@pytest.mark.parametrize(
    ("newcomer", "evidence"),
    [
        (("a.yaml", "2"), Evidence.FILE),
        (("c.yaml", "1"), Evidence.CONTENT),
        (("a.yaml", "1"), Evidence.FILE),
        (("c.yaml", "2"), None),
    ],
)
def test_a_newcomer_in_its_file_or_declared_alike_may_be_it(newcomer: tuple[str, str], evidence: Any) -> None:
    found = candidates({**ACME, **BAKERY}, {"acme-coffee": newcomer, **BAKERY})
    assert found == ({"acme": {"acme-coffee": evidence}} if evidence else {})


def test_a_file_that_declared_others_too_is_no_evidence() -> None:
    both: Load = {"acme": ("all.yaml", "1"), "bakery": ("all.yaml", "9")}
    assert candidates(both, {"acme-coffee": ("all.yaml", "2"), "bakery": ("all.yaml", "9")}) == {}


def test_whoever_came_with_another_change_is_none() -> None:
    twin: Load = {"twin": ("t.yaml", "1")}
    assert candidates(ACME, {**ACME, **twin}, twin) == {}, "known while it was declared"
    assert candidates(ACME, {}, twin) == {}, "came after it had gone"


def test_the_evidence_stays_while_everything_is_declared_otherwise() -> None:
    """The newcomer comes in a short pass; the profile of all changes before the full one."""
    moved: Load = {"acme-coffee": ("c.yaml", "1")}
    changed: Load = {"acme-coffee": ("elsewhere.yaml", "7")}
    assert candidates(ACME, moved, changed) == {"acme": {"acme-coffee": Evidence.CONTENT}}


def test_the_last_declaration_counts_and_not_the_first() -> None:
    loads = (ACME, {"acme": ("a2.yaml", "5")})
    assert candidates(*loads, {"acme-coffee": ("a.yaml", "1")}) == {}
    assert candidates(*loads, {"acme-coffee": ("a2.yaml", "1")}) == {"acme": {"acme-coffee": Evidence.FILE}}


def test_whoever_comes_back_to_a_configured_company_is_no_newcomer() -> None:
    """A rename that is taken back: what it made by mistake goes."""
    renamed: Load = {"acme-coffee": ("a.yaml", "1")}
    assert candidates(ACME, renamed, ACME, bound=("acme", "acme-coffee")) == {}


def test_a_newcomer_that_is_renamed_itself_hands_its_claim_on() -> None:
    first, second = {"acme-coffee": ("a.yaml", "1")}, {"acme-beans": ("a.yaml", "1")}
    found = candidates(ACME, first, second, bound=("acme", "acme-coffee"))
    assert found["acme"] == {"acme-beans": Evidence.FILE}
    assert found["acme-coffee"] == {"acme-beans": Evidence.FILE}


def test_a_newcomer_that_went_for_good_claims_nothing() -> None:
    assert candidates(ACME, {"acme-coffee": ("a.yaml", "1")}, {}) == {}


def test_a_newcomer_that_was_away_for_a_while_is_the_same_one() -> None:
    renamed: Load = {"acme-coffee": ("a.yaml", "1")}
    assert candidates(ACME, renamed, {}, renamed) == {"acme": {"acme-coffee": Evidence.FILE}}


def test_a_rename_that_is_made_a_second_time_is_seen_a_second_time() -> None:
    renamed: Load = {"acme-coffee": ("a.yaml", "1")}
    known = {"bound": ("acme", "acme-coffee"), "configured": ("acme",)}
    assert candidates(ACME, renamed, ACME, renamed, **known)["acme"] == {"acme-coffee": Evidence.FILE}


def test_a_newcomer_alone_in_the_file_is_its_heir_and_one_of_two_is_none() -> None:
    one: Load = {"x": ("a.yaml", "1"), "alike": ("z.yaml", "1")}
    two: Load = {"x": ("a.yaml", "1"), "y": ("a.yaml", "2")}
    assert [find_possible_renames(after(ACME, load))["acme"].heir for load in (one, two)] == ["x", None]


def test_what_is_settled_is_forgotten() -> None:
    assert after(ACME, {}, bound=()) == {}
    assert set(after(ACME, {"x": ("a.yaml", "1")}, {})) == {"acme", "x"}, "x hands its claim on yet"


def test_the_findings_name_the_newcomer_the_evidence_and_both_ways_out() -> None:
    (possible,) = find_possible_renames(after(ACME, {"x": ("a.yaml", "2"), "y": ("c.yaml", "1")})).values()
    held = removed_but_unclear_finding(possible, bound=("acme",))
    assert "x, which is declared in the file that declared it alone (and 1 more that may be it)" in held.cause
    assert held.remedy == (
        "where x is acme: in the manifest of x write metadata.renamedFrom: acme\n"
        "where acme is to go: merchantctl apply --allow take-down=acme"
    )
    assert "merchantctl state rm x" in removed_but_unclear_finding(possible, bound=("acme", "x")).remedy
    assert possible_heir_finding("x", "acme").remedy == held.remedy


@given(
    loads=st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.tuples(st.sampled_from("fg"), st.sampled_from("12"))),
        min_size=2,
        max_size=6,
    ),
    bound=st.frozensets(st.sampled_from("abcd")),
)
def test_who_goes_while_somebody_alike_comes_is_asked_about_until_that_one_goes(
    loads: list[Load], bound: frozenset[str]
) -> None:
    """By the last two loads, whatever was before: nobody who may live on is missed, nobody present is asked about."""
    *_, last, now = loads
    found = candidates(*loads, bound=bound, configured=bound)
    assert not found.keys() & now.keys()
    for gone in bound & (last.keys() - now.keys()):
        file, content = last[gone]
        alone = sum(each == file for each, _ in last.values()) == 1
        for name in now.keys() - {each for load in loads[:-1] for each in load}:
            its_file, its_content = now[name]
            if (alone and its_file == file) or its_content == content:
                assert name in found[gone]


def test_a_generated_fleet_that_is_alike_and_comes_anew_each_day_is_compared_in_no_time() -> None:
    days = [{f"shop-{day}-{number}": ("fleet.yaml", "1") for number in range(100)} for day in range(8)]
    bound = {name for day in days for name in day}
    found = candidates(*days, bound=bound)
    assert len(found) == 700, "whoever went with a company"
    assert found["shop-0-0"] == dict.fromkeys(days[-1], Evidence.HANDED_ON)
    assert found["shop-6-0"] == dict.fromkeys(days[-1], Evidence.CONTENT)
