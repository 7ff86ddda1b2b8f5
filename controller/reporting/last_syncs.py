"""How merchants' last syncs went, how old that knowledge is, and when the next are due."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from controller.model.period_report import sync_outcome
from controller.model.plan import ConditionStatus, Plan
from controller.model.report import FleetPlan
from controller.reporting.data_age import format_age
from controller.reporting.formatting import format_count, format_iso, format_time


def last_syncs_age_text(plan: FleetPlan) -> str:
    """`Last syncs as read between 2 hours and 20 hours ago; not read within 26 hours for 3 merchants …`"""
    syncing = [each for each in plan.plans if _is_ready(each)]
    ages = sorted(plan.made_at - each.last_sync.read_at for each in syncing if each.last_sync)
    unread = sum(each.last_sync is None or not each.last_sync.was_read_recently(plan.made_at) for each in syncing)
    if not syncing:
        return ""
    rest = f"not read within 26 hours for {format_count(unread, 'merchant')} (merchantctl drift --syncs reads each)"
    if not ages:
        return f"Last syncs: {rest}."
    newest, oldest = format_age(ages[0]), format_age(ages[-1])
    span = f"{oldest} ago" if newest == oldest else f"between {newest} and {oldest} ago"
    return f"Last syncs as read {span}" + (f"; {rest}." if unread else ".")


def last_syncs_summary_json(plan: FleetPlan) -> dict[str, Any]:
    """Of all who are to be synchronised: oldest and newest reading, how many have none that counts, outcomes."""
    syncing = [each for each in plan.plans if _is_ready(each)]
    read = [each.last_sync.read_at for each in syncing if each.last_sync]
    return {
        "oldest": format_iso(min(read, default=None)),
        "newest": format_iso(max(read, default=None)),
        "unread": sum(each.last_sync is None or not each.last_sync.was_read_recently(plan.made_at) for each in syncing),
        "outcomes": dict(sorted(Counter(sync_outcome(each.last_sync) for each in syncing).items())),
    }


def last_and_next_sync_json(plan: Plan, now: datetime) -> dict[str, Any]:
    """One merchant's: the last as it was read, and the next as the live schedule has it."""
    due = next_sync_at(plan, now)
    last = plan.last_sync and {
        "outcome": sync_outcome(plan.last_sync),
        "code": plan.last_sync.code,
        "message": plan.last_sync.message,
        "detail": plan.last_sync.detail or None,
        "ranAt": format_iso(plan.last_sync.ran_at),
        "readAt": format_iso(plan.last_sync.read_at),
    }
    return {"lastSync": last, "nextSync": format_iso(due), "nextSyncReason": None if due else next_sync_text(plan, now)}


def last_sync_text(plan: Plan, now: datetime) -> str:
    """`failed (4000) 2026-11-22 03:12 UTC, 3 hours ago; read 20 minutes ago`"""
    sync = plan.last_sync
    if sync is None:
        return f"not read yet; merchantctl drift --syncs --target {plan.merchant} reads it"
    read = f"read {format_age(now - sync.read_at)} ago"
    if sync.code is None:
        return f"none yet; {read}"
    when = f" {format_time(sync.ran_at)}, {format_age(now - sync.ran_at)} ago" if sync.ran_at else ""
    return f"{sync_outcome(sync)} ({sync.code}){when}; {read}"


def last_sync_short_text(plan: Plan, now: datetime) -> str:
    """`failed 3 hours ago`; empty where nothing is known."""
    sync = plan.last_sync
    if sync is None or sync.code is None:
        return "none yet" if sync else ""
    return sync_outcome(sync) + (f" {format_age(now - sync.ran_at)} ago" if sync.ran_at else "")


def next_sync_at(plan: Plan, now: datetime) -> datetime | None:
    """When Codat begins the next one; None where none is due, or the schedule does not say."""
    return plan.schedule.next_sync(now) if plan.schedule and _is_ready(plan) else None


def next_sync_text(plan: Plan, now: datetime) -> str:
    """`2026-11-23 05:00 UTC (Daily)`, or why there is none: `none: switched off`."""
    due, syncing = next_sync_at(plan, now), plan.ready_condition
    if due and plan.schedule:
        return f"{format_time(due)} ({plan.schedule.frequency})"
    if _is_ready(plan):
        return (plan.schedule.frequency if plan.schedule else None) or "the schedule does not say"
    reason = syncing.reason if syncing else ""
    return f"none: {'switched off' if reason in ('not switched on', '') else reason}"


def _is_ready(plan: Plan) -> bool:
    return plan.ready_condition is not None and plan.ready_condition.status is ConditionStatus.TRUE
