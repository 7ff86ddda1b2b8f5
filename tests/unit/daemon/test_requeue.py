"""Who gets another look after a pass, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.daemon.pass_result import Pass, PassFailure
from controller.daemon.requeue import plan_rechecks
from controller.daemon.workqueue import EVERYONE
from controller.model.plan import (
    RECHECK_UNREAD_AFTER,
    RECHECK_WAITING_AFTER,
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import Applied, FleetPlan, FleetReport, RequestEstimate
from tests.build import USUAL_NOW

MINUTE = timedelta(minutes=1)


RECHECKS = {"unknown": RECHECK_UNREAD_AFTER, "data-not-pulled": RECHECK_WAITING_AFTER}


def plan(*codes: str, since: datetime | None = None, merchant: str = "ann", **more: Any) -> Plan:
    findings = tuple(
        Finding(code, merchant, "", "", Actor.CODAT, since=since, recheck_after=RECHECKS.get(code)) for code in codes
    )
    return Plan(merchant, PlanStatus.WAITING, findings=findings, **more)


def fleet(*plans: Plan, **more: Any) -> FleetPlan:
    return replace(FleetPlan(plans, "", True, (), None, RequestEstimate(0, 0, 0), USUAL_NOW), **more)


def looks(
    seen: FleetPlan | PassFailure | FleetReport,
    keys: tuple[str, ...] = (EVERYONE,),
    failing_since: datetime | None = None,
    quarantined: dict[str, datetime] | None = None,
) -> dict[str, float]:
    return plan_rechecks(Pass(keys, seen, USUAL_NOW - MINUTE, USUAL_NOW), failing_since, quarantined or {})


def test_whoever_is_in_sync_blocked_or_waits_for_a_person_is_left_to_the_next_resync() -> None:
    assert looks(fleet(plan(), plan("account-deleted", merchant="bob"), plan("connection-unlinked"))) == {}


@pytest.mark.parametrize(("code", "first"), [("unknown", 15), ("data-not-pulled", 60)])
def test_the_wait_doubles_as_long_as_it_lasts_up_to_an_hour(code: str, first: int) -> None:
    waits = [looks(fleet(plan(code, since=USUAL_NOW - age * MINUTE)))["ann"] for age in (0, 4, 30, 500)]
    assert waits == [first, 240, 1800, 3600]


def test_what_the_ledger_could_not_date_waits_the_first_wait() -> None:
    assert looks(fleet(plan("unknown"))) == {"ann": 15}


def test_of_two_reasons_the_sooner_counts() -> None:
    assert looks(fleet(plan("unknown", "data-not-pulled"))) == {"ann": 15}


def test_a_company_just_created_is_looked_at_again_for_its_consent() -> None:
    begun = plan(changes=(Change(ChangeKind.CREATE_COMPANY, (ChangeClass.CREATE,)),))
    assert looks(fleet(begun)) == {"ann": 60}


def test_a_merchant_that_failed_for_now_is_looked_at_when_its_quarantine_ends() -> None:
    until = {"ann": USUAL_NOW + 4 * MINUTE, "bob": USUAL_NOW - MINUTE}
    assert looks(fleet(plan(), plan(merchant="bob")), quarantined=until) == {"ann": 240, "bob": 0}


def test_those_of_a_pass_that_came_to_nothing_are_tried_again_soon_and_then_ever_later() -> None:
    keys = ("ann", "bob")
    assert looks(PassFailure("no answer"), keys) == {"ann": 5, "bob": 5}
    assert looks(PassFailure("no answer"), keys, USUAL_NOW - 10 * MINUTE) == {"ann": 600, "bob": 600}


def test_a_service_that_says_when_it_goes_on_is_taken_at_its_word() -> None:
    later = USUAL_NOW + timedelta(hours=7)
    assert looks(PassFailure("used up", later)) == {EVERYONE: 25200}
    assert looks(fleet(plan(), unread_reasons=("used up",), resume_at=later)) == {EVERYONE: 25200}
    assert looks(FleetReport(fleet(), {}, USUAL_NOW, USUAL_NOW, "used up", resume_at=later)) == {EVERYONE: 25200}


def test_an_incomplete_list_is_read_again() -> None:
    assert looks(fleet(plan(), unread_reasons=("page 2: 503",))) == {EVERYONE: 5}


def test_another_runs_turn_is_no_trouble_and_soon_over() -> None:
    locked = Pass(
        ("ann",), PassFailure("locked", USUAL_NOW + timedelta(seconds=5), harmless=True), USUAL_NOW, USUAL_NOW
    )
    assert (plan_rechecks(locked, None, {}), locked.failure_reason) == ({"ann": 5}, None)


def test_a_signal_is_no_trouble() -> None:
    assert (
        Pass(
            (EVERYONE,),
            FleetReport(fleet(), {}, USUAL_NOW, USUAL_NOW, "stopped by SIGTERM", signal=15),
            USUAL_NOW,
            USUAL_NOW,
        ).failure_reason
        is None
    )


def parked(merchant: str = "ann", actor: Actor = Actor.NOBODY) -> Plan:
    return Plan(merchant, PlanStatus.WAITING, findings=(Finding("remap-held", merchant, "", "", actor),))


def test_whoever_is_parked_until_a_class_is_judged_brings_the_look_at_everyone_forward() -> None:
    keys = ("ann", "bob")
    assert looks(fleet(plan(merchant="bob"), parked()), keys) == {EVERYONE: 0}
    assert looks(fleet(parked(actor=Actor.OPERATOR)), keys) == {}, "the look at everyone has judged it"


def test_where_the_class_is_known_to_be_over_nobody_is_looked_at_for_one_more() -> None:
    done = Pass(("ann",), fleet(parked()), USUAL_NOW - MINUTE, USUAL_NOW)
    assert plan_rechecks(done, None, {}, ["remap-held"]) == {}
    assert plan_rechecks(done, None, {}, ["disable-held"]) == {EVERYONE: 0}


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        (ChangeKind.SET_CONFIGURATION, {}),
        (ChangeKind.RENAME_COMPANY, {}),
        (ChangeKind.UNLINK_CONNECTION, {"ann": 2}),
        (ChangeKind.CREATE_CONNECTION, {"ann": 60}),
    ],
)
def test_what_was_read_back_needs_no_other_look(kind: ChangeKind, again: dict[str, float]) -> None:
    written = plan(changes=(Change(kind, (ChangeClass.CONFIGURE,)),))
    assert looks(FleetReport(fleet(written), {"ann": Applied(1)}, USUAL_NOW, USUAL_NOW)) == again
