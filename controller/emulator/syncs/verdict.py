"""How a sync ends, judged at its start: what speaks against it, or what it will write (REFERENCE 4.8, 5.5).

In this order: 4040 severed · 4000 connections · 5080 overlap · 4000 mapping · 5120 a type was never uploaded
· 2040 nothing to push · 1000 in progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.emulator import books, connections, document, validation
from controller.emulator.clock import instant
from controller.emulator.errors import ApiError
from controller.emulator.records import Company, Connection
from controller.emulator.syncs import bookkeeping, ledger, mapping, periods, uploads
from controller.emulator.syncs.bookkeeping import Books, CannotBookError
from controller.emulator.world import World

UNCHECKED = "unchecked-configurations"
OVERLAP = "Date overlaps with a previous sync date range."
# What stale options cannot decide: whether a selection still holds is asked of the books.
_ABOUT_OPTIONS = (" is not a valid option.", " customer options.", " supplier options.", " has no options.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a sync ends, or (code 1000) what it is going to write."""

    code: int
    message: str | None = None
    raw: str | None = None
    entries: Sequence[Mapping[str, Any]] = ()
    records: Sequence[str] = ()
    """The keys of the records behind the entries."""


def judge(world: World, company: Company, kind: str, start: datetime, finish: datetime) -> Verdict:
    """The verdict on a sync of `kind` over a range, at the moment it starts."""
    refused = connections_fault(company) or _overlap_fault(world, company.id, kind, start, finish)
    if refused is not None:
        return refused
    found = None if _holds_untouched(world, company) else _mapping_fault(company)
    if found is not None:
        return Verdict(ledger.BAD_MAPPING, found.message, found.raw)
    held = {data_type: uploads.uploaded(world, company.id, data_type) for data_type in uploads.KINDS}
    missing = [data_type for data_type, rows in held.items() if rows is None]
    if len(missing) == len(held):
        return Verdict(ledger.NOTHING_TO_PUSH)
    if missing:
        return Verdict(ledger.NO_DATA, f"No data available for {missing[0]} for ID {company.id}")
    return _booked(world, company, kind, start, finish)


def trust(world: World, company_id: str, checked: bool | None) -> None:
    """Remember whose configuration was last written by a portal edit, which nobody validates."""
    table = world.table(UNCHECKED)
    if checked is False:
        table[company_id] = True
    elif checked and company_id in table:
        del table[company_id]


def connections_fault(company: Company) -> Verdict | None:
    """Severed is told from never complete; either way the text is message 1 of REFERENCE 4.8."""
    linked = [connections.source_type(each) for each in company.connections if each.status == "Linked"]
    if sorted(linked) == ["Accounting", "Commerce"]:
        return None
    severed = any(
        each.status in ("Unlinked", "Deauthorized") and connections.source_type(each) not in linked
        for each in company.connections
    )
    return Verdict(ledger.SEVERED if severed else ledger.BAD_MAPPING, validation.TWO_CONNECTIONS)


def _overlap_fault(world: World, company_id: str, kind: str, start: datetime, finish: datetime) -> Verdict | None:
    """A manual range never overlaps; a scheduled one may repeat a manual one, by a switch not (7 #49)."""
    watched = kind != "scheduled" or world.settings.refuse_duplicates
    if watched and ledger.overlaps(world, company_id, start, finish):
        return Verdict(ledger.DUPLICATE, OVERLAP)
    return None


def _holds_untouched(world: World, company: Company) -> bool:
    """A configuration that was validated, over books that nobody edited, needs no look: most of a fleet."""
    return company.configured and not company.books and company.id not in world.table(UNCHECKED)


def _mapping_fault(company: Company) -> mapping.Fault | None:
    """What the books refuse, then what could not be saved today."""
    doc = document.shown(company)
    platform = _accounting(company).platform
    try:
        complaints = validation.complaints(doc, company.chosen or {}, document.skeleton(company))
    except ApiError as unreadable:
        return mapping.Fault(unreadable.error, unreadable.error)
    found = mapping.fault(doc["configuration"], lambda data_type: books.rows(company, platform, data_type))
    if found is not None:
        return found
    for complaint in complaints:
        if not complaint.message.endswith(_ABOUT_OPTIONS):
            return mapping.Fault(complaint.message, complaint.message)
    return None


def _booked(world: World, company: Company, kind: str, start: datetime, finish: datetime) -> Verdict:
    chosen = {data_type: _in_range(world, company, data_type, kind, start, finish) for data_type in uploads.KINDS}
    when = periods.of_company(company)
    if when is None:
        return Verdict(ledger.NOTHING_TO_PUSH)
    accounts = books.rows(company, _accounting(company).platform, "chartOfAccounts")
    banks = frozenset(row["id"] for row in accounts if row["isBankAccount"])
    configuration = document.shown(company)["configuration"]
    try:
        entries = bookkeeping.entries(Books(configuration, when, banks), *chosen.values())
    except CannotBookError as refusal:
        return Verdict(ledger.BAD_MAPPING, refusal.fault.message, refusal.fault.raw)
    if not entries:
        return Verdict(ledger.NOTHING_TO_PUSH)
    keys = [f"{data_type} {record['id']}" for data_type, records in chosen.items() for record in records]
    return Verdict(ledger.IN_PROGRESS, entries=entries, records=keys)


def _in_range(
    world: World, company: Company, data_type: str, kind: str, start: datetime, finish: datetime
) -> list[Mapping[str, Any]]:
    """Records dated in the range; but for a range asked for by date, also older ones that came in since.

    The latter is how updating a record that was synchronised duplicates it in the books (REFERENCE 3.13).
    """
    earliest, since = periods.start_date(company), ledger.synced_at(world, company.id)
    chosen = []
    for row in uploads.uploaded(world, company.id, data_type) or ():
        dated = instant(row["record"]["createdDate"])
        came_late = kind != "historic" and since is not None and instant(row["uploaded"]) > since
        if dated >= earliest and (start <= dated < finish or (dated < start and came_late)):
            chosen.append(row["record"])
    return chosen


def _accounting(company: Company) -> Connection:
    linked = connections.linked(company, "Accounting")
    assert linked is not None, "asked after the connections were found whole"
    return linked
