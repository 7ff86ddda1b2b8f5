"""HTTP of reference data: status, refresh, pulls, reads: endpoints 22 to 32 (API notes 3.8 to 3.10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import empty_response, json_response, paged_response, world_of
from controller.emulator.service import cached_books, companies, configuration_document, connections, pulls
from controller.emulator.service.books import LIST_TYPES, ListType
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import NOT_REQUESTED, ApiError, not_valid
from controller.emulator.service.platforms import PLATFORMS
from controller.emulator.service.world import World

Handler = Callable[[Request], Awaitable[Response]]


async def get_data_status(request: Request) -> Response:
    """22. A map by data type, of what was ever requested."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return json_response(pulls.data_status(company, world.now()))


async def refresh_all(request: Request) -> Response:
    """23. Queue whatever is fetched on first link."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    for connection in company.connections:
        if connection.status == "Linked":
            connections.queue_first_pulls(world, company.id, connection)
    return empty_response()


async def refresh(request: Request) -> Response:
    """24. Queue one type (or, in the older spelling, `all`), over one connection or whichever has it."""
    data_type = request.path_params["dataType"]
    if data_type == "all":
        return await refresh_all(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return _queue_pull(world, company, data_type, request.query_params.get("connectionId"))


async def refresh_company_info(request: Request) -> Response:
    """32. Queue the company info."""
    world = world_of(request)
    return _queue_pull(world, companies.find(world, request.path_params["companyId"]), "company", None)


async def list_pulls(request: Request) -> Response:
    """25. All pulls, the latest first."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    items = pulls.pull_history(company, world.now())
    return paged_response(request, items, f"/companies/{company.id}/data/history", "Dataset")


async def get_pull(request: Request) -> Response:
    """26. One pull."""
    world, pull_id = world_of(request), request.path_params["datasetId"].lower()
    company = companies.find(world, request.path_params["companyId"])
    for pull in company.datasets:
        if pull.id == pull_id:
            return json_response(pulls.to_json(pull, company.id, world.now()))
    raise ApiError(404, f"No data available for dataset for ID {pull_id}", "PullApi")


async def get_company_info(request: Request) -> Response:
    """32. One object: whose books these are."""
    company, connection = _company_and_connection(request)
    (info,) = _cached_rows(world_of(request), company, connection, "company")
    hidden = ("id", "metadata", "modifiedDate")
    return json_response({field: value for field, value in info.items() if field not in hidden})


def _list_handler(kind: ListType) -> Handler:
    async def all_of_a_kind(request: Request) -> Response:
        company, connection = _company_and_connection(request)
        rows = _cached_rows(world_of(request), company, connection, kind.data_type)
        return paged_response(request, rows, _canonical_path(request, company, connection, kind), kind.noun)

    return all_of_a_kind


def _record_handler(kind: ListType) -> Handler:
    async def one_of_a_kind(request: Request) -> Response:
        company, connection = _company_and_connection(request)
        row_id = request.path_params[_RECORD_PARAMETERS[kind.path]]
        for row in _cached_rows(world_of(request), company, connection, kind.data_type):
            if row["id"] == row_id:
                return json_response(row)
        raise ApiError(404, f"No data available for {kind.data_type} for ID {row_id}", "PullApi")

    return one_of_a_kind


def _company_and_connection(request: Request) -> tuple[CompanyRecord, ConnectionRecord | None]:
    """The company, and the connection that the path names or else the accounting one."""
    company = companies.find(world_of(request), request.path_params["companyId"])
    named = request.path_params.get("connectionId")
    if named is not None:
        return company, connections.find(company, named)
    return company, configuration_document.accounting_connection(company)


def _cached_rows(
    world: World, company: CompanyRecord, connection: ConnectionRecord | None, data_type: str
) -> list[dict[str, Any]]:
    """The cached rows. Raises ApiError 409 (never asked for, or on its way), 404 (asked for in vain)."""
    rows = cached_books.cached_rows_json(company, connection, data_type) if connection else None
    if connection is not None and rows is not None:
        return rows
    own = [pull for pull in company.datasets if connection and pull.connection_id == connection.id]
    asked = pulls.latest_pull(own, data_type)
    if asked is None or asked.finishes > world.now():
        raise ApiError(409, NOT_REQUESTED, "PullApi")
    raise ApiError(404, f"No data available for {data_type} for ID {company.id}", "PullApi")


def _canonical_path(
    request: Request, company: CompanyRecord, connection: ConnectionRecord | None, kind: ListType
) -> str:
    if "connectionId" in request.path_params and connection is not None:
        return f"/companies/{company.id}/connections/{connection.id}/data/{kind.path}"
    return f"/companies/{company.id}/data/{kind.path}"


def _queue_pull(world: World, company: CompanyRecord, data_type: str, connection_id: str | None) -> Response:
    connection = _find_linked_connection(company, data_type, connection_id)
    dataset = pulls.queue_pull_or_refuse(world, company.id, connection.id, data_type)
    return json_response(pulls.to_json(dataset, company.id, world.now()))


def _find_linked_connection(company: CompanyRecord, data_type: str, connection_id: str | None) -> ConnectionRecord:
    """The linked connection whose platform has a data type. Raises ApiError 404, or 400 if none is linked."""
    named = [connections.find(company, connection_id)] if connection_id else list(company.connections)
    able = [
        connection
        for connection in named
        if data_type in pulls.SUPPORTED_DATA_TYPES[connections.source_type(connection)]
    ]
    if not able:
        names = ", ".join(PLATFORMS[connection.platform].name for connection in named)
        raise ApiError(404, f"Datatype {data_type} not supported by platform(s) {names}")
    for connection in able:
        if connection.status == "Linked":
            return connection
    raise not_valid()


routes = [
    Route("/companies/{companyId}/dataStatus", get_data_status, methods=["GET"]),
    Route("/companies/{companyId}/data/all", refresh_all, methods=["POST"]),
    Route("/companies/{companyId}/data/queue/{dataType}", refresh, methods=["POST"]),
    Route("/meta/companies/{companyId}/pull/history/", list_pulls, methods=["GET"]),
    Route("/meta/companies/{companyId}/pull/history/{datasetId}", get_pull, methods=["GET"]),
    Route("/companies/{companyId}/data/history", list_pulls, methods=["GET"]),
    Route("/companies/{companyId}/data/history/{datasetId}", get_pull, methods=["GET"]),
    Route("/companies/{companyId}/data/info", get_company_info, methods=["GET"]),
    Route("/companies/{companyId}/data/info", refresh_company_info, methods=["POST"]),
]
_RECORD_PARAMETERS = {
    "accounts": "accountId",
    "taxRates": "taxRateId",
    "customers": "customerId",
    "suppliers": "supplierId",
    "bankAccounts": "accountId",
}
for _kind in LIST_TYPES.values():
    if _kind.path == "info":
        continue
    _prefixes = ["/companies/{companyId}/data"]
    if _kind.path == "bankAccounts":
        _prefixes.append("/companies/{companyId}/connections/{connectionId}/data")
    for _prefix in _prefixes:
        routes += [
            Route(f"{_prefix}/{_kind.path}", _list_handler(_kind), methods=["GET"]),
            Route(
                f"{_prefix}/{_kind.path}/{{{_RECORD_PARAMETERS[_kind.path]}}}", _record_handler(_kind), methods=["GET"]
            ),
        ]
