"""The limits, at their edges."""

from __future__ import annotations

import pytest

from controller.model.plan import Change, ChangeClass, ChangeKind, Plan, State
from controller.model.run import ALLOWABLE, LIMITED, Leave
from controller.planning.safety import FLOORS, SHRINK, Fold, count, judge, limit

UNLIMITED = [cls for cls in ChangeClass if cls not in LIMITED]


def plans(number, *classes):
    change = Change(ChangeKind.SET_CONFIGURATION, classes)
    return [Plan(f"m-{index:04}", State.CHANGE, (change,)) for index in range(number)]


def fold(bound=1000, lost=(), declared=1000):
    return Fold(bound, lost, declared)


def excesses(plans, fold, leave=None, before=None):
    _, refusal = judge(plans, fold, leave or Leave(), before)
    return [(each.limit_of, each.count, each.limit, each.flag) for each in refusal.excesses] if refusal else []


def names(number):
    return tuple(f"m-{index:04}" for index in range(number))


@pytest.mark.parametrize(
    ("cls", "bound", "most"),
    [
        (ChangeClass.DELETE, 100_000, 0),
        (ChangeClass.RE_CREATE, 100_000, 0),
        (ChangeClass.UNLINK, 0, 1),
        (ChangeClass.UNLINK, 99, 1),
        (ChangeClass.UNLINK, 100, 2),
        (ChangeClass.DISABLE, 39, 1),
        (ChangeClass.DISABLE, 40, 2),
        (ChangeClass.REMAP, 0, 50),
        (ChangeClass.REMAP, 203, 50),
        (ChangeClass.REMAP, 204, 51),
        (ChangeClass.RESCHEDULE, 1000, 250),
    ],
)
def test_a_limit_is_a_floor_or_a_percentage_and_one_more_is_refused(cls, bound, most):
    assert limit(FLOORS[cls], bound) == most
    assert excesses(plans(most, cls), fold(bound)) == []
    assert excesses(plans(most + 1, cls), fold(bound)) == [(cls.value, most + 1, most, f"--allow {cls.value}")]


@pytest.mark.parametrize("cls", UNLIMITED)
def test_creates_first_configurations_enables_and_renames_have_no_limit(cls):
    assert excesses(plans(1000, cls), fold(bound=0)) == []


@pytest.mark.parametrize("cls", LIMITED)
def test_allow_lifts_exactly_its_own_limit(cls):
    everything = [plan for each in LIMITED for plan in plans(900, each)]
    refused = {name for name, *_ in excesses(everything, fold(), Leave(frozenset({cls.value})))}
    assert refused == {each.value for each in LIMITED} - {cls.value}


def test_a_post_counts_in_each_class_that_it_touches():
    both = plans(60, ChangeClass.DISABLE, ChangeClass.REMAP)
    assert count(both) == {ChangeClass.DISABLE: 60, ChangeClass.REMAP: 60}
    assert [name for name, *_ in excesses(both, fold(bound=100))] == ["disable", "remap"]


def test_a_post_without_a_class_counts_nowhere():
    """An hour that moved with its zone's offset."""
    assert count(plans(1000)) == {}
    assert excesses(plans(1000), fold(bound=10)) == []


def test_what_was_done_within_the_window_counts_before():
    before = {ChangeClass.UNLINK: 15}
    assert excesses(plans(5, ChangeClass.UNLINK), fold(), before=before) == []
    assert excesses(plans(6, ChangeClass.UNLINK), fold(), before=before) == [("unlink", 21, 20, "--allow unlink")]


def test_a_window_that_is_full_refuses_nobody_who_does_nothing():
    assert excesses(plans(3, ChangeClass.CREATE), fold(), before={ChangeClass.UNLINK: 99}) == []


def test_a_refusal_names_the_merchants():
    _, refusal = judge(plans(2, ChangeClass.DELETE), fold(), Leave())
    assert refusal.excesses[0].merchants == ("m-0000", "m-0001")


@pytest.mark.parametrize(("bound", "most"), [(5, 1), (19, 1), (20, 2), (1000, 100)])
def test_a_root_may_lose_one_merchant_or_a_tenth(bound, most):
    assert limit(SHRINK, bound) == most
    assert excesses([], fold(bound, names(most))) == []
    assert excesses([], fold(bound, names(most + 1))) == [("shrink", most + 1, most, "--allow shrink")]


def test_an_empty_root_is_refused_even_for_one_merchant():
    assert excesses([], fold(1, names(1), declared=0)) == [("shrink", 1, 0, "--allow shrink")]


def test_an_empty_root_beside_an_empty_state_is_a_beginning():
    assert excesses([], fold(0, (), declared=0)) == []


def test_shrink_is_lifted_by_its_word_alone():
    lost = fold(10, names(9))
    assert excesses([], lost, Leave(frozenset({"shrink"}))) == []
    assert excesses([], lost, Leave(frozenset(ALLOWABLE) - {"shrink"})) != []


def test_a_run_that_may_not_judge_absence_never_shrinks():
    assert excesses([], fold(10, None, declared=0)) == []


def test_max_changes_limits_all_of_them():
    mixed = [*plans(2, ChangeClass.CREATE), *plans(1, ChangeClass.ENABLE)]
    assert excesses(mixed, fold(), Leave(max_changes=3)) == []
    assert excesses(mixed, fold(), Leave(max_changes=2)) == [("all changes", 3, 2, "--max-changes 3")]


def test_no_word_of_allow_lifts_max_changes():
    leave = Leave(frozenset(ALLOWABLE), max_changes=0)
    assert excesses(plans(1, ChangeClass.DELETE), fold(), leave) == [("all changes", 1, 0, "--max-changes 1")]
