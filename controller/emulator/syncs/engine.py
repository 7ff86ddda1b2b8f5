"""Run commerce syncs, scheduled and requested, and record how each ended (API notes 3.12, 4.7, 7 #10, #49).

requested, or due ── evaluated ──> ended at once (see `evaluation`)
                        '────────> in progress ── pushed ──> 2000, or 4040 if severed meanwhile
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from controller.emulator.service import configuration
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.world import World
from controller.emulator.syncs import evaluation, sync_log, sync_schedule
from controller.emulator.syncs.evaluation import SyncOutcome
from controller.emulator.syncs.sync_log import SYNCS_TABLE, SyncEntry, syncs_of

FORCED_TABLE = "forced-syncs"
DISABLE_AFTER_FAILURES = 31
"""So many scheduled syncs failed in a row: the server turns `enabled` off (API notes 4.7)."""

_STATUS_BY_CODE = {
    sync_log.IN_PROGRESS: "Started",
    sync_log.PUSHED: "Complete",
    sync_log.NOTHING_TO_PUSH: "Complete",
    sync_log.INVALID_MAPPING: "ValidateError",
    sync_log.SEVERED: "ValidateError",
    sync_log.DUPLICATE: "ValidateError",
}
_FAILURE_STATUS = "PushError"


def start_sync(world: World, company: CompanyRecord, kind: str, start: datetime, finish: datetime) -> SyncEntry:
    """Start a sync of `kind` (`scheduled`, `latest`, `historic`) over a range; it may have ended already."""
    outcome = _take_forced_outcome(world, company.id) or evaluation.evaluate_sync(world, company, kind, start, finish)
    now, sync_id = world.now(), str(uuid4())
    sync: SyncEntry = {
        "id": sync_id,
        "kind": kind,
        "start": format_timestamp(start),
        "finish": format_timestamp(finish),
        "began": format_timestamp(now),
        "code": outcome.code,
        "status": _STATUS_BY_CODE.get(outcome.code, _FAILURE_STATUS),
        "message": outcome.message,
        "raw": outcome.raw or outcome.message,
        "pushed": False,
        "entries": list(outcome.entries),
        "records": list(outcome.records),
        "duplicates": sync_log.count_booked_before(world, company.id, outcome.records),
    }
    world.table(SYNCS_TABLE)[company.id] = [*syncs_of(world, company.id), sync]
    if outcome.code == sync_log.IN_PROGRESS:
        pushed = now + timedelta(seconds=world.settings.sync_seconds)
        world.scheduler.call_at(pushed, partial(_finish_sync, world, company.id, sync_id))
    return sync


def force_next_outcome(world: World, company_id: str, code: int, message: str | None) -> None:
    """The company's next sync ends so, whatever there is to synchronise."""
    world.table(FORCED_TABLE)[company_id] = {"code": code, "message": message}


def schedule_next_sync(world: World, company_id: str) -> None:
    """Enter the company's next due moment, if it is ready to sync."""
    _schedule_sync_after(world, world.companies.get(company_id), world.now())


def resume(world: World) -> None:
    """Take up schedules and running syncs after a data file was read; what was missed is due at once."""
    for company in world.companies.values():
        _schedule_sync_after(world, company, max(world.alive_until, company.created))
    for company_id, rows in world.table(SYNCS_TABLE).items():
        for sync in rows:
            if sync["code"] == sync_log.IN_PROGRESS:
                world.scheduler.call_at(world.now(), partial(_finish_sync, world, company_id, sync["id"]))


def _schedule_sync_after(world: World, company: CompanyRecord | None, after: datetime) -> None:
    when = _active_schedule(company)
    if company is not None and when is not None:
        due = sync_schedule.next_due(when, after)
        world.scheduler.call_at(due, partial(_run_scheduled, world, company.id, due))


def _active_schedule(company: CompanyRecord | None) -> sync_schedule.DueSchedule | None:
    """The schedule of a company that is ready to sync: `enabled` and `configured` (API notes 3.3)."""
    ready = company is not None and company.configured and (company.chosen or {}).get("enabled")
    return sync_schedule.company_schedule(company) if ready else None


def _run_scheduled(world: World, company_id: str, due: datetime) -> None:
    """A due moment has come, unless the schedule moved since it was entered."""
    company = world.companies.get(company_id)
    when = _active_schedule(company)
    if company is None or when is None:
        return
    if sync_schedule.next_due(when, due - timedelta(seconds=1)) != due or _has_run_at(world, company_id, due):
        return
    begins = sync_schedule.scheduled_start(when, due, sync_log.synced_until(world, company_id))
    sync = start_sync(world, company, "scheduled", begins, due)
    if _should_disable(world, company_id, sync):
        configuration.disable_sync(world, company_id)
    schedule_next_sync(world, company_id)


def _has_run_at(world: World, company_id: str, due: datetime) -> bool:
    finish = format_timestamp(due)
    return any(sync["kind"] == "scheduled" and sync["finish"] == finish for sync in syncs_of(world, company_id))


def _should_disable(world: World, company_id: str, sync: SyncEntry) -> bool:
    """The first scheduled failure on a severed connection, or 31 failures in a row."""
    if sync["code"] == sync_log.SEVERED:
        return True
    codes = [entry["code"] for entry in syncs_of(world, company_id) if entry["kind"] == "scheduled"]
    recent = codes[-DISABLE_AFTER_FAILURES:]
    return len(recent) == DISABLE_AFTER_FAILURES and all(code >= sync_log.INVALID_MAPPING for code in recent)


def _finish_sync(world: World, company_id: str, sync_id: str) -> None:
    """End a sync in progress: its entries are in the books, unless the platform was severed meanwhile."""
    company = world.companies.get(company_id)
    rows = syncs_of(world, company_id)
    if company is None or all(row["id"] != sync_id or row["code"] != sync_log.IN_PROGRESS for row in rows):
        return
    fault = evaluation.connections_failure(company)
    if fault is None:
        ending = {"code": sync_log.PUSHED, "status": _STATUS_BY_CODE[sync_log.PUSHED], "pushed": True}
    else:
        messages = {"message": fault.message, "raw": fault.message}
        no_entries = {"entries": [], "records": [], "duplicates": 0}
        ending = {"code": fault.code, "status": _FAILURE_STATUS, **messages, **no_entries}
    world.table(SYNCS_TABLE)[company_id] = [{**row, **ending} if row["id"] == sync_id else row for row in rows]


def _take_forced_outcome(world: World, company_id: str) -> SyncOutcome | None:
    table = world.table(FORCED_TABLE)
    if company_id not in table:
        return None
    forced = table[company_id]
    del table[company_id]
    return SyncOutcome(forced["code"], forced["message"])
