"""Controls that play the merchant, the portal and the platform: consent, books, portal edits."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import books, companies, configuration, connections, datasets, document
from controller.emulator.api import ABSENT, answer, json_body, json_object, nothing, world_of
from controller.emulator.errors import ApiError
from controller.emulator.records import Company, Connection
from controller.emulator.world import World

_CANCELLED = {"statusCode": "403", "statusText": "Forbidden", "errorMessage": "The user cancelled."}
_BY_PATH = {kind.path: name for name, kind in books.KINDS.items() if name in books.EDITABLE}


async def authorize(request: Request) -> Response:
    """The merchant consents; `{"companyName": …}` links books of that name. Pulls take under a minute."""
    body = await json_body(request)
    world, company, connection = _addressed(request)
    if isinstance(body, dict) and isinstance(body.get("companyName"), str):
        books.rename_company(world, company.id, connection.platform, body["companyName"])
    return _shown(world, company, connections.authorise(world, company.id, connection.id))


async def deauthorize(request: Request) -> Response:
    """The merchant revokes access at the platform, or it expires there."""
    world, company, connection = _addressed(request)
    return _shown(world, company, connections.deauthorise(world, company.id, connection.id))


async def fail(request: Request) -> Response:
    """An attempt to link fails; the body may say with what `statusCode`, `statusText`, `errorMessage`."""
    body = await json_body(request)
    world, company, connection = _addressed(request)
    error = {**_CANCELLED, **(body if isinstance(body, dict) else {})}
    return _shown(world, company, connections.fail(world, company.id, connection.id, error))


async def show_rows(request: Request) -> Response:
    """The books' `accounts`, `taxRates`, `customers` or `suppliers` as they are at the platform now."""
    company, connection, data_type = _books(request)
    return answer({"results": list(books.rows(company, connection.platform, data_type))})


async def add_row(request: Request) -> Response:
    """Somebody adds a row: any fields of `/data/…`, the others as usual. `?pull=false`: not pulled yet."""
    fields = await json_object(request)
    company, connection, data_type = _books(request)
    world = world_of(request)
    row = books.add(world, company.id, connection.platform, data_type, fields)
    _pull(request, company.id, connection.id, data_type)
    return answer(row)


async def edit_row(request: Request) -> Response:
    """Somebody changes a row: `{"status": "Archived"}`, `{"name": …}`. `?pull=false`: not pulled yet."""
    changes = await json_object(request)
    company, connection, data_type = _books(request)
    row_id = request.path_params["recordId"]
    row = books.edit(world_of(request), company.id, connection.platform, data_type, row_id, changes)
    _pull(request, company.id, connection.id, data_type)
    return answer(row)


async def delete_row(request: Request) -> Response:
    """Somebody deletes a row; it stays in `/data/…` as deleted. `?pull=false`: not pulled yet."""
    company, connection, data_type = _books(request)
    row_id = request.path_params["recordId"]
    books.delete(world_of(request), company.id, connection.platform, data_type, row_id)
    _pull(request, company.id, connection.id, data_type)
    return nothing()


async def edit_info(request: Request) -> Response:
    """The books get another company name: `{"companyName": …}`."""
    name = (await json_object(request)).get("companyName")
    if not isinstance(name, str) or not name:
        raise ApiError(400, f'"companyName" is text; got {name!r}')
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    connection = _accounting(company)
    books.rename_company(world, company.id, connection.platform, name)
    _pull(request, company.id, connection.id, "company")
    return answer(books.rows(world.companies[company.id], connection.platform, "company")[0])


async def edit_configuration(request: Request) -> Response:
    """The merchant in the portal: a JSON Merge Patch that nobody validates."""
    patch = await json_object(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return answer(document.shown(configuration.portal_edit(world, company, patch)))


async def fail_pull(request: Request) -> Response:
    """A pull of this type has just failed: `{"status": "FetchError", "errorMessage": …}`."""
    body = await json_body(request)
    told = {} if body is ABSENT or not isinstance(body, dict) else body
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    dataset = datasets.record(
        world,
        company.id,
        _accounting(company).id,
        request.path_params["dataType"],
        str(told.get("status", "FetchError")),
        str(told.get("errorMessage", "The platform could not be read.")),
    )
    return answer(datasets.shown(dataset, company.id, world.now()))


def _addressed(request: Request) -> tuple[World, Company, Connection]:
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return world, company, connections.find(company, request.path_params["connectionId"])


def _shown(world: World, company: Company, connection: Connection) -> Response:
    return answer(connections.shown(world, company.id, connection))


def _accounting(company: Company) -> Connection:
    connection = document.accounting_connection(company)
    if connection is None:
        raise ApiError(404, f"Company {company.id} has no accounting connection")
    return connection


def _books(request: Request) -> tuple[Company, Connection, str]:
    company = companies.find(world_of(request), request.path_params["companyId"])
    kind = request.path_params["list"]
    if kind not in _BY_PATH:
        raise ApiError(404, f"There is no list {kind!r} to edit; there are {', '.join(_BY_PATH)}")
    return company, _accounting(company), _BY_PATH[kind]


def _pull(request: Request, company_id: str, connection_id: str, data_type: str) -> None:
    """As if a pull had just finished; not for what was never pulled, nor with `?pull=false`."""
    if request.query_params.get("pull", "true").lower() in ("false", "0", "no"):
        return
    world = world_of(request)
    connection = connections.find(world.companies[company_id], connection_id)
    wanted = (data_type, "bankAccounts") if data_type == "chartOfAccounts" else (data_type,)
    for each in wanted:
        if connection.status == "Linked" and each in connection.pulled:
            datasets.record(world, company_id, connection_id, each)


_COMPANY = "/_emulator/companies/{companyId}"
_CONNECTION = f"{_COMPANY}/connections/{{connectionId}}"

routes = [
    Route(f"{_CONNECTION}/authorize", authorize, methods=["POST"]),
    Route(f"{_CONNECTION}/deauthorize", deauthorize, methods=["POST"]),
    Route(f"{_CONNECTION}/fail", fail, methods=["POST"]),
    Route(f"{_COMPANY}/configuration", edit_configuration, methods=["PATCH"]),
    Route(f"{_COMPANY}/info", edit_info, methods=["PATCH"]),
    Route(f"{_COMPANY}/data/{{dataType}}/fail", fail_pull, methods=["POST"]),
    Route(f"{_COMPANY}/{{list}}", show_rows, methods=["GET"]),
    Route(f"{_COMPANY}/{{list}}", add_row, methods=["POST"]),
    Route(f"{_COMPANY}/{{list}}/{{recordId}}", edit_row, methods=["PATCH"]),
    Route(f"{_COMPANY}/{{list}}/{{recordId}}", delete_row, methods=["DELETE"]),
]
