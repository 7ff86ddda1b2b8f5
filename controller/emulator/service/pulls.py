"""Pulls: each reads one data type of one connection into the cache, which takes emulated time (API notes 3.8, 3.9).

requested                                                                finishes
Queued  Fetching  MapQueued  Mapping  ValidationQueued  ...  Processing | Complete, or an error
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from controller.emulator.service import cached_books
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import CompanyRecord, PullRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World

MAPPING_TYPES = ("chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company")
"""What must be pulled before a configuration can be saved (API notes 5.8)."""

_OTHER_ACCOUNTING_TYPES = (
    "accountTransactions",
    "balanceSheet",
    "bankTransactions",
    "billCreditNotes",
    "billPayments",
    "bills",
    "cashFlowStatement",
    "creditNotes",
    "directCosts",
    "directIncomes",
    "invoices",
    "itemReceipts",
    "items",
    "journalEntries",
    "journals",
    "paymentMethods",
    "payments",
    "profitAndLoss",
    "purchaseOrders",
    "salesOrders",
    "trackingCategories",
    "transfers",
)
_COMMERCE_TYPES = (
    "commerce-companyInfo",
    "commerce-customers",
    "commerce-disputes",
    "commerce-locations",
    "commerce-orders",
    "commerce-paymentMethods",
    "commerce-payments",
    "commerce-productCategories",
    "commerce-products",
    "commerce-taxComponents",
    "commerce-transactions",
)
SUPPORTED_DATA_TYPES = {
    "Accounting": frozenset((*MAPPING_TYPES, *_OTHER_ACCOUNTING_TYPES)),
    "Commerce": frozenset(_COMMERCE_TYPES),
}

RUNNING_STATUSES = (
    "Queued",
    "Fetching",
    "MapQueued",
    "Mapping",
    "ValidationQueued",
    "Validating",
    "ProcessingQueued",
    "Processing",
)
NON_ERROR_STATUSES = frozenset((*RUNNING_STATUSES, "Initial", "Complete", "NotSupported", "Cancelled"))
_PULL_SECONDS = dict(zip(MAPPING_TYPES, (4.0, 2.0, 6.0, 8.0, 10.0, 3.0), strict=True))
_DEFAULT_PULL_SECONDS = 5.0


def queue_pull_or_refuse(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> PullRecord:
    """Queue one pull. Raises ApiError 409 while one of that type is running on that connection."""
    if running := _running_pull(world.companies[company_id], connection_id, data_type, world.now()):
        raise ApiError(
            409,
            f"DatasetAlreadyInProgressException: Cannot queue {data_type} sync for {company_id} "
            f"as previous sync {running.id} is still in progress",
            "PullApi",
        )
    return queue_pull(world, company_id, connection_id, data_type, outcome, error)


def queue_pull(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> PullRecord:
    """Queue one pull whatever else is running: what an upload of commerce data does."""
    company, now = world.companies[company_id], world.now()
    finishes = now + timedelta(seconds=_PULL_SECONDS.get(data_type, _DEFAULT_PULL_SECONDS))
    pull = PullRecord(str(uuid4()), connection_id, data_type, now, finishes, outcome, error)
    world.companies[company_id] = replace(company, datasets=(*company.datasets, pull))
    world.scheduler.call_at(finishes, partial(_finish_pull, world, company_id, pull))
    return pull


def queue_pull_unless_running(world: World, company_id: str, connection_id: str, data_type: str) -> None:
    """Queue one pull, unless one of that type is under way on that connection."""
    if not _running_pull(world.companies[company_id], connection_id, data_type, world.now()):
        queue_pull(world, company_id, connection_id, data_type)


def record_finished_pull(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> PullRecord:
    """A pull that has just finished, as one sees it right after."""
    now = world.now()
    pull = PullRecord(str(uuid4()), connection_id, data_type, now, now, outcome, error)
    company = world.companies[company_id]
    world.companies[company_id] = replace(company, datasets=(*company.datasets, pull))
    _finish_pull(world, company_id, pull)
    return pull


def end_running_pulls(world: World, company_id: str, connection_id: str, outcome: str) -> None:
    """End the running pulls of a connection that is no longer linked."""
    company, now = world.companies[company_id], world.now()
    stopped = {
        pull.id: replace(pull, finishes=now, outcome=outcome)
        for pull in company.datasets
        if pull.connection_id == connection_id and pull.finishes > now
    }
    rows = tuple(stopped.get(pull.id, pull) for pull in company.datasets)
    world.companies[company_id] = replace(company, datasets=rows)
    for pull in stopped.values():
        _finish_pull(world, company_id, pull)


def resume(world: World) -> None:
    """Schedule the ends of unfinished pulls again, after a data file was read."""
    for company in world.companies.values():
        for pull in company.datasets:
            if pull.finishes > world.alive_until:
                world.scheduler.call_at(pull.finishes, partial(_finish_pull, world, company.id, pull))


def status_at(pull: PullRecord, now: datetime) -> str:
    """The pull's status at a time."""
    if now >= pull.finishes:
        return pull.outcome
    return RUNNING_STATUSES[int(_fraction_done(pull, now) * len(RUNNING_STATUSES))]


