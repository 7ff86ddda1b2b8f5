"""In sync before, and nothing moved since: in sync still, at the price of a hash instead of a parse.

same live bytes, company and connections · same manifest · same last applied and last sync · same UTC hours ·
same age of data → same verdict
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from functools import cache
from pathlib import Path

from controller import codat, model, planning
from controller.model.desired import DesiredMerchant
from controller.model.field_values import LOCAL_TIME_PATH, START_DATE_PATH, LocalTime, value_to_json
from controller.model.local_times import utc_hour
from controller.model.observed import Company, RecordedState
from controller.model.plan import (
    READY_CONDITION,
    SYNCING_CONDITION,
    CheckedPart,
    Condition,
    ConditionStatus,
    DataAge,
    Plan,
    PlanStatus,
    SyncSchedule,
)
from controller.planning.last_sync import syncing_condition
from controller.planning.plan import CONDITION_ORDER, STEPS
from controller.planning.reference_data import STALE_AFTER
from controller.reconcile.observe import BasicObservation
from controller.reconcile.persist import LastApplied
from controller.reconcile.snapshot import RunSnapshot

PARTS_SEEN = frozenset({*(part for _, part in STEPS), CheckedPart.EVERYTHING})
ALL_CONDITIONS_TRUE = (
    *(Condition(kind, ConditionStatus.TRUE) for kind in CONDITION_ORDER),
    Condition(READY_CONDITION, ConditionStatus.TRUE),
)


def cached_plan(merchant: str, basic: BasicObservation, snapshot: RunSnapshot) -> Plan | None:
    """The plan of a merchant that is as it was when it was last found in sync; None where that is not known."""
    known, key = snapshot.in_sync_keys.get(merchant, ""), cache_key(merchant, basic, snapshot)
    if key is None or not known.startswith(key) or not isinstance(basic.company, Company):
        return None
    recorded = snapshot.recorded_state(merchant)
    fingerprint, schedule = known.removeprefix(key).strip().rsplit(" ", 1)
    return Plan(
        merchant,
        PlanStatus.IN_SYNC,
        conditions=(
            *ALL_CONDITIONS_TRUE,
            syncing_condition(recorded.last_sync, ALL_CONDITIONS_TRUE[-1], (), snapshot.run.service_now()),
        ),
        company_id=recorded.company_id,
        connection_id=recorded.connection_id,
        configured=True,
        fingerprint=fingerprint,
        last_sync=recorded.last_sync,
        schedule=_schedule_from(schedule),
        data_age=_data_age(basic.company),
        checked_parts=_checked_parts(basic.company, recorded, snapshot),
    )


def _checked_parts(company: Company, recorded: RecordedState, snapshot: RunSnapshot) -> frozenset[CheckedPart]:
    """All that a look without any finding judges; the data status is none of it, or there would be no verdict."""
    parts = PARTS_SEEN
    if snapshot.company_index and snapshot.company_index.listing.complete:
        parts |= {CheckedPart.NAMES}
    if recorded.last_sync:
        parts |= {CheckedPart.SYNC}
    return parts | {CheckedPart.DATA_AGE} if _data_age(company).last_pulled_at else parts


def _data_age(company: Company) -> DataAge:
    """Of the one accounting connection: with two there would have been a finding, and no verdict."""
    return DataAge(
        next((each.last_pulled_at for each in company.connections if each.source_type == "Accounting"), None)
    )


def cache_entry(plan: Plan, basic: BasicObservation, snapshot: RunSnapshot) -> str | None:
    """What to remember of a plan that found nothing at all to say: its key and its fingerprint."""
    key = cache_key(plan.merchant, basic, snapshot)
    quiet = plan.status is PlanStatus.IN_SYNC and not plan.findings and not plan.adopts
    ready = bool(plan.conditions) and all(
        each.status is ConditionStatus.TRUE for each in plan.conditions if each.type != SYNCING_CONDITION
    )
    return f"{key} {plan.fingerprint} {_schedule_text(plan.schedule)}" if key and quiet and ready else None


def _schedule_text(schedule: SyncSchedule | None) -> str:
    """Without a space, beside the fingerprint: a merchant that is recognised is not parsed for it."""
    return json.dumps(
        [schedule.frequency, schedule.hour_utc, schedule.starts_at.isoformat() if schedule.starts_at else None]
        if schedule
        else None,
        separators=(",", ":"),
    ).replace(" ", "")


@cache
def _schedule_from(text: str) -> SyncSchedule | None:
    """One for all who have the same."""
    known = json.loads(text)
    if known is None:
        return None
    frequency, hour, start = known
    return SyncSchedule(frequency, hour, datetime.fromisoformat(start) if start else None)


def cache_key(merchant: str, basic: BasicObservation, snapshot: RunSnapshot) -> str | None:
    """Everything that a verdict rests on; None where a part of it was not read, or more is asked than it covers."""
    company = basic.company
    wanted, recorded = snapshot.desired[merchant], snapshot.recorded_state(merchant)
    if not isinstance(company, Company) or not isinstance(basic.document, bytes) or recorded.connection_id is None:
        return None
    if (
        basic.same_name_companies
        or snapshot.always_reads_data_status(merchant)
        or merchant in snapshot.open_manual_syncs
    ):
        return None
    # By both clocks, as the plan is made where they differ (decision 27).
    ours, theirs = snapshot.run.now(), snapshot.run.service_now()
    clocks = (theirs,) if theirs == ours else (theirs, ours)
    hours = [(_desired_utc_hour(wanted, now), _current_hour_if_live_has_zone(basic.document, now)) for now in clocks]
    standing = _company_facts(company, recorded, theirs)
    facts = (
        _hash_of_judging_code(),
        wanted.digest,
        hours,
        standing,
        _last_applied_text(recorded),
        _last_sync_facts(recorded),
    )
    return hashlib.sha256(repr(facts).encode() + basic.document).hexdigest()


@cache
def _hash_of_judging_code() -> str:
    return hashlib.sha256(b"".join(source.read_bytes() for source in judging_sources())).hexdigest()


def judging_sources() -> list[Path]:
    """The code that observes, reads and judges: with any other line in it a verdict may be another one.

    Whole packages: which module a rule is in changes, and a list of them is soon short of one.
    """
    folders = [Path(*package.__path__) for package in (model, planning, codat)] + [Path(__file__).parent]
    return [path for folder in folders for path in sorted(folder.glob("*.py"))]


def _desired_utc_hour(wanted: DesiredMerchant, now: datetime) -> int | None:
    clock, start = wanted.fields.get(LOCAL_TIME_PATH), wanted.fields.get(START_DATE_PATH)
    if not isinstance(clock, LocalTime):
        return None
    return utc_hour(clock, now, start if isinstance(start, datetime) else None)


def _current_hour_if_live_has_zone(document: bytes, now: datetime) -> str:
    """Where live may have a time zone of its own, its hour moves without a byte: such a verdict is good for an hour."""
    zoned = document.count(b'"timeZone"') > document.count(b'"timeZone":null')
    return f"{now:%Y-%m-%dT%H}" if zoned else ""


def _company_facts(company: Company, recorded: RecordedState, now: datetime) -> tuple[object, ...]:
    connections = tuple((each.id, each.platform, each.source_type, each.status) for each in company.connections)
    stale = any(each.last_pulled_at and now - each.last_pulled_at > STALE_AFTER for each in company.connections)
    return company.id, company.name, connections, recorded.company_id, recorded.connection_id, stale


def _last_sync_facts(recorded: RecordedState) -> tuple[object, ...]:
    """Another day without a sync may be one too many."""
    sync = recorded.last_sync
    return (sync.code, sync.message, sync.days_without_sync) if sync else ()


def _last_applied_text(recorded: RecordedState) -> str:
    """As state keeps it, where it comes from there."""
    if isinstance(recorded.last_applied, LastApplied):
        return recorded.last_applied.text
    return repr(sorted((path, repr(value_to_json(value))) for path, value in recorded.last_applied.items()))
