"""Runs commerce syncs, scheduled and asked for, and files how each ended (REFERENCE 3.12, 4.7, 7 #10, #49).

asked for, or due ── judged ──> ended at once (see `verdict`)
                        '─────> in progress ── pushed ──> 2000, or 4040 if severed meanwhile
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from controller.emulator import configuration
from controller.emulator.clock import stamp
from controller.emulator.records import Company
from controller.emulator.syncs import ledger, periods, verdict
from controller.emulator.syncs.ledger import SYNCS, Sync, syncs
from controller.emulator.syncs.verdict import Verdict
from controller.emulator.world import World

FORCED = "forced-syncs"
GIVES_UP_AFTER = 31
"""So many scheduled syncs failed in a row: the server turns `enabled` off (REFERENCE 4.7)."""

_STATUS = {
    ledger.IN_PROGRESS: "Started",
    ledger.PUSHED: "Complete",
    ledger.NOTHING_TO_PUSH: "Complete",
    ledger.BAD_MAPPING: "ValidateError",
    ledger.SEVERED: "ValidateError",
    ledger.DUPLICATE: "ValidateError",
}
_OTHER_STATUS = "PushError"


def run(world: World, company: Company, kind: str, start: datetime, finish: datetime) -> Sync:
    """Start a sync of `kind` (`scheduled`, `latest`, `historic`) over a range; it may have ended already."""
    judged = _forced(world, company.id) or verdict.judge(world, company, kind, start, finish)
    now, sync_id = world.now(), str(uuid4())
    sync = {
        "id": sync_id,
        "kind": kind,
        "start": stamp(start),
        "finish": stamp(finish),
        "began": stamp(now),
        "code": judged.code,
        "status": _STATUS.get(judged.code, _OTHER_STATUS),
        "message": judged.message,
        "raw": judged.raw or judged.message,
        "pushed": False,
        "entries": list(judged.entries),
        "records": list(judged.records),
        "duplicates": ledger.booked_before(world, company.id, judged.records),
    }
    world.table(SYNCS)[company.id] = [*syncs(world, company.id), sync]
    if judged.code == ledger.IN_PROGRESS:
        pushed = now + timedelta(seconds=world.settings.sync_seconds)
        world.agenda.at(pushed, partial(_push, world, company.id, sync_id))
    return sync


def force(world: World, company_id: str, code: int, message: str | None) -> None:
    """The company's next sync ends so, whatever there is to synchronise."""
    world.table(FORCED)[company_id] = {"code": code, "message": message}


def schedule(world: World, company_id: str) -> None:
    """Enter the company's next due moment, if it is ready to sync."""
    _enter_due(world, world.companies.get(company_id), world.now())


def resume(world: World) -> None:
    """Take up schedules and running syncs after a data file was read; what was missed is due at once."""
    for company in world.companies.values():
        _enter_due(world, company, max(world.last_alive, company.created))
    for company_id, rows in world.table(SYNCS).items():
        for sync in rows:
            if sync["code"] == ledger.IN_PROGRESS:
                world.agenda.at(world.now(), partial(_push, world, company_id, sync["id"]))


def _enter_due(world: World, company: Company | None, after: datetime) -> None:
    when = _active_schedule(company)
    if company is not None and when is not None:
        due = periods.next_due(when, after)
        world.agenda.at(due, partial(_run_due, world, company.id, due))


def _active_schedule(company: Company | None) -> periods.Schedule | None:
    """The schedule of a company that is ready to sync: `enabled` and `configured` (REFERENCE 3.3)."""
    ready = company is not None and company.configured and (company.chosen or {}).get("enabled")
    return periods.of_company(company) if ready else None


def _run_due(world: World, company_id: str, due: datetime) -> None:
    """A due moment has come, unless the schedule moved since it was entered."""
    company = world.companies.get(company_id)
    when = _active_schedule(company)
    if company is None or when is None:
        return
    if periods.next_due(when, due - timedelta(seconds=1)) != due or _ran_at(world, company_id, due):
        return
    begins = periods.scheduled_range(when, due, ledger.synced_until(world, company_id))
    sync = run(world, company, "scheduled", begins, due)
    if _gives_up(world, company_id, sync):
        configuration.switch_off(world, company_id)
    schedule(world, company_id)


def _ran_at(world: World, company_id: str, due: datetime) -> bool:
    moment = stamp(due)
    return any(each["kind"] == "scheduled" and each["finish"] == moment for each in syncs(world, company_id))


def _gives_up(world: World, company_id: str, sync: Sync) -> bool:
    """The first scheduled failure on a severed connection, or 31 failures in a row."""
    if sync["code"] == ledger.SEVERED:
        return True
    latest = [each["code"] for each in syncs(world, company_id) if each["kind"] == "scheduled"]
    recent = latest[-GIVES_UP_AFTER:]
    return len(recent) == GIVES_UP_AFTER and all(code >= ledger.BAD_MAPPING for code in recent)


def _push(world: World, company_id: str, sync_id: str) -> None:
    """The entries are in the books, unless the platform was severed before."""
    company = world.companies.get(company_id)
    rows = syncs(world, company_id)
    if company is None or all(each["id"] != sync_id or each["code"] != ledger.IN_PROGRESS for each in rows):
        return
    refused = verdict.connections_fault(company)
    if refused is None:
        ending = {"code": ledger.PUSHED, "status": _STATUS[ledger.PUSHED], "pushed": True}
    else:
        told = {"message": refused.message, "raw": refused.message}
        nothing = {"entries": [], "records": [], "duplicates": 0}
        ending = {"code": refused.code, "status": _OTHER_STATUS, **told, **nothing}
    world.table(SYNCS)[company_id] = [{**each, **ending} if each["id"] == sync_id else each for each in rows]


def _forced(world: World, company_id: str) -> Verdict | None:
    table = world.table(FORCED)
    if company_id not in table:
        return None
    wanted = table[company_id]
    del table[company_id]
    return Verdict(wanted["code"], wanted["message"])
