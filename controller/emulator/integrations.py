"""Which platforms this client can connect, and how they look (REFERENCE 3.4; endpoints 14 to 16)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.api import answer, listing, world_of
from controller.emulator.errors import ApiError
from controller.emulator.platforms import PLATFORMS, Platform
from controller.emulator.world import World


def platform(key: str) -> Platform:
    """The platform of that four-letter key. Raises ApiError 404."""
    found = PLATFORMS.get(key)
    if found is None:
        raise ApiError(404, f"No integration was found with key {key}", "ClientsApi")
    return found


def integrations(world: World) -> list[dict[str, Any]]:
    """Every platform as the list shows it, with this client's own counts of connections."""
    total: Counter[str] = Counter()
    linked: Counter[str] = Counter()
    for company in world.companies.values():
        total.update(each.platform for each in company.connections)
        linked.update(each.platform for each in company.connections if each.status == "Linked")
    return [_integration(each, linked[each.key], total[each.key]) for each in PLATFORMS.values()]


def _integration(shown: Platform, linked: int, total: int) -> dict[str, Any]:
    return {
        "key": shown.key,
        "logoUrl": shown.logo_url,
        "name": shown.name,
        "enabled": shown.enabled,
        "sourceId": shown.source_id,
        "integrationId": shown.integration_id,
        "sourceType": shown.source_type,
        "isOfflineConnector": shown.is_on_premises,
        "isBeta": shown.is_beta,
        "supportedEnvironments": shown.supported_environments,
        "linkedConnectionsCount": linked,
        "totalConnectionsCount": total,
        "dataProvidedBy": "Codat",
        "datatypeFeatures": shown.features(),
    }


def branding(shown: Platform) -> dict[str, Any]:
    """Logos of a platform; there are no button images."""
    images = f"https://static.codat.io/public/branding/{shown.key}"
    return {
        "logo": {
            "full": {"image": {"src": f"{images}/full.png", "alt": f"{shown.name} full logo"}},
            "square": {"image": {"src": f"{images}/square.png", "alt": f"{shown.name} square logo"}},
        },
        "button": {},
        "sourceId": shown.source_id,
    }


async def list_integrations(request: Request) -> Response:
    """14: paged; `query=enabled=true` leaves those the client has switched on."""
    return listing(request, integrations(world_of(request)), "/integrations", "Integration")


async def get_integration(request: Request) -> Response:
    """15."""
    key = platform(request.path_params["platformKey"]).key
    return answer(next(each for each in integrations(world_of(request)) if each["key"] == key))


async def get_branding(request: Request) -> Response:
    """16."""
    return answer(branding(platform(request.path_params["platformKey"])))


routes = [
    Route("/config/integrations", list_integrations, methods=["GET"]),
    Route("/integrations", list_integrations, methods=["GET"]),
    Route("/integrations/{platformKey}", get_integration, methods=["GET"]),
    Route("/config/integrations/{platformKey}/branding", get_branding, methods=["GET"]),
    Route("/integrations/{platformKey}/branding", get_branding, methods=["GET"]),
]
