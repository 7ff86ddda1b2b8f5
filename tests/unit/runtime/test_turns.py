"""Whose turn it is: to have its sync read, to have its data pulled again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.model.plan import Condition, DataAge, Plan, State, Truth
from controller.runtime.refresh import aged
from controller.runtime.rota import in_service, next_few
from state import SyncRow
from tests.build import NOW

HOUR = timedelta(hours=1)
DAY = 86_400.0


def plan(name: str, ready: Truth = Truth.TRUE, hours: float | None = None) -> Plan:
    data = DataAge(None if hours is None else NOW - hours * HOUR)
    return Plan(name, State.IN_SYNC, conditions=(Condition("Ready", ready),), company_id=name, data=data)


def names(plans) -> list[str]:
    return [each.merchant for each in plans]


def read(**hours_ago: float) -> dict[str, SyncRow]:
    return {name: SyncRow(name, 2000, "", NOW, NOW, NOW - ago * HOUR) for name, ago in hours_ago.items()}


def test_only_who_is_ready_has_syncs_to_read():
    assert names(in_service([plan("a"), plan("b", Truth.FALSE), plan("c", Truth.UNKNOWN)])) == ["a"]


def test_who_was_never_read_comes_first_then_who_was_read_longest_ago():
    plans, known = [plan(name) for name in "abcd"], read(a=30, b=40, d=2)
    assert names(next_few(plans, known, NOW, 86_400, 86_400)) == ["c", "b", "a"]


@given(st.integers(1, 400), st.integers(1, 40))
def test_a_round_reads_everyone_once(merchants, turns):
    """However many merchants share a round, all are read within it and none twice."""
    plans, known = [plan(f"m{number:03}") for number in range(merchants)], {}
    for turn in range(turns):
        now = NOW + timedelta(seconds=turn)
        for each in next_few(plans, known, now, turns, 1):
            assert each.merchant not in known
            known[each.merchant] = SyncRow(each.merchant, 2000, "", now, now, now)
    assert len(known) == merchants


def test_old_data_is_asked_for_the_oldest_first_and_not_twice():
    plans = [plan("a", hours=25), plan("b", hours=90), plan("c", hours=3), plan("d"), plan("e", hours=30)]
    asked = {"e": NOW - HOUR, "b": NOW - 30 * HOUR}
    assert names(aged(plans, asked, NOW, DAY, DAY)) == ["b", "a"]


def test_a_fleet_that_is_all_old_is_not_asked_for_at_once():
    plans = [plan(f"m{number}", hours=99) for number in range(288)]
    assert len(aged(plans, {}, NOW, DAY, 300)) == 2
