"""HTTP of sync settings: endpoint 47 (API notes 3.16)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import empty_response, json_object, json_response, world_of
from controller.emulator.service import companies, sync_settings
from controller.emulator.service.errors import OUTDATED_KEY, ApiError
from controller.emulator.service.sync_settings import CLIENT_KEY
from controller.emulator.service.world import World


async def get_client_settings(request: Request) -> Response:
    """What is pulled when, for companies without settings of their own."""
    world = world_of(request)
    if world.settings.account_hidden:
        raise ApiError(403, OUTDATED_KEY)
    return json_response({"clientId": world.account, **_settings_json(world, CLIENT_KEY)})


async def set_client_settings(request: Request) -> Response:
    """One entry for every data type."""
    body = await json_object(request)
    sync_settings.store_and_schedule(world_of(request), CLIENT_KEY, body)
    return empty_response()


async def get_company_settings(request: Request) -> Response:
    """What is pulled when, for one company."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return json_response({"companyId": company.id, **_settings_json(world, company.id)})


async def set_company_settings(request: Request) -> Response:
    """One entry for every data type; `overridesDefaults: false` gives them up."""
    body = await json_object(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    sync_settings.store_and_schedule(world, company.id, body)
    return empty_response()


def _settings_json(world: World, key: str) -> dict[str, Any]:
    return {
        "settings": sync_settings.effective_settings(world, key),
        "overridesDefaults": sync_settings.overrides_defaults(world, key),
    }


routes = [
    Route("/profile/syncSettings", get_client_settings, methods=["GET"]),
    Route("/profile/syncSettings", set_client_settings, methods=["POST"]),
    Route("/companies/{companyId}/syncSettings", get_company_settings, methods=["GET"]),
    Route("/companies/{companyId}/syncSettings", set_company_settings, methods=["POST"]),
]

resume = sync_settings.resume
