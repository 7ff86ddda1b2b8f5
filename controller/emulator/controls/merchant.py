"""Controls that play the merchant, the portal and the platform: consent, books, portal edits."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import (
    NO_BODY,
    empty_response,
    json_body,
    json_object,
    json_response,
    world_of,
)
from controller.emulator.service import books, companies, configuration, configuration_document, connections, pulls
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World

_CANCELLED_ERROR = {"statusCode": "403", "statusText": "Forbidden", "errorMessage": "The user cancelled."}
_DATA_TYPE_BY_PATH = {kind.path: name for name, kind in books.LIST_TYPES.items() if name in books.EDITABLE_TYPES}


async def authorize(request: Request) -> Response:
    """The merchant consents; `{"companyName": …}` links books of that name. Pulls take under a minute."""
    body = await json_body(request)
    world, company, connection = _find_connection(request)
    if isinstance(body, dict) and isinstance(body.get("companyName"), str):
        books.rename_books(world, company.id, connection.platform, body["companyName"])
    return _connection_response(world, company, connections.authorise(world, company.id, connection.id))


async def deauthorize(request: Request) -> Response:
    """The merchant revokes access at the platform, or it expires there."""
    world, company, connection = _find_connection(request)
    return _connection_response(world, company, connections.deauthorise(world, company.id, connection.id))


async def fail_link(request: Request) -> Response:
    """An attempt to link fails; the body may say with what `statusCode`, `statusText`, `errorMessage`."""
    body = await json_body(request)
    world, company, connection = _find_connection(request)
    error = {**_CANCELLED_ERROR, **(body if isinstance(body, dict) else {})}
    return _connection_response(
        world, company, connections.record_link_failure(world, company.id, connection.id, error)
    )


async def show_books_rows(request: Request) -> Response:
    """The books' `accounts`, `taxRates`, `customers` or `suppliers` as they are at the platform now."""
    company, connection, data_type = _find_books_list(request)
    return json_response({"results": list(books.rows(company, connection.platform, data_type))})


async def add_books_row(request: Request) -> Response:
    """Somebody adds a row: any fields of `/data/…`, the others as usual. `?pull=false`: not pulled yet."""
    fields = await json_object(request)
    company, connection, data_type = _find_books_list(request)
    world = world_of(request)
    row = books.add_row(world, company.id, connection.platform, data_type, fields)
    _record_pull_if_wanted(request, company.id, connection.id, data_type)
    return json_response(row)


async def edit_books_row(request: Request) -> Response:
    """Somebody changes a row: `{"status": "Archived"}`, `{"name": …}`. `?pull=false`: not pulled yet."""
    changes = await json_object(request)
    company, connection, data_type = _find_books_list(request)
    row_id = request.path_params["recordId"]
    row = books.edit_row(world_of(request), company.id, connection.platform, data_type, row_id, changes)
    _record_pull_if_wanted(request, company.id, connection.id, data_type)
    return json_response(row)


async def delete_books_row(request: Request) -> Response:
    """Somebody deletes a row; it stays in `/data/…` as deleted. `?pull=false`: not pulled yet."""
    company, connection, data_type = _find_books_list(request)
    row_id = request.path_params["recordId"]
    books.mark_row_deleted(world_of(request), company.id, connection.platform, data_type, row_id)
    _record_pull_if_wanted(request, company.id, connection.id, data_type)
    return empty_response()


async def rename_books(request: Request) -> Response:
    """The books get another company name: `{"companyName": …}`."""
    name = (await json_object(request)).get("companyName")
    if not isinstance(name, str) or not name:
        raise ApiError(400, f'"companyName" is text; got {name!r}')
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    connection = _accounting_connection(company)
    books.rename_books(world, company.id, connection.platform, name)
    _record_pull_if_wanted(request, company.id, connection.id, "company")
    return json_response(books.rows(world.companies[company.id], connection.platform, "company")[0])


