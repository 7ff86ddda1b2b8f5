"""Whether a merchant's sales arrive in the books, from what the last looks saw of it: nothing is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.model.not_booked import NotBooked, NotBookedReason
from controller.model.observed import LastSync
from controller.model.plan import Actor, ConditionStatus, Finding, Plan
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED, SYNC_OVERDUE
from controller.planning.company import COMPANY_READY
from controller.planning.configuration import SWITCHED
from controller.planning.connection import ACCOUNTING_CONNECTED, COMMERCE_CONNECTED
from controller.planning.last_sync import OVERDUE_REMEDY, failed_sync_finding, was_overdue_when_read, without_sync_time

STOPPING_CONDITIONS = frozenset({COMPANY_READY, COMMERCE_CONNECTED, ACCOUNTING_CONNECTED, SWITCHED})
"""Unmet, each keeps Codat from beginning a sync; a mapping that drifted does not."""


def find_not_booked(plan: Plan, sync: LastSync | None, now: datetime) -> NotBooked | None:
    """Why nothing arrives; None where it does, is not meant to, or nobody knows.

    plan  of the last look at the merchant
    sync  its latest sync as it was read last, which may be after that look
    """
    if sync is None:
        return None
    ready = plan.ready_condition.status if plan.ready_condition else ConditionStatus.UNKNOWN
    if ready is ConditionStatus.FALSE:
        stopped = _stopping_finding(plan) if sync.code is not None else None
        return _not_booked(plan, sync, NotBookedReason.STOPPED, stopped) if stopped else None
    ignored = {code for code, _ in plan.ignored}
    due = plan.schedule.next_sync(now) if plan.schedule else None
    if sync.failed and LAST_SYNC_FAILED not in ignored:
        return _not_booked(plan, sync, NotBookedReason.FAILED, _failed_finding(plan, sync), due)
    is_due = ready is ConditionStatus.TRUE and plan.schedule is not None and not sync.failed
    if is_due and plan.schedule and was_overdue_when_read(sync, plan.schedule) and SYNC_OVERDUE not in ignored:
        cause = f"none ran when it was due, though the schedule is {plan.schedule.frequency}"
        since = sync.ran_at or sync.first_read_at
        found = Finding(SYNC_OVERDUE, plan.merchant, cause, OVERDUE_REMEDY, Actor.CODAT, since=since)
        return _not_booked(plan, sync, NotBookedReason.OVERDUE, found, due)
    return None


def _not_booked(
    plan: Plan, sync: LastSync, reason: NotBookedReason, found: Finding, due: datetime | None = None
) -> NotBooked:
    frequency = plan.schedule.frequency if plan.schedule and reason is not NotBookedReason.STOPPED else None
    return NotBooked(found, reason, sync.last_success_at, due, frequency, sync.read_at)


def _failed_finding(plan: Plan, sync: LastSync) -> Finding:
    """As the look has it, which knew the document, unless another sync was read since."""
    before = plan.last_sync
    same = before is not None and (before.code, before.ran_at, before.message) == (sync.code, sync.ran_at, sync.message)
    seen = next((each for each in plan.findings if each.code == LAST_SYNC_FAILED), None) if same else None
    found = seen or failed_sync_finding(plan.merchant, sync)
    since = sync.failing_since or sync.ran_at or sync.first_read_at
    return replace(found, cause=without_sync_time(found.cause, sync), since=since)


def _stopping_finding(plan: Plan) -> Finding | None:
    """What keeps Codat from beginning a sync; None where the manifest asks for that, or nobody has to act."""
    codes = [
        each.reason
        for each in plan.conditions
        if each.type in STOPPING_CONDITIONS and each.status is ConditionStatus.FALSE
    ]
    found = (each for code in codes for each in plan.findings if each.code == code)
    return next((each for each in found if each.actor is not Actor.NOBODY), None)
