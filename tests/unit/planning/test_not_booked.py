"""Whose sales do not arrive in the books, by what was seen last, and how a report says it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.model.finding_filter import EVERYTHING
from controller.model.not_booked import NotBookedReason, group_not_booked
from controller.model.observed import LastSync
from controller.model.period_report import FleetMemory, make_period_report
from controller.model.plan import Actor, Condition, ConditionStatus, Finding, Plan, PlanStatus, SyncSchedule
from controller.planning.not_booked import find_not_booked
from controller.reporting.markdown import MAX_CHARACTERS
from controller.reporting.period_html import period_report_html
from controller.reporting.period_json import period_report_json
from controller.reporting.period_markdown import period_report_markdown
from controller.reporting.period_text import period_report_text
from tests.unit.reporting.fleets import NOW, finding, merchant

DAY = timedelta(days=1)
READY = (Condition("Ready", ConditionStatus.TRUE),)
DAILY = SyncSchedule("Daily", 5, NOW - 90 * DAY)
MESSAGE = "The following account(s) were not found"


def plan(name: str = "acme", **more: Any) -> Plan:
    return merchant(name, PlanStatus.IN_SYNC, **{"conditions": READY, "schedule": DAILY, "configured": True} | more)


def sync(code: int | None = 4000, ran: float = 1, **more: Any) -> LastSync:
    ran_at = None if code is None else NOW - ran * DAY
    return LastSync(code, MESSAGE, ran_at, NOW - ran * DAY, NOW, **more)


def unmet(kind: str, reason: str) -> dict[str, Any]:
    conditions = (Condition(kind, ConditionStatus.FALSE, reason), Condition("Ready", ConditionStatus.FALSE, kind))
    return {"conditions": conditions}


def test_a_failed_sync_has_its_beginning_its_owner_and_the_next_attempt() -> None:
    found = find_not_booked(plan(), sync(failing_since=NOW - 5 * DAY, last_success_at=NOW - 6 * DAY), NOW)
    assert found is not None
    assert (found.reason, found.finding.actor, found.finding.since, found.last_success_at) == (
        NotBookedReason.FAILED,
        Actor.OPERATOR,
        NOW - 5 * DAY,
        NOW - 6 * DAY,
    )
    assert found.next_sync_at == datetime(2026, 11, 23, 5, tzinfo=NOW.tzinfo)
    assert found.finding.cause == f"the sync ended with 4000, the configuration is not accepted: {MESSAGE}"


def test_the_look_s_own_words_are_taken_while_they_are_about_that_sync() -> None:
    last = sync(5130)
    seen = Finding("last-sync-failed", "acme", "it is about supplier", "choose one", Actor.MERCHANT, field="x")
    known = find_not_booked(plan(findings=(seen,), last_sync=last), last, NOW)
    newer = find_not_booked(plan(findings=(seen,), last_sync=last), sync(5130, ran=0.1), NOW)
    assert known is not None
    assert newer is not None
    assert (known.finding.field, newer.finding.field) == ("x", None)


@pytest.mark.parametrize(
    ("schedule", "ran", "overdue"),
    [(DAILY, 1, False), (DAILY, 3, True), (SyncSchedule("Monthly", 5, None), 3, False), (None, 9, False)],
)
def test_a_sync_is_overdue_by_its_own_schedule(schedule: SyncSchedule | None, ran: float, overdue: bool) -> None:
    found = find_not_booked(plan(schedule=schedule), sync(2000, ran), NOW)
    assert (found is not None and found.reason is NotBookedReason.OVERDUE) is overdue


@pytest.mark.parametrize(
    ("standing", "last"),
    [
        ({}, None),
        ({}, sync(2000)),
        ({}, sync(1000, ran=0.1)),
        ({"ignored": (("last-sync-failed", ""),)}, sync()),
        (unmet("Switched", "to be taken down"), sync()),
        (unmet("Mapped", "mapping-changed"), sync(2000)),
        (unmet("AccountingConnected", "connection-pending") | {"findings": (finding("connection-pending"),)}, None),
        (
            unmet("AccountingConnected", "connection-pending") | {"findings": (finding("connection-pending"),)},
            sync(None),
        ),
    ],
    ids=["unread", "booked", "running", "ignored", "taken down", "a mapping drifted", "new and unread", "new"],
)
def test_nobody_is_listed_who_is_booked_or_is_not_to_be(standing: dict[str, Any], last: LastSync | None) -> None:
    assert find_not_booked(plan(**standing), last, NOW) is None


def test_a_merchant_that_could_not_be_looked_at_still_has_its_failed_sync() -> None:
    found = find_not_booked(plan(conditions=(Condition("Ready", ConditionStatus.UNKNOWN),)), sync(), NOW)
    assert found is not None
    assert found.reason is NotBookedReason.FAILED


def test_who_was_synchronised_once_and_lost_consent_is_listed_with_that() -> None:
    revoked = finding("connection-deauthorized", actor=Actor.MERCHANT)
    standing = unmet("AccountingConnected", "connection-deauthorized") | {"findings": (revoked,)}
    found = find_not_booked(plan(**standing), sync(4040), NOW)
    assert found is not None
    assert (found.reason, found.finding, found.next_sync_at) == (NotBookedReason.STOPPED, revoked, None)


def test_two_thousand_alike_are_one_group_in_every_format() -> None:
    plans = {f"m-{number:05}": plan(f"m-{number:05}") for number in range(2_000)}
    listed = [
        found for name, each in plans.items() if (found := find_not_booked(each, sync(ran=int(name[2:]) % 7), NOW))
    ]
    (group,) = group_not_booked(listed)
    assert (len(group.merchants), group.since) == (2_000, NOW - 6 * DAY)
    memory = FleetMemory(frozenset(plans), plans, {}, {}, {}, (), {}, not_booked=listed)
    told = make_period_report(memory, NOW - 7 * DAY, NOW, EVERYTHING)
    text, page, comment = period_report_text(told), period_report_html(told), period_report_markdown(told)
    assert all("Not being booked" in each and MESSAGE in each for each in (text, page, comment.replace("\\", "")))
    assert len(text) < 3_000
    assert len(comment) < MAX_CHARACTERS
    assert "waiting 2,000 for our side" in text
    (as_json,) = period_report_json(told)["notBooked"]["groups"]
    assert len(as_json["merchants"]) == 2_000
