"""Whose turn it is: to have its sync read, to have its data pulled again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.daemon.jobs.data_refresher import select_stale
from controller.daemon.jobs.merchant_backoff import MerchantBackoff
from controller.daemon.jobs.sync_poller import select_expected_to_sync, select_next
from controller.model.errors import TransientError
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Condition, ConditionStatus, DataAge, Plan, PlanStatus
from state import LastSyncRow
from tests.build import USUAL_NOW

HOUR = timedelta(hours=1)
DAY = 86_400.0


def plan(name: str, ready: ConditionStatus = ConditionStatus.TRUE, hours: float | None = None) -> Plan:
    data = DataAge(None if hours is None else USUAL_NOW - hours * HOUR)
    return Plan(name, PlanStatus.IN_SYNC, conditions=(Condition("Ready", ready),), company_id=name, data_age=data)


def names(plans: list[Plan]) -> list[str]:
    return [each.merchant for each in plans]


def read(**hours_ago: float) -> dict[str, LastSyncRow]:
    return {
        name: LastSyncRow(name, 2000, "", USUAL_NOW, USUAL_NOW, USUAL_NOW - ago * HOUR)
        for name, ago in hours_ago.items()
    }


def test_only_who_is_ready_has_syncs_to_read() -> None:
    assert names(
        select_expected_to_sync([plan("a"), plan("b", ConditionStatus.FALSE), plan("c", ConditionStatus.UNKNOWN)])
    ) == ["a"]


def test_who_was_never_read_comes_first_then_who_was_read_longest_ago() -> None:
    plans, known = [plan(name) for name in "abcd"], read(a=30, b=40, d=2)
    assert names(select_next(plans, known, USUAL_NOW, 86_400, 86_400)) == ["c", "b", "a"]


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 40))
def test_a_round_reads_everyone_once(merchants: int, turns: int) -> None:
    """However many merchants share a round, all are read within it and none twice."""
    plans = [plan(f"m{number:03}") for number in range(merchants)]
    known: dict[str, LastSyncRow] = {}
    for turn in range(turns):
        now = USUAL_NOW + timedelta(seconds=turn)
        for each in select_next(plans, known, now, turns, 1):
            assert each.merchant not in known
            known[each.merchant] = LastSyncRow(each.merchant, 2000, "", now, now, now)
    assert len(known) == merchants


def test_old_data_is_asked_for_the_oldest_first_and_not_twice() -> None:
    plans = [plan("a", hours=25), plan("b", hours=90), plan("c", hours=3), plan("d"), plan("e", hours=30)]
    asked = {"e": USUAL_NOW - HOUR, "b": USUAL_NOW - 30 * HOUR}
    assert names(select_stale(plans, asked, USUAL_NOW, DAY, DAY)) == ["b", "a"]


def test_a_fleet_that_is_all_old_is_not_asked_for_at_once() -> None:
    plans = [plan(f"m{number}", hours=99) for number in range(288)]
    assert len(select_stale(plans, {}, USUAL_NOW, DAY, 300)) == 2


def test_nothing_is_asked_for_of_who_is_suspended() -> None:
    held = replace(plan("a", hours=90), hold=Hold(HeldBy.SUSPENSION, "suspended: an audit"))
    assert names(select_stale([held, plan("b", hours=90)], {}, USUAL_NOW, DAY, DAY)) == ["b"]


def test_who_was_asked_for_before_the_clock_was_put_back_is_asked_for_again() -> None:
    asked = {"a": USUAL_NOW + timedelta(hours=5)}
    assert names(select_stale([plan("a", hours=90)], asked, USUAL_NOW, DAY, DAY)) == ["a"]


def test_who_failed_before_the_clock_was_put_back_has_its_turn() -> None:
    backoff = MerchantBackoff()
    backoff.record_failure_or_raise("a", TransientError("no answer"), USUAL_NOW, "sync_status_unreadable")
    turns = [
        names(backoff.select_not_backing_off([plan("a", hours=1)], USUAL_NOW + timedelta(minutes=minutes)))
        for minutes in (0, 2, -300)
    ]
    assert turns == [[], ["a"], ["a"]]
