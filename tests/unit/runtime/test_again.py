"""Who gets another look after a pass, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Finding, Plan, State
from controller.model.report import Cost, FleetPlan, FleetReport
from controller.runtime.again import again
from controller.runtime.passes import Pass, Setback
from controller.runtime.workqueue import EVERYONE
from tests.build import NOW

MINUTE = timedelta(minutes=1)


def plan(*codes: str, since=None, merchant: str = "ann", **more) -> Plan:
    findings = tuple(Finding(code, merchant, "", "", Actor.SERVICE, since=since) for code in codes)
    return Plan(merchant, State.WAITING, findings=findings, **more)


def fleet(*plans: Plan, **more) -> FleetPlan:
    return replace(FleetPlan(plans, "", True, (), None, Cost(0, 0, 0), NOW), **more)


def looks(seen, keys=(EVERYONE,), failing_since=None, quarantined=None) -> dict[str, float]:
    return again(Pass(keys, seen, NOW - MINUTE, NOW), failing_since, quarantined or {})


def test_whoever_is_in_sync_blocked_or_waits_for_a_person_is_left_to_the_next_resync():
    assert looks(fleet(plan(), plan("account-deleted", merchant="bob"), plan("connection-unlinked"))) == {}


@pytest.mark.parametrize(("code", "first"), [("unknown", 15), ("data-not-pulled", 60), ("connection-pending", 60)])
def test_the_wait_doubles_as_long_as_it_lasts_up_to_an_hour(code, first):
    waits = [looks(fleet(plan(code, since=NOW - age * MINUTE)))["ann"] for age in (0, 4, 30, 500)]
    assert waits == [first, 240, 1800, 3600]


def test_what_the_ledger_could_not_date_waits_the_first_wait():
    assert looks(fleet(plan("unknown"))) == {"ann": 15}


def test_of_two_reasons_the_sooner_counts():
    assert looks(fleet(plan("unknown", "data-not-pulled"))) == {"ann": 15}


def test_a_company_just_created_is_looked_at_again_for_its_consent():
    begun = plan(changes=(Change(ChangeKind.CREATE_COMPANY, (ChangeClass.CREATE,)),))
    assert looks(fleet(begun)) == {"ann": 60}


def test_a_merchant_that_failed_for_now_is_looked_at_when_its_quarantine_ends():
    until = {"ann": NOW + 4 * MINUTE, "bob": NOW - MINUTE}
    assert looks(fleet(plan(), plan(merchant="bob")), quarantined=until) == {"ann": 240, "bob": 0}


def test_those_of_a_pass_that_came_to_nothing_are_tried_again_soon_and_then_ever_later():
    keys = ("ann", "bob")
    assert looks(Setback("no answer"), keys) == {"ann": 5, "bob": 5}
    assert looks(Setback("no answer"), keys, NOW - 10 * MINUTE) == {"ann": 600, "bob": 600}


def test_a_service_that_says_when_it_goes_on_is_taken_at_its_word():
    later = NOW + timedelta(hours=7)
    assert looks(Setback("used up", later)) == {EVERYONE: 25200}
    assert looks(fleet(plan(), incomplete=("used up",), resume_at=later)) == {EVERYONE: 25200}
    assert looks(FleetReport(fleet(), {}, NOW, NOW, "used up", resume_at=later)) == {EVERYONE: 25200}


def test_an_incomplete_list_is_read_again():
    assert looks(fleet(plan(), incomplete=("page 2: 503",))) == {EVERYONE: 5}


def test_another_runs_turn_is_no_trouble_and_soon_over():
    locked = Pass(("ann",), Setback("locked", NOW + timedelta(seconds=5), harmless=True), NOW, NOW)
    assert (again(locked, None, {}), locked.trouble) == ({"ann": 5}, None)


def test_a_signal_is_no_trouble():
    assert (
        Pass((EVERYONE,), FleetReport(fleet(), {}, NOW, NOW, "stopped by SIGTERM", signal=15), NOW, NOW).trouble is None
    )
