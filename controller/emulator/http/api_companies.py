"""HTTP of companies: endpoints 1 to 5 (API notes 3.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http import query
from controller.emulator.http.handler_helpers import (
    empty_response,
    json_object,
    json_response,
    paged_response,
    refuse_unknown_if_strict,
    world_of,
)
from controller.emulator.service import companies

_COMPANY_FIELDS = ("name", "description", "tags")


async def create_for_commerce(request: Request) -> Response:
    """1. A company with the connection that stands for the client's own platform."""
    world, body = world_of(request), await json_object(request)
    refuse_unknown_if_strict(world, body, _COMPANY_FIELDS)
    return json_response(companies.to_json(world, companies.create(world, body, for_commerce=True)))


async def create_without_connection(request: Request) -> Response:
    """`POST /companies`: a company with no connection at all."""
    world, body = world_of(request), await json_object(request)
    refuse_unknown_if_strict(world, body, (*_COMPANY_FIELDS, "platformType"))
    return json_response(companies.to_json(world, companies.create(world, body, for_commerce=False)))


async def list_companies(request: Request) -> Response:
    """2. All companies, connections embedded; asked for by `created`, none is rendered only to be ordered."""
    order_by = request.query_params.get("orderBy", "").strip()
    by_creation = order_by in ("", "created", "-created")
    all_companies = companies.LazyCompanyList(world_of(request), newest_first=order_by == "-created")
    matching = query.filter_by_tags(all_companies, request.query_params.get("tags", ""))
    return paged_response(request, matching, "/companies", "Company", is_ordered=by_creation)


async def get(request: Request) -> Response:
    """3. One company."""
    world = world_of(request)
    return json_response(companies.to_json(world, companies.find(world, request.path_params["companyId"])))


async def replace(request: Request) -> Response:
    """4. A full replace: `name` is required, an omitted `description` or `tags` is cleared."""
    world, body = world_of(request), await json_object(request)
    company = companies.find(world, request.path_params["companyId"])
    refuse_unknown_if_strict(world, body, _COMPANY_FIELDS)
    fields = {field: body.get(field) for field in _COMPANY_FIELDS}
    return json_response(companies.to_json(world, companies.update(world, company, **fields)))


async def update(request: Request) -> Response:
    """4. The later spelling: what is null or omitted stays."""
    world, body = world_of(request), await json_object(request)
    company = companies.find(world, request.path_params["companyId"])
    refuse_unknown_if_strict(world, body, _COMPANY_FIELDS)
    changes = {field: body[field] for field in _COMPANY_FIELDS if body.get(field) is not None}
    return json_response(companies.to_json(world, companies.update(world, company, **changes)))


async def delete(request: Request) -> Response:
    """5. Gone for good."""
    world = world_of(request)
    companies.delete(world, companies.find(world, request.path_params["companyId"]))
    return empty_response()


routes = [
    Route("/meta/companies/sync", create_for_commerce, methods=["POST"]),
    Route("/companies", create_without_connection, methods=["POST"]),
]
for _prefix in ("/meta/companies", "/companies"):
    routes += [
        Route(_prefix, list_companies, methods=["GET"]),
        Route(f"{_prefix}/{{companyId}}", get, methods=["GET"]),
        Route(f"{_prefix}/{{companyId}}", replace, methods=["PUT"]),
        Route(f"{_prefix}/{{companyId}}", update, methods=["PATCH"]),
        Route(f"{_prefix}/{{companyId}}", delete, methods=["DELETE"]),
    ]