def to_json(pull: PullRecord, company_id: str, now: datetime) -> dict[str, Any]:
    """The pull operation as pull history shows it (API notes 3.9)."""
    done = now >= pull.finishes
    view: dict[str, Any] = {
        "id": pull.id,
        "companyId": company_id,
        "connectionId": pull.connection_id,
        "dataType": pull.data_type,
        "status": status_at(pull, now),
        "requested": format_timestamp(pull.requested),
    }
    if done:
        view["completed"] = format_timestamp(pull.finishes)
    if done and pull.error:
        view["errorMessage"] = pull.error
    view["progress"] = 100 if done else int(_fraction_done(pull, now) * 100)
    view["isCompleted"] = done and pull.outcome == "Complete"
    view["isErrored"] = done and pull.outcome not in NON_ERROR_STATUSES
    return view


def pull_history(company: CompanyRecord, now: datetime) -> list[dict[str, Any]]:
    """All pulls of a company, latest first."""
    return [to_json(pull, company.id, now) for pull in reversed(company.datasets)]


def data_status(company: CompanyRecord, now: datetime) -> dict[str, dict[str, str]]:
    """The map of API notes 3.8, of the types that were ever requested."""
    entries: dict[str, dict[str, str]] = {}
    for pull in company.datasets:
        entry = entries.setdefault(pull.data_type, {"dataType": pull.data_type})
        entry["currentStatus"] = status_at(pull, now)
        entry["latestSyncId"] = pull.id
        if entry["currentStatus"] == "Complete":
            entry["lastSuccessfulSync"] = format_timestamp(pull.finishes)
            entry["latestSuccessfulSyncId"] = pull.id
    return entries


def latest_pull(datasets: Iterable[PullRecord], data_type: str) -> PullRecord | None:
    """The last requested pull of a type, if any."""
    of_type = (pull for pull in datasets if pull.data_type == data_type)
    return max(of_type, key=lambda pull: pull.requested, default=None)


def _fraction_done(pull: PullRecord, now: datetime) -> float:
    duration_s = (pull.finishes - pull.requested).total_seconds()
    return max(0.0, (now - pull.requested).total_seconds() / duration_s)


def _running_pull(company: CompanyRecord, connection_id: str, data_type: str, now: datetime) -> PullRecord | None:
    for pull in reversed(company.datasets):
        if pull.data_type == data_type and pull.connection_id == connection_id:
            return pull if pull.finishes > now else None
    return None


def _finish_pull(world: World, company_id: str, pull: PullRecord) -> None:
    """End a pull: update the cache and emit events. Does nothing for one that was ended or deleted meanwhile."""
    company = world.companies.get(company_id)
    if company is None or pull not in company.datasets:
        return
    changed = pull.outcome == "Complete" and _update_cache(world, company, pull)
    pull_json = to_json(pull, company_id, world.now())
    world.emit("read.completed", company_id, dataset=pull_json, changed=changed)
    _emit_if_first_pulls_done(world, company_id, pull)


def _update_cache(world: World, company: CompanyRecord, pull: PullRecord) -> bool:
    """Put the pulled rows into the cache; returns whether that changed it."""
    before = next(connection for connection in company.connections if connection.id == pull.connection_id)
    after = cached_books.connection_after_pull(company, before, pull.data_type, pull.finishes)
    after = replace(after, last_sync=pull.finishes)
    connections = tuple(after if connection is before else connection for connection in company.connections)
    world.companies[company.id] = replace(company, connections=connections)
    return cached_books.has_changed(before, after, pull.data_type)


def _emit_if_first_pulls_done(world: World, company_id: str, pull: PullRecord) -> None:
    all_pulls = world.companies[company_id].datasets
    same_connection = [other for other in all_pulls if other.connection_id == pull.connection_id]
    # The first pulls of a connection were all requested at the same moment, when it was linked.
    first_pulls = [other for other in same_connection if other.requested == same_connection[0].requested]
    if len(first_pulls) > 1 and pull is max(first_pulls, key=lambda other: other.finishes):
        pulls_json = [to_json(other, company_id, world.now()) for other in first_pulls]
        world.emit("read.completed.initial", company_id, datasets=pulls_json)
