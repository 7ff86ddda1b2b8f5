"""HTTP of connections: endpoints 6 to 11 (API notes 3.2)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import (
    NO_BODY,
    empty_response,
    json_body,
    json_object,
    json_response,
    paged_response,
    world_of,
)
from controller.emulator.service import companies, connections
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError, not_valid
from controller.emulator.service.world import World

_ARGUMENTS_MISSING = "Push object DataConnectionArgs must be provided"


async def list_connections(request: Request) -> Response:
    """6. All connections of a company."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    items = [connections.to_json(world, company.id, connection) for connection in company.connections]
    return paged_response(request, items, f"/companies/{company.id}/connections", "DataConnection")


async def create(request: Request) -> Response:
    """7. The `/meta` spelling: the bare string `"gbol"`, or the object of the other spelling."""
    world, body = world_of(request), await json_body(request)
    company = companies.find(world, request.path_params["companyId"])
    key = _platform_key(body)
    if key is None:
        raise not_valid()
    return _create_connection(world, company, key)


async def create_by_object(request: Request) -> Response:
    """7. The `/companies` spelling: `{"platformKey": "gbol"}`; a bare string too, unless strict."""
    world, body = world_of(request), await json_body(request)
    company = companies.find(world, request.path_params["companyId"])
    key = _platform_key(body)
    if key is None or (isinstance(body, str) and world.settings.strict):
        raise ApiError(400, _ARGUMENTS_MISSING)
    return _create_connection(world, company, key)


async def get(request: Request) -> Response:
    """8. One connection."""
    world, company, connection = _find_connection(request)
    return json_response(connections.to_json(world, company.id, connection))


async def unlink(request: Request) -> Response:
    """9. `{"status": "Unlinked"}`, of a linked connection only."""
    body = await json_object(request)
    world, company, connection = _find_connection(request)
    if str(body.get("status")).lower() != "unlinked":
        raise not_valid()
    unlinked = connections.unlink(world, company.id, connection.id)
    return json_response(connections.to_json(world, company.id, unlinked))


async def delete(request: Request) -> Response:
    """10. Gone for good: 200 without a body, not 204."""
    world, company, connection = _find_connection(request)
    connections.delete(world, company.id, connection.id)
    return empty_response(200)


async def authorize(request: Request) -> Response:
    """11. Credentials of a platform without a consent page: the connection becomes `Linked`."""
    credentials = await json_body(request)
    world, company, connection = _find_connection(request)
    if credentials is NO_BODY or not credentials:
        raise not_valid()
    authorised = connections.authorise(world, company.id, connection.id)
    return json_response(connections.to_json(world, company.id, authorised))


def _find_connection(request: Request) -> tuple[World, CompanyRecord, ConnectionRecord]:
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return world, company, connections.find(company, request.path_params["connectionId"])


def _platform_key(body: Any) -> str | None:
    key = body.get("platformKey") if isinstance(body, dict) else body
    return key if isinstance(key, str) else None


def _create_connection(world: World, company: CompanyRecord, key: str) -> Response:
    connection = connections.create(world, company.id, key)
    return json_response(connections.to_json(world, company.id, connection))


_CREATORS = {"/meta/companies": create, "/companies": create_by_object}
routes: list[Route] = []
for _prefix, _creator in _CREATORS.items():
    _all, _one = (
        f"{_prefix}/{{companyId}}/connections",
        f"{_prefix}/{{companyId}}/connections/{{connectionId}}",
    )
    routes += [
        Route(_all, list_connections, methods=["GET"]),
        Route(_all, _creator, methods=["POST"]),
        Route(_one, get, methods=["GET"]),
        Route(_one, unlink, methods=["PATCH"]),
        Route(_one, delete, methods=["DELETE"]),
        Route(f"{_one}/authorization", authorize, methods=["PUT"]),
    ]
