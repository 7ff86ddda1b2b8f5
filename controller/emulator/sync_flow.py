"""The Sync Flow's way in: a URL with a one-time password, and the visit it opens (REFERENCE 3.5 #17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from secrets import randbelow, token_urlsafe
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import companies
from controller.emulator.api import answer, present_world_of
from controller.emulator.clock import instant, stamp
from controller.emulator.errors import ApiError, not_valid
from controller.emulator.platforms import PLATFORMS
from controller.emulator.records import Company
from controller.emulator.world import CLIENT_ID, World

PASSWORD_LASTS = timedelta(seconds=30)
VISIT_LASTS = timedelta(hours=1)
_PASSWORDS = "sync-flow-passwords"
_VISITS = "sync-flow-visits"


@dataclass(frozen=True, slots=True)
class Way:
    """What a Sync Flow URL is about; `redirect_url` is echoed as it was given."""

    commerce_key: str
    accounting_key: str
    merchant_identifier: str
    redirect_url: str | None


def start_url(world: World, way: Way) -> str:
    """A fresh URL. An unknown merchant becomes a company by that. Raises ApiError 400, 404."""
    _known(way.commerce_key, "Commerce")
    _known(way.accounting_key, "Accounting")
    company = _merchant(world, way.merchant_identifier)
    password = f"{randbelow(1_000_000):06d}"
    world.table(_PASSWORDS)[password] = {
        "companyId": company.id,
        "path": [CLIENT_ID, way.commerce_key, way.accounting_key],
        "merchantIdentifier": way.merchant_identifier,
        "redirectUrl": way.redirect_url,
        "expires": stamp(world.now() + PASSWORD_LASTS),
    }
    query = {"merchantIdentifier": way.merchant_identifier, "otp": password}
    if way.redirect_url is not None:
        query["redirectUrl"] = way.redirect_url
    base = world.settings.base_url
    return f"{base}/{CLIENT_ID}/{way.commerce_key}/{way.accounting_key}/start?{urlencode(query)}"


def redeem(world: World, path: list[str], merchant_identifier: str, password: str) -> str:
    """Open a visit with a password, which is then used up; the visit's token. Raises ApiError 401."""
    passwords = world.table(_PASSWORDS)
    row = passwords.get(password)
    if row is None or row["path"] != path or row["merchantIdentifier"] != merchant_identifier:
        raise ApiError(401, "Unauthorized")
    del passwords[password]
    if world.now() > instant(row["expires"]) or row["companyId"] not in world.companies:
        raise ApiError(401, "Unauthorized")
    token = token_urlsafe(16)
    world.table(_VISITS)[token] = {
        "companyId": row["companyId"],
        "accountingKey": path[2],
        "redirectUrl": row["redirectUrl"],
        "expires": stamp(world.now() + VISIT_LASTS),
    }
    return token


def visit(world: World, token: str) -> tuple[Company, dict[str, Any]]:
    """The company and the row of an open visit. Raises ApiError 401."""
    row = world.table(_VISITS).get(token)
    if row is None or world.now() > instant(row["expires"]) or row["companyId"] not in world.companies:
        raise ApiError(401, "Unauthorized")
    return world.companies[row["companyId"]], row


def _merchant(world: World, identifier: str) -> Company:
    """By company id, else by name, else a new one of that name."""
    found = world.companies.get(identifier.lower())
    if found is None:
        found = next((each for each in world.companies.values() if each.name == identifier), None)
    if found is not None:
        return found
    with world.writing():
        return companies.create(world, {"name": identifier}, for_commerce=True)


def _known(key: str, source_type: str) -> None:
    platform = PLATFORMS.get(key)
    if platform is None or not platform.enabled or platform.source_type != source_type:
        raise ApiError(404, f"Integration {key} not found")


async def start(request: Request) -> Response:
    """17. `{"url": …}`; a GET that writes."""
    identifier = request.query_params.get("merchantIdentifier", "")
    if not identifier:
        raise not_valid()
    path = request.path_params
    way = Way(path["commerceKey"], path["accountingKey"], identifier, request.query_params.get("redirectUrl"))
    return answer({"url": start_url(present_world_of(request), way)})


routes = [Route("/config/sync/commerce/{commerceKey}/{accountingKey}/start", start, methods=["GET"])]
