"""HTTP of companies: endpoints 1 to 5 (REFERENCE 3.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import companies, query
from controller.emulator.api import answer, json_object, listing, nothing, refuse_unknown, world_of

_FIELDS = ("name", "description", "tags")


async def create_for_commerce(request: Request) -> Response:
    """1. A company with the connection that stands for the client's own platform."""
    world, body = world_of(request), await json_object(request)
    refuse_unknown(world, body, _FIELDS)
    return answer(companies.shown(world, companies.create(world, body, for_commerce=True)))


async def create_plain(request: Request) -> Response:
    """`POST /companies`: a company with no connection at all."""
    world, body = world_of(request), await json_object(request)
    refuse_unknown(world, body, (*_FIELDS, "platformType"))
    return answer(companies.shown(world, companies.create(world, body, for_commerce=False)))


async def index(request: Request) -> Response:
    """2. All companies, connections embedded."""
    shown = query.by_tags(companies.Shown(world_of(request)), request.query_params.get("tags", ""))
    return listing(request, shown, "/companies", "Company")


async def get(request: Request) -> Response:
    """3. One company."""
    world = world_of(request)
    return answer(companies.shown(world, companies.find(world, request.path_params["companyId"])))


async def replace(request: Request) -> Response:
    """4. A full replace: `name` is required, an omitted `description` or `tags` is cleared."""
    world, body = world_of(request), await json_object(request)
    company = companies.find(world, request.path_params["companyId"])
    refuse_unknown(world, body, _FIELDS)
    wanted = {field: body.get(field) for field in _FIELDS}
    return answer(companies.shown(world, companies.amend(world, company, **wanted)))


async def update(request: Request) -> Response:
    """4. The later spelling: what is null or omitted stays."""
    world, body = world_of(request), await json_object(request)
    company = companies.find(world, request.path_params["companyId"])
    refuse_unknown(world, body, _FIELDS)
    wanted = {field: body[field] for field in _FIELDS if body.get(field) is not None}
    return answer(companies.shown(world, companies.amend(world, company, **wanted)))


async def delete(request: Request) -> Response:
    """5. Gone for good."""
    world = world_of(request)
    companies.delete(world, companies.find(world, request.path_params["companyId"]))
    return nothing()


routes = [
    Route("/meta/companies/sync", create_for_commerce, methods=["POST"]),
    Route("/companies", create_plain, methods=["POST"]),
]
for _prefix in ("/meta/companies", "/companies"):
    routes += [
        Route(_prefix, index, methods=["GET"]),
        Route(f"{_prefix}/{{companyId}}", get, methods=["GET"]),
        Route(f"{_prefix}/{{companyId}}", replace, methods=["PUT"]),
        Route(f"{_prefix}/{{companyId}}", update, methods=["PATCH"]),
        Route(f"{_prefix}/{{companyId}}", delete, methods=["DELETE"]),
    ]
