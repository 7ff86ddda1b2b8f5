"""The Sync Flow's pages: connect, wait for the data, map, and later the settings (REFERENCE 3.5).

start?otp=… ── 401 if used or older than 30 s
    └─> connect ─> reading ─> mapping form ─saved─> redirectUrl, or a last page
                      linked and configured before: ─> settings (same form, switch, sever)
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import configuration, connections, document, sync_flow, ui_text, visible_accounts
from controller.emulator.api import world_of
from controller.emulator.datasets import MAPPING_TYPES
from controller.emulator.errors import ApiError
from controller.emulator.mapping_form import Section, filled, sections
from controller.emulator.pages import (
    CANCELLED,
    authorise,
    connection_for,
    first,
    form_of,
    page,
    redirect_target,
    refused,
    to,
)
from controller.emulator.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.records import Company, Connection
from controller.emulator.syncs import ledger, periods
from controller.emulator.world import World

_LOCALE = "en-us"


async def enter(request: Request) -> Response:
    """Where the Sync Flow URL leads: 401 when its password was used or is older than 30 s."""
    world, query, path = world_of(request), request.query_params, request.path_params
    try:
        token = sync_flow.redeem(
            world,
            [path["clientId"], path["commerceKey"], path["accountingKey"]],
            query.get("merchantIdentifier", ""),
            query.get("otp", ""),
        )
    except ApiError as error:
        return refused(error)
    return _stage(world, token)


async def show(request: Request) -> Response:
    """Wherever the visit stands now."""
    return _stage(world_of(request), request.path_params["visit"])


async def connect(request: Request) -> Response:
    """The merchant authorises at the platform, which by itself makes the connection if there is none."""
    world, form, token = world_of(request), await form_of(request), request.path_params["visit"]
    company, visit = sync_flow.visit(world, token)
    connection = connection_for(world, company, visit["accountingKey"])
    if first(form, "action") == "cancel":
        connections.fail(world, company.id, connection.id, CANCELLED)
        return to(_way_out(visit, company, token))
    authorise(world, world.companies[company.id], connection, first(form, "books"))
    return to(_here(token))


async def save(request: Request) -> Response:
    """The form saves the configuration as a merchant would: refused ones come back with what is wrong."""
    world, form, token = world_of(request), await form_of(request), request.path_params["visit"]
    company, visit = sync_flow.visit(world, token)
    body = filled(document.shown(company), _form(world, company), form)
    try:
        configuration.save(world, company, body)
    except ApiError as error:
        return _form_page(world, token, company, status=error.status, complaints=_told(error), shown=body)
    return to(_here(token) if company.configured else _way_out(visit, company, token))


async def sever(request: Request) -> Response:
    """The merchant de-authorises (the connection stays, `Unlinked`) or deletes the connection."""
    world, form, token = world_of(request), await form_of(request), request.path_params["visit"]
    company, visit = sync_flow.visit(world, token)
    connection = _linked(company, visit["accountingKey"])
    if connection is None:
        raise ApiError(409, "There is no linked connection to sever.")
    if first(form, "action") == "delete":
        connections.delete(world, company.id, connection.id, severed=True)
    else:
        connections.unlink(world, company.id, connection.id, severed=True)
    return to(_here(token))


async def done(request: Request) -> Response:
    """The built-in last page."""
    return page("message.html", title="Done", text="Everything is set up. You can close this page.")


def _stage(world: World, token: str) -> Response:
    company, visit = sync_flow.visit(world, token)
    platform = PLATFORMS[visit["accountingKey"]]
    connection = _linked(company, platform.key)
    if connection is None:
        return page("connect.html", here=_here(token), company=company, platform=platform)
    if any(each not in connection.pulled for each in MAPPING_TYPES):
        return page("reading.html", company=company, platform=platform)
    return _form_page(world, token, company)


def _form_page(
    world: World,
    token: str,
    company: Company,
    *,
    status: int = 200,
    complaints: tuple[str, ...] = (),
    shown: dict[str, Any] | None = None,
) -> Response:
    last = ledger.synced_at(world, company.id)
    schedule = periods.of_company(company)
    return page(
        "mapping.html",
        status,
        here=_here(token),
        company=company,
        sections=_form(world, company, shown),
        complaints=complaints,
        last_sync=last,
        next_sync=periods.next_due(schedule, world.now()) if schedule else None,
    )


def _form(world: World, company: Company, shown: dict[str, Any] | None = None) -> list[Section]:
    captions = ui_text.captions(world, _LOCALE)
    return sections(
        shown or document.shown(company),
        lambda key, fallback: captions.get(key) or fallback,
        visible_accounts.visible(world, COMMERCE_KEY),
        f"{world.now():%Y-%m-%d}",
    )


def _told(error: ApiError) -> tuple[str, ...]:
    return tuple(each.message for each in error.validation) or (error.error,)


def _linked(company: Company, platform_key: str) -> Connection | None:
    for connection in company.connections:
        if connection.platform == platform_key and connection.status == "Linked":
            return connection
    return None


def _here(token: str) -> str:
    return f"/sync-flow/{token}"


def _way_out(visit: dict[str, Any], company: Company, token: str) -> str:
    if not visit["redirectUrl"]:
        return f"{_here(token)}/done"
    return redirect_target(visit["redirectUrl"], {"companyId": company.id})


routes = [
    Route("/{clientId}/{commerceKey}/{accountingKey}/start", enter, methods=["GET"]),
    Route("/sync-flow/{visit}", show, methods=["GET"]),
    Route("/sync-flow/{visit}/done", done, methods=["GET"]),
    Route("/sync-flow/{visit}/connect", connect, methods=["POST"]),
    Route("/sync-flow/{visit}/configuration", save, methods=["POST"]),
    Route("/sync-flow/{visit}/sever", sever, methods=["POST"]),
]
