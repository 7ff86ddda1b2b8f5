"""The Sync Flow's way in: a URL with a one-time password, and the visit it opens (API notes 3.5 #17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from secrets import randbelow, token_urlsafe
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import json_response, present_world_of
from controller.emulator.service import companies
from controller.emulator.service.clock import format_timestamp, parse_timestamp
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.errors import ApiError, not_valid
from controller.emulator.service.platforms import PLATFORMS
from controller.emulator.service.world import World

PASSWORD_LIFETIME = timedelta(seconds=30)
VISIT_LIFETIME = timedelta(hours=1)
_PASSWORDS_TABLE = "sync-flow-passwords"
_VISITS_TABLE = "sync-flow-visits"


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """What a Sync Flow URL is about; `redirect_url` is echoed as it was given."""

    commerce_key: str
    accounting_key: str
    merchant_identifier: str
    redirect_url: str | None


def create_start_url(world: World, flow: FlowRequest) -> str:
    """A fresh URL. An unknown merchant becomes a company by that. Raises ApiError 400, 404."""
    _require_platform(flow.commerce_key, "Commerce")
    _require_platform(flow.accounting_key, "Accounting")
    company = _find_or_create_company(world, flow.merchant_identifier)
    password = f"{randbelow(1_000_000):06d}"
    world.table(_PASSWORDS_TABLE)[password] = {
        "companyId": company.id,
        "path": [world.account, flow.commerce_key, flow.accounting_key],
        "merchantIdentifier": flow.merchant_identifier,
        "redirectUrl": flow.redirect_url,
        "expires": format_timestamp(world.now() + PASSWORD_LIFETIME),
    }
    query = {"merchantIdentifier": flow.merchant_identifier, "otp": password}
    if flow.redirect_url is not None:
        query["redirectUrl"] = flow.redirect_url
    base = world.settings.base_url
    return f"{base}/{world.account}/{flow.commerce_key}/{flow.accounting_key}/start?{urlencode(query)}"


def redeem_password(world: World, path: list[str], merchant_identifier: str, password: str) -> str:
    """Open a visit with a password, which is then used up; the visit's token. Raises ApiError 401."""
    passwords = world.table(_PASSWORDS_TABLE)
    row = passwords.get(password)
    if row is None or row["path"] != path or row["merchantIdentifier"] != merchant_identifier:
        raise ApiError(401, "Unauthorized")
    del passwords[password]
    if world.now() > parse_timestamp(row["expires"]) or row["companyId"] not in world.companies:
        raise ApiError(401, "Unauthorized")
    token = token_urlsafe(16)
    world.table(_VISITS_TABLE)[token] = {
        "companyId": row["companyId"],
        "accountingKey": path[2],
        "redirectUrl": row["redirectUrl"],
        "expires": format_timestamp(world.now() + VISIT_LIFETIME),
    }
    return token


def find_visit(world: World, token: str) -> tuple[CompanyRecord, dict[str, Any]]:
    """The company and the row of an open visit. Raises ApiError 401."""
    row = world.table(_VISITS_TABLE).get(token)
    if row is None or world.now() > parse_timestamp(row["expires"]) or row["companyId"] not in world.companies:
        raise ApiError(401, "Unauthorized")
    return world.companies[row["companyId"]], row


def _find_or_create_company(world: World, identifier: str) -> CompanyRecord:
    """By company id, else by name, else a new one of that name."""
    company = world.companies.get(identifier.lower())
    if company is None:
        company = next((candidate for candidate in world.companies.values() if candidate.name == identifier), None)
    if company is not None:
        return company
    with world.keeping_previous_world():
        return companies.create(world, {"name": identifier}, for_commerce=True)


def _require_platform(key: str, source_type: str) -> None:
    platform = PLATFORMS.get(key)
    if platform is None or not platform.enabled or platform.source_type != source_type:
        raise ApiError(404, f"Integration {key} not found")


async def get_start_url(request: Request) -> Response:
    """17. `{"url": …}`; a GET that writes."""
    identifier = request.query_params.get("merchantIdentifier", "")
    if not identifier:
        raise not_valid()
    path = request.path_params
    flow = FlowRequest(path["commerceKey"], path["accountingKey"], identifier, request.query_params.get("redirectUrl"))
    return json_response({"url": create_start_url(present_world_of(request), flow)})


routes = [Route("/config/sync/commerce/{commerceKey}/{accountingKey}/start", get_start_url, methods=["GET"])]
