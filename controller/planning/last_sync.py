"""How the merchant's last sync went, as `run` read it by and by: worth knowing, and in nobody's way.

A reading may be a day old, and a mended mapping shows only in the next sync: so nobody is blocked by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.model.observed import Configuration, LastSync
from controller.model.plan import Actor, Finding
from controller.model.values import FREQUENCY, START_DATE
from controller.planning.case import Case

LATE = {"Daily": 2, "Monthly": 33}
"""Days without a sync that are too many: one period, and a day for the service to take its time (REFERENCE 4.7)."""

FAILURES = {
    4000: ("the configuration is not accepted", "mend what it names, in the manifest or in the books"),
    4040: ("the company or its connection is gone, or access was revoked", "have the merchant authorise again"),
    4220: ("the company or its connection is gone, or access was revoked", "have the merchant authorise again"),
    4260: ("the subscription of the accounting software has expired", "have the merchant renew it"),
    5000: ("the service failed", "wait for the next sync; should it fail again, ask the service's support"),
    5080: ("it would book what is booked already", "look at the merchant's sync history before anything is changed"),
    5120: ("the data could not be processed", "look at what was uploaded for that period"),
    5130: ("the books did not take the data", "look at the message; the next sync tries the whole period again"),
}
"""By the code of a sync: what it means and what to do (REFERENCE 5.5)."""

_CLIENT = ("something on our side is not accepted", "mend what it names")


def last_sync(case: Case) -> Iterator[Finding]:
    """Findings about the sync itself, of a merchant whose sync is wanted and switched on."""
    live, sync = case.observed.configuration, case.memory.sync
    if sync is None or case.goes_down or not isinstance(live, Configuration):
        return
    if not (live.configured and live.enabled):
        return
    if is_failure(sync.code):
        yield _failed(case, sync)
    elif _is_late(sync, live):
        yield _overdue(case, sync, str(live.values[FREQUENCY]))


def is_failure(code: int | None) -> bool:
    """By the code's class, the one thing to go by (REFERENCE 5.5)."""
    return code is not None and code // 1000 in (4, 5)


def _failed(case: Case, sync: LastSync) -> Finding:
    code = sync.code or 0
    means, remedy = FAILURES.get(code, FAILURES[5000] if code >= 5000 else _CLIENT)
    when = f" of {sync.ran_at:%Y-%m-%d %H:%M} UTC" if sync.ran_at else ""
    says = f": {sync.message}" if sync.message else ""
    return case.found("last-sync-failed", f"the sync{when} ended with {code}, {means}{says}", remedy, Actor.NOBODY)


def _is_late(sync: LastSync, live: Configuration) -> bool:
    """Judged as of the reading: what has happened since then nobody knows."""
    late, begins = LATE.get(str(live.values.get(FREQUENCY))), live.values.get(START_DATE)
    before_its_time = isinstance(begins, datetime) and late and (sync.read_at - begins).days < late
    return late is not None and sync.days_without >= late and not before_its_time


def _overdue(case: Case, sync: LastSync, frequency: str) -> Finding:
    last, days = sync.ran_at or sync.since, sync.days_without
    what = "the last sync ran" if sync.ran_at else "there was none by"
    cause = f"{what} {last:%Y-%m-%d %H:%M} UTC, and none in the {days} days since, though the schedule is {frequency}"
    return case.found("sync-overdue", cause, "ask the service's support why none has run", Actor.NOBODY)
