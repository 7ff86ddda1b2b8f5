"""Evaluate a sync at its start: why it fails, or what it will write (API notes 4.8, 5.5).

In this order: 4040 severed · 4000 connections · 5080 overlap · 4000 mapping · 5120 a type was never uploaded
· 2040 nothing to push · 1000 in progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.emulator.service import books, configuration_document, connections, validation
from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World
from controller.emulator.syncs import bookkeeping, commerce_uploads, mapping_faults, sync_log, sync_schedule
from controller.emulator.syncs.bookkeeping import BookingContext, CannotBookError

UNCHECKED_TABLE = "unchecked-configurations"
OVERLAP_TEXT = "Date overlaps with a previous sync date range."
# What stale options cannot decide: whether a selection still holds is asked of the books.
_OPTION_MESSAGE_ENDINGS = (" is not a valid option.", " customer options.", " supplier options.", " has no options.")


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """How a sync ends, or (code 1000) what it is going to write."""

    code: int
    message: str | None = None
    raw: str | None = None
    entries: Sequence[Mapping[str, Any]] = ()
    records: Sequence[str] = ()
    """The keys of the records behind the entries."""


def evaluate_sync(world: World, company: CompanyRecord, kind: str, start: datetime, finish: datetime) -> SyncOutcome:
    """The outcome of a sync of `kind` over a range, decided when it starts."""
    failure = connections_failure(company) or overlap_failure(world, company.id, kind, start, finish)
    if failure is not None:
        return failure
    mapping_fault = None if _needs_no_check(world, company) else _mapping_fault(company)
    if mapping_fault is not None:
        return SyncOutcome(sync_log.INVALID_MAPPING, mapping_fault.message, mapping_fault.raw)
    uploaded = {
        data_type: commerce_uploads.uploaded_records(world, company.id, data_type)
        for data_type in commerce_uploads.UPLOAD_TYPES
    }
    missing = [data_type for data_type, rows in uploaded.items() if rows is None]
    if len(missing) == len(uploaded):
        return SyncOutcome(sync_log.NOTHING_TO_PUSH)
    if missing:
        return SyncOutcome(sync_log.NO_DATA_UPLOADED, f"No data available for {missing[0]} for ID {company.id}")
    return _booking_outcome(world, company, kind, start, finish)


def note_whether_checked(world: World, company_id: str, checked: bool | None) -> None:
    """Record whether a company's configuration was validated when it was last written; portal edits are not."""
    table = world.table(UNCHECKED_TABLE)
    if checked is False:
        table[company_id] = True
    elif checked and company_id in table:
        del table[company_id]


def connections_failure(company: CompanyRecord) -> SyncOutcome | None:
    """Why the connections do not allow a sync, None where they do; 4040 where one was severed, else 4000."""
    linked = [
        connections.source_type(connection) for connection in company.connections if connection.status == "Linked"
    ]
    if sorted(linked) == ["Accounting", "Commerce"]:
        return None
    severed = any(
        connection.status in ("Unlinked", "Deauthorized") and connections.source_type(connection) not in linked
        for connection in company.connections
    )
    return SyncOutcome(sync_log.SEVERED if severed else sync_log.INVALID_MAPPING, validation.TWO_CONNECTIONS_TEXT)


def overlap_failure(world: World, company_id: str, kind: str, start: datetime, finish: datetime) -> SyncOutcome | None:
    """5080 for a manual range that overlaps an earlier sync; for a scheduled one if `refuseDuplicates` (7 #49)."""
    must_not_overlap = kind != "scheduled" or world.settings.refuse_duplicates
    if must_not_overlap and sync_log.overlaps_earlier_sync(world, company_id, start, finish):
        return SyncOutcome(sync_log.DUPLICATE, OVERLAP_TEXT)
    return None


def _needs_no_check(world: World, company: CompanyRecord) -> bool:
    """Whether it was validated, and nobody edited the books since: true for most of a fleet, and it saves time."""
    return company.configured and not company.books and company.id not in world.table(UNCHECKED_TABLE)


def _mapping_fault(company: CompanyRecord) -> mapping_faults.MappingFault | None:
    """What the books refuse, then what could not be saved today."""
    doc = configuration_document.to_json(company)
    platform = _accounting_connection(company).platform
    try:
        problems = validation.validate_document(
            doc, company.chosen or {}, configuration_document.empty_document(company)
        )
    except ApiError as error:
        return mapping_faults.MappingFault(error.error, error.error)
    books_fault = mapping_faults.first_fault(
        doc["configuration"], lambda data_type: books.rows(company, platform, data_type)
    )
    if books_fault is not None:
        return books_fault
    for problem in problems:
        if not problem.message.endswith(_OPTION_MESSAGE_ENDINGS):
            return mapping_faults.MappingFault(problem.message, problem.message)
    return None


def _booking_outcome(world: World, company: CompanyRecord, kind: str, start: datetime, finish: datetime) -> SyncOutcome:
    records_by_type = {
        data_type: _records_to_sync(world, company, data_type, kind, start, finish)
        for data_type in commerce_uploads.UPLOAD_TYPES
    }
    schedule = sync_schedule.company_schedule(company)
    if schedule is None:
        return SyncOutcome(sync_log.NOTHING_TO_PUSH)
    accounts = books.rows(company, _accounting_connection(company).platform, "chartOfAccounts")
    bank_accounts = frozenset(row["id"] for row in accounts if row["isBankAccount"])
    configuration = configuration_document.to_json(company)["configuration"]
    try:
        entries = bookkeeping.build_entries(
            BookingContext(configuration, schedule, bank_accounts), *records_by_type.values()
        )
    except CannotBookError as error:
        return SyncOutcome(sync_log.INVALID_MAPPING, error.fault.message, error.fault.raw)
    if not entries:
        return SyncOutcome(sync_log.NOTHING_TO_PUSH)
    keys = [f"{data_type} {record['id']}" for data_type, records in records_by_type.items() for record in records]
    return SyncOutcome(sync_log.IN_PROGRESS, entries=entries, records=keys)


def _records_to_sync(
    world: World, company: CompanyRecord, data_type: str, kind: str, start: datetime, finish: datetime
) -> list[Mapping[str, Any]]:
    """Records dated in the range; but for a range asked for by date, also older ones that came in since.

    The latter is how updating a record that was synchronised duplicates it in the books (API notes 3.13).
    """
    earliest, since = sync_schedule.company_start_instant(company), sync_log.last_success_began_at(world, company.id)
    records = []
    for row in commerce_uploads.uploaded_records(world, company.id, data_type) or ():
        created = parse_timestamp(row["record"]["createdDate"])
        uploaded_since = kind != "historic" and since is not None and parse_timestamp(row["uploaded"]) > since
        if created >= earliest and (start <= created < finish or (created < start and uploaded_since)):
            records.append(row["record"])
    return records


def _accounting_connection(company: CompanyRecord) -> ConnectionRecord:
    linked = connections.first_linked(company, "Accounting")
    assert linked is not None, "asked after the connections were found whole"
    return linked
