"""HTTP of reference data: status, refresh, pulls, reads: endpoints 22 to 32 (REFERENCE 3.8 to 3.10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import cache, companies, connections, datasets, document
from controller.emulator.api import answer, listing, nothing, world_of
from controller.emulator.books import KINDS, Kind
from controller.emulator.errors import NOT_REQUESTED, ApiError, not_valid
from controller.emulator.platforms import PLATFORMS
from controller.emulator.records import Company, Connection
from controller.emulator.world import World

Answerer = Callable[[Request], Awaitable[Response]]


async def status(request: Request) -> Response:
    """22. A map by data type, of what was ever requested."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return answer(datasets.data_status(company, world.now()))


async def refresh_all(request: Request) -> Response:
    """23. Queue whatever is fetched on first link."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    for connection in company.connections:
        if connection.status == "Linked":
            connections.request_first_pulls(world, company.id, connection)
    return nothing()


async def refresh(request: Request) -> Response:
    """24. Queue one type (or, in the older spelling, `all`), over one connection or whichever has it."""
    data_type = request.path_params["dataType"]
    if data_type == "all":
        return await refresh_all(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return _queued(world, company, data_type, request.query_params.get("connectionId"))


async def refresh_info(request: Request) -> Response:
    """32. Queue the company info."""
    world = world_of(request)
    return _queued(world, companies.find(world, request.path_params["companyId"]), "company", None)


async def history(request: Request) -> Response:
    """25. All pulls, the latest first."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    items = datasets.history(company, world.now())
    return listing(request, items, f"/companies/{company.id}/data/history", "Dataset")


async def one_pull(request: Request) -> Response:
    """26. One pull."""
    world, dataset_id = world_of(request), request.path_params["datasetId"].lower()
    company = companies.find(world, request.path_params["companyId"])
    for dataset in company.datasets:
        if dataset.id == dataset_id:
            return answer(datasets.shown(dataset, company.id, world.now()))
    raise ApiError(404, f"No data available for dataset for ID {dataset_id}", "PullApi")


async def info(request: Request) -> Response:
    """32. One object: whose books these are."""
    company, connection = _source(request)
    (held,) = _held(world_of(request), company, connection, "company")
    hidden = ("id", "metadata", "modifiedDate")
    return answer({field: value for field, value in held.items() if field not in hidden})


def _all_of(kind: Kind) -> Answerer:
    async def all_of_a_kind(request: Request) -> Response:
        company, connection = _source(request)
        rows = _held(world_of(request), company, connection, kind.data_type)
        return listing(request, rows, _canonical(request, company, connection, kind), kind.noun)

    return all_of_a_kind


def _one_of(kind: Kind) -> Answerer:
    async def one_of_a_kind(request: Request) -> Response:
        company, connection = _source(request)
        row_id = request.path_params[_RECORD_NAMES[kind.path]]
        for row in _held(world_of(request), company, connection, kind.data_type):
            if row["id"] == row_id:
                return answer(row)
        raise ApiError(404, f"No data available for {kind.data_type} for ID {row_id}", "PullApi")

    return one_of_a_kind


def _source(request: Request) -> tuple[Company, Connection | None]:
    """The company, and the connection that the path names or else the accounting one."""
    company = companies.find(world_of(request), request.path_params["companyId"])
    named = request.path_params.get("connectionId")
    if named is not None:
        return company, connections.find(company, named)
    return company, document.accounting_connection(company)


def _held(world: World, company: Company, connection: Connection | None, data_type: str) -> list[dict[str, Any]]:
    """The cached rows. Raises ApiError 409 (never asked for, or on its way), 404 (asked for in vain)."""
    rows = cache.held(company, connection, data_type) if connection else None
    if connection is not None and rows is not None:
        return rows
    own = [each for each in company.datasets if connection and each.connection_id == connection.id]
    asked = datasets.latest(own, data_type)
    if asked is None or asked.finishes > world.now():
        raise ApiError(409, NOT_REQUESTED, "PullApi")
    raise ApiError(404, f"No data available for {data_type} for ID {company.id}", "PullApi")


def _canonical(request: Request, company: Company, connection: Connection | None, kind: Kind) -> str:
    if "connectionId" in request.path_params and connection is not None:
        return f"/companies/{company.id}/connections/{connection.id}/data/{kind.path}"
    return f"/companies/{company.id}/data/{kind.path}"


def _queued(world: World, company: Company, data_type: str, connection_id: str | None) -> Response:
    connection = _able(company, data_type, connection_id)
    dataset = datasets.request(world, company.id, connection.id, data_type)
    return answer(datasets.shown(dataset, company.id, world.now()))


def _able(company: Company, data_type: str, connection_id: str | None) -> Connection:
    """The linked connection whose platform has a data type. Raises ApiError 404, or 400 if none is linked."""
    named = [connections.find(company, connection_id)] if connection_id else list(company.connections)
    able = [each for each in named if data_type in datasets.SUPPORTED[connections.source_type(each)]]
    if not able:
        names = ", ".join(PLATFORMS[each.platform].name for each in named)
        raise ApiError(404, f"Datatype {data_type} not supported by platform(s) {names}")
    for connection in able:
        if connection.status == "Linked":
            return connection
    raise not_valid()


routes = [
    Route("/companies/{companyId}/dataStatus", status, methods=["GET"]),
    Route("/companies/{companyId}/data/all", refresh_all, methods=["POST"]),
    Route("/companies/{companyId}/data/queue/{dataType}", refresh, methods=["POST"]),
    Route("/meta/companies/{companyId}/pull/history/", history, methods=["GET"]),
    Route("/meta/companies/{companyId}/pull/history/{datasetId}", one_pull, methods=["GET"]),
    Route("/companies/{companyId}/data/history", history, methods=["GET"]),
    Route("/companies/{companyId}/data/history/{datasetId}", one_pull, methods=["GET"]),
    Route("/companies/{companyId}/data/info", info, methods=["GET"]),
    Route("/companies/{companyId}/data/info", refresh_info, methods=["POST"]),
]
_RECORD_NAMES = {
    "accounts": "accountId",
    "taxRates": "taxRateId",
    "customers": "customerId",
    "suppliers": "supplierId",
    "bankAccounts": "accountId",
}
for _kind in KINDS.values():
    if _kind.path == "info":
        continue
    _prefixes = ["/companies/{companyId}/data"]
    if _kind.path == "bankAccounts":
        _prefixes.append("/companies/{companyId}/connections/{connectionId}/data")
    for _prefix in _prefixes:
        routes += [
            Route(f"{_prefix}/{_kind.path}", _all_of(_kind), methods=["GET"]),
            Route(f"{_prefix}/{_kind.path}/{{{_RECORD_NAMES[_kind.path]}}}", _one_of(_kind), methods=["GET"]),
        ]
