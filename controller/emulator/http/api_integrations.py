"""Which platforms this client can connect, and how they look (API notes 3.4; endpoints 14 to 16)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import json_response, paged_response, world_of
from controller.emulator.service.errors import ApiError
from controller.emulator.service.platforms import PLATFORMS, Platform
from controller.emulator.service.world import World


def find_platform(key: str) -> Platform:
    """The platform of that four-letter key. Raises ApiError 404."""
    found = PLATFORMS.get(key)
    if found is None:
        raise ApiError(404, f"No integration was found with key {key}", "ClientsApi")
    return found


def integrations_json(world: World) -> list[dict[str, Any]]:
    """Every platform as the list shows it, with this client's own counts of connections."""
    total: Counter[str] = Counter()
    linked: Counter[str] = Counter()
    for company in world.companies.values():
        total.update(connection.platform for connection in company.connections)
        linked.update(connection.platform for connection in company.connections if connection.status == "Linked")
    return [_integration_json(platform, linked[platform.key], total[platform.key]) for platform in PLATFORMS.values()]


def _integration_json(platform_shown: Platform, linked: int, total: int) -> dict[str, Any]:
    return {
        "key": platform_shown.key,
        "logoUrl": platform_shown.logo_url,
        "name": platform_shown.name,
        "enabled": platform_shown.enabled,
        "sourceId": platform_shown.source_id,
        "integrationId": platform_shown.integration_id,
        "sourceType": platform_shown.source_type,
        "isOfflineConnector": platform_shown.is_on_premises,
        "isBeta": platform_shown.is_beta,
        "supportedEnvironments": platform_shown.supported_environments,
        "linkedConnectionsCount": linked,
        "totalConnectionsCount": total,
        "dataProvidedBy": "Codat",
        "datatypeFeatures": platform_shown.features(),
    }


def branding_json(platform_shown: Platform) -> dict[str, Any]:
    """Logos of a platform; there are no button images."""
    images = f"https://static.codat.io/public/branding/{platform_shown.key}"
    return {
        "logo": {
            "full": {"image": {"src": f"{images}/full.png", "alt": f"{platform_shown.name} full logo"}},
            "square": {"image": {"src": f"{images}/square.png", "alt": f"{platform_shown.name} square logo"}},
        },
        "button": {},
        "sourceId": platform_shown.source_id,
    }


async def list_integrations(request: Request) -> Response:
    """14: paged; `query=enabled=true` leaves those the client has switched on."""
    return paged_response(request, integrations_json(world_of(request)), "/integrations", "Integration")


async def get_integration(request: Request) -> Response:
    """15."""
    key = find_platform(request.path_params["platformKey"]).key
    return json_response(next(item for item in integrations_json(world_of(request)) if item["key"] == key))


async def get_branding(request: Request) -> Response:
    """16."""
    return json_response(branding_json(find_platform(request.path_params["platformKey"])))


routes = [
    Route("/config/integrations", list_integrations, methods=["GET"]),
    Route("/integrations", list_integrations, methods=["GET"]),
    Route("/integrations/{platformKey}", get_integration, methods=["GET"]),
    Route("/config/integrations/{platformKey}/branding", get_branding, methods=["GET"]),
    Route("/integrations/{platformKey}/branding", get_branding, methods=["GET"]),
]
