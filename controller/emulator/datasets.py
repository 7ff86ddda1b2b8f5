"""Pulls: each reads one data type of one connection into the cache, over emulated time (REFERENCE 3.8, 3.9).

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

from controller.emulator import cache
from controller.emulator.clock import stamp
from controller.emulator.errors import ApiError
from controller.emulator.records import Company, Dataset
from controller.emulator.world import World

MAPPING_TYPES = ("chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company")
"""What must be pulled before a configuration can be saved (REFERENCE 5.8)."""

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
SUPPORTED = {
    "Accounting": frozenset((*MAPPING_TYPES, *_OTHER_ACCOUNTING_TYPES)),
    "Commerce": frozenset(_COMMERCE_TYPES),
}

RUNNING = (
    "Queued",
    "Fetching",
    "MapQueued",
    "Mapping",
    "ValidationQueued",
    "Validating",
    "ProcessingQueued",
    "Processing",
)
NOT_ERRORS = frozenset((*RUNNING, "Initial", "Complete", "NotSupported", "Cancelled"))
_SECONDS = dict(zip(MAPPING_TYPES, (4.0, 2.0, 6.0, 8.0, 10.0, 3.0), strict=True))
_ORDINARY_SECONDS = 5.0


def request(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> Dataset:
    """Queue one pull. Raises ApiError 409 while one of that type is running on that connection."""
    if running := _running(world.companies[company_id], connection_id, data_type, world.now()):
        raise ApiError(
            409,
            f"DatasetAlreadyInProgressException: Cannot queue {data_type} sync for {company_id} "
            f"as previous sync {running.id} is still in progress",
            "PullApi",
        )
    return queue(world, company_id, connection_id, data_type, outcome, error)


def queue(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> Dataset:
    """Queue one pull whatever else is running: what an upload of commerce data does."""
    company, now = world.companies[company_id], world.now()
    finishes = now + timedelta(seconds=_SECONDS.get(data_type, _ORDINARY_SECONDS))
    dataset = Dataset(str(uuid4()), connection_id, data_type, now, finishes, outcome, error)
    world.companies[company_id] = replace(company, datasets=(*company.datasets, dataset))
    world.agenda.at(finishes, partial(_finish, world, company_id, dataset))
    return dataset


def request_unless_running(world: World, company_id: str, connection_id: str, data_type: str) -> None:
    """Queue one pull, unless one of that type is under way on that connection."""
    if not _running(world.companies[company_id], connection_id, data_type, world.now()):
        queue(world, company_id, connection_id, data_type)


def record(
    world: World,
    company_id: str,
    connection_id: str,
    data_type: str,
    outcome: str = "Complete",
    error: str | None = None,
) -> Dataset:
    """A pull that has just finished, as one sees it right after."""
    now = world.now()
    dataset = Dataset(str(uuid4()), connection_id, data_type, now, now, outcome, error)
    company = world.companies[company_id]
    world.companies[company_id] = replace(company, datasets=(*company.datasets, dataset))
    _finish(world, company_id, dataset)
    return dataset


def stop_running(world: World, company_id: str, connection_id: str, outcome: str) -> None:
    """End what is still being pulled over a connection that no longer allows it."""
    company, now = world.companies[company_id], world.now()
    stopped = {
        each.id: replace(each, finishes=now, outcome=outcome)
        for each in company.datasets
        if each.connection_id == connection_id and each.finishes > now
    }
    rows = tuple(stopped.get(each.id, each) for each in company.datasets)
    world.companies[company_id] = replace(company, datasets=rows)
    for dataset in stopped.values():
        _finish(world, company_id, dataset)


def resume(world: World) -> None:
    """Enter unfinished pulls into the agenda again, after a data file was read."""
    for company in world.companies.values():
        for dataset in company.datasets:
            if dataset.finishes > world.last_alive:
                world.agenda.at(dataset.finishes, partial(_finish, world, company.id, dataset))


def status(dataset: Dataset, now: datetime) -> str:
    """The dataset's status at a moment."""
    if now >= dataset.finishes:
        return dataset.outcome
    return RUNNING[int(_share_done(dataset, now) * len(RUNNING))]


