"""HTTP of sync settings: endpoint 47 (REFERENCE 3.16)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import companies, sync_settings
from controller.emulator.api import answer, json_object, nothing, world_of
from controller.emulator.sync_settings import CLIENT
from controller.emulator.world import CLIENT_ID, World


async def get_client_settings(request: Request) -> Response:
    """What is pulled when, for companies without settings of their own."""
    world = world_of(request)
    return answer({"clientId": CLIENT_ID, **_shown(world, CLIENT)})


async def set_client_settings(request: Request) -> Response:
    """One entry for every data type."""
    body = await json_object(request)
    sync_settings.change(world_of(request), CLIENT, body)
    return nothing()


async def get_company_settings(request: Request) -> Response:
    """What is pulled when, for one company."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return answer({"companyId": company.id, **_shown(world, company.id)})


async def set_company_settings(request: Request) -> Response:
    """One entry for every data type; `overridesDefaults: false` gives them up."""
    body = await json_object(request)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    sync_settings.change(world, company.id, body)
    return nothing()


def _shown(world: World, key: str) -> dict[str, Any]:
    return {
        "settings": sync_settings.settings_of(world, key),
        "overridesDefaults": sync_settings.overrides_defaults(world, key),
    }


routes = [
    Route("/profile/syncSettings", get_client_settings, methods=["GET"]),
    Route("/profile/syncSettings", set_client_settings, methods=["POST"]),
    Route("/companies/{companyId}/syncSettings", get_company_settings, methods=["GET"]),
    Route("/companies/{companyId}/syncSettings", set_company_settings, methods=["POST"]),
]

resume = sync_settings.resume