async def edit_configuration(request: Request) -> Response:
    """The merchant in the portal: a JSON Merge Patch that nobody validates."""
    patch = await json_object(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return json_response(configuration_document.to_json(configuration.edit_in_portal(world, company, patch)))


async def record_failed_pull(request: Request) -> Response:
    """A pull of this type has just failed: `{"status": "FetchError", "errorMessage": …}`."""
    body = await json_body(request)
    failure = {} if body is NO_BODY or not isinstance(body, dict) else body
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    pull = pulls.record_finished_pull(
        world,
        company.id,
        _accounting_connection(company).id,
        request.path_params["dataType"],
        str(failure.get("status", "FetchError")),
        str(failure.get("errorMessage", "The platform could not be read.")),
    )
    return json_response(pulls.to_json(pull, company.id, world.now()))


def _find_connection(request: Request) -> tuple[World, CompanyRecord, ConnectionRecord]:
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return world, company, connections.find(company, request.path_params["connectionId"])


def _connection_response(world: World, company: CompanyRecord, connection: ConnectionRecord) -> Response:
    return json_response(connections.to_json(world, company.id, connection))


def _accounting_connection(company: CompanyRecord) -> ConnectionRecord:
    connection = configuration_document.accounting_connection(company)
    if connection is None:
        raise ApiError(404, f"Company {company.id} has no accounting connection")
    return connection


def _find_books_list(request: Request) -> tuple[CompanyRecord, ConnectionRecord, str]:
    company = companies.find(world_of(request), request.path_params["companyId"])
    kind = request.path_params["list"]
    if kind not in _DATA_TYPE_BY_PATH:
        raise ApiError(404, f"There is no list {kind!r} to edit; there are {', '.join(_DATA_TYPE_BY_PATH)}")
    return company, _accounting_connection(company), _DATA_TYPE_BY_PATH[kind]


def _record_pull_if_wanted(request: Request, company_id: str, connection_id: str, data_type: str) -> None:
    """As if a pull had just finished; not for what was never pulled, nor with `?pull=false`."""
    if request.query_params.get("pull", "true").lower() in ("false", "0", "no"):
        return
    world = world_of(request)
    connection = connections.find(world.companies[company_id], connection_id)
    data_types = (data_type, "bankAccounts") if data_type == "chartOfAccounts" else (data_type,)
    for pulled_type in data_types:
        if connection.status == "Linked" and pulled_type in connection.pulled:
            pulls.record_finished_pull(world, company_id, connection_id, pulled_type)


_CONTROL_COMPANY_PATH = "/_emulator/companies/{companyId}"
_CONTROL_CONNECTION_PATH = f"{_CONTROL_COMPANY_PATH}/connections/{{connectionId}}"

routes = [
    Route(f"{_CONTROL_CONNECTION_PATH}/authorize", authorize, methods=["POST"]),
    Route(f"{_CONTROL_CONNECTION_PATH}/deauthorize", deauthorize, methods=["POST"]),
    Route(f"{_CONTROL_CONNECTION_PATH}/fail", fail_link, methods=["POST"]),
    Route(f"{_CONTROL_COMPANY_PATH}/configuration", edit_configuration, methods=["PATCH"]),
    Route(f"{_CONTROL_COMPANY_PATH}/info", rename_books, methods=["PATCH"]),
    Route(f"{_CONTROL_COMPANY_PATH}/data/{{dataType}}/fail", record_failed_pull, methods=["POST"]),
    Route(f"{_CONTROL_COMPANY_PATH}/{{list}}", show_books_rows, methods=["GET"]),
    Route(f"{_CONTROL_COMPANY_PATH}/{{list}}", add_books_row, methods=["POST"]),
    Route(f"{_CONTROL_COMPANY_PATH}/{{list}}/{{recordId}}", edit_books_row, methods=["PATCH"]),
    Route(f"{_CONTROL_COMPANY_PATH}/{{list}}/{{recordId}}", delete_books_row, methods=["DELETE"]),
]