def shown(dataset: Dataset, company_id: str, now: datetime) -> dict[str, Any]:
    """The pull operation as pull history shows it (REFERENCE 3.9)."""
    done = now >= dataset.finishes
    view: dict[str, Any] = {
        "id": dataset.id,
        "companyId": company_id,
        "connectionId": dataset.connection_id,
        "dataType": dataset.data_type,
        "status": status(dataset, now),
        "requested": stamp(dataset.requested),
    }
    if done:
        view["completed"] = stamp(dataset.finishes)
    if done and dataset.error:
        view["errorMessage"] = dataset.error
    view["progress"] = 100 if done else int(_share_done(dataset, now) * 100)
    view["isCompleted"] = done and dataset.outcome == "Complete"
    view["isErrored"] = done and dataset.outcome not in NOT_ERRORS
    return view


def history(company: Company, now: datetime) -> list[dict[str, Any]]:
    """All pulls of a company, latest first."""
    return [shown(each, company.id, now) for each in reversed(company.datasets)]


def data_status(company: Company, now: datetime) -> dict[str, dict[str, str]]:
    """The map of REFERENCE 3.8, of the types that were ever requested."""
    entries: dict[str, dict[str, str]] = {}
    for dataset in company.datasets:
        entry = entries.setdefault(dataset.data_type, {"dataType": dataset.data_type})
        entry["currentStatus"] = status(dataset, now)
        entry["latestSyncId"] = dataset.id
        if entry["currentStatus"] == "Complete":
            entry["lastSuccessfulSync"] = stamp(dataset.finishes)
            entry["latestSuccessfulSyncId"] = dataset.id
    return entries


def latest(datasets: Iterable[Dataset], data_type: str) -> Dataset | None:
    """The last requested pull of a type, if any."""
    return max((each for each in datasets if each.data_type == data_type), key=_asked_at, default=None)


def _asked_at(dataset: Dataset) -> datetime:
    return dataset.requested


def _share_done(dataset: Dataset, now: datetime) -> float:
    whole = (dataset.finishes - dataset.requested).total_seconds()
    return max(0.0, (now - dataset.requested).total_seconds() / whole)


def _running(company: Company, connection_id: str, data_type: str, now: datetime) -> Dataset | None:
    for dataset in reversed(company.datasets):
        if dataset.data_type == data_type and dataset.connection_id == connection_id:
            return dataset if dataset.finishes > now else None
    return None


def _finish(world: World, company_id: str, dataset: Dataset) -> None:
    """The moment a pull ends: the cache takes the books over, and it is told to whoever listens."""
    company = world.companies.get(company_id)
    if company is None or dataset not in company.datasets:
        return
    changed = dataset.outcome == "Complete" and _take_over(world, company, dataset)
    told = shown(dataset, company_id, world.now())
    world.emit("read.completed", company_id, dataset=told, changed=changed)
    _tell_when_all_first_are_done(world, company_id, dataset)


def _take_over(world: World, company: Company, dataset: Dataset) -> bool:
    """Put what was read into the cache; whether that changed it."""
    before = next(each for each in company.connections if each.id == dataset.connection_id)
    after = cache.renewed(company, before, dataset.data_type, dataset.finishes)
    after = replace(after, last_sync=dataset.finishes)
    own = tuple(after if each is before else each for each in company.connections)
    world.companies[company.id] = replace(company, connections=own)
    return cache.changed(before, after, dataset.data_type)


def _tell_when_all_first_are_done(world: World, company_id: str, dataset: Dataset) -> None:
    own = [each for each in world.companies[company_id].datasets if each.connection_id == dataset.connection_id]
    first = [each for each in own if each.requested == own[0].requested]
    if len(first) > 1 and dataset is max(first, key=lambda each: each.finishes):
        told = [shown(each, company_id, world.now()) for each in first]
        world.emit("read.completed.initial", company_id, datasets=told)
