"""The Sync Flow's pages: connect, wait for the data, map, and later the settings (API notes 3.5).

start?otp=… ── 401 if used or older than 30 s
    └─> connect ─> reading ─> mapping form ─saved─> redirectUrl, or a last page
                      linked and configured before: ─> settings (same form, switch, sever)
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http import api_ui_text, api_visible_accounts
from controller.emulator.http.handler_helpers import world_of
from controller.emulator.pages import visits
from controller.emulator.pages.link import (
    CANCELLED,
    authorise_books,
    error_page,
    find_or_create_connection,
    form_value,
    read_form,
    redirect,
    redirect_target,
    render_page,
)
from controller.emulator.pages.mapping_form import FormSection, apply_form, sections
from controller.emulator.service import configuration, configuration_document, connections
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.service.pulls import MAPPING_TYPES
from controller.emulator.service.world import World
from controller.emulator.syncs import sync_log, sync_schedule

_LOCALE = "en-us"


async def open_flow(request: Request) -> Response:
    """Where the Sync Flow URL leads: 401 when its password was used or is older than 30 s."""
    world, query, path = world_of(request), request.query_params, request.path_params
    try:
        token = visits.redeem_password(
            world,
            [path["clientId"], path["commerceKey"], path["accountingKey"]],
            query.get("merchantIdentifier", ""),
            query.get("otp", ""),
        )
    except ApiError as error:
        return error_page(error)
    return _current_page(world, token)


async def show_current_page(request: Request) -> Response:
    """Wherever the visit stands now."""
    return _current_page(world_of(request), request.path_params["visit"])


async def connect(request: Request) -> Response:
    """The merchant authorises at the platform, which by itself makes the connection if there is none."""
    world, form, token = world_of(request), await read_form(request), request.path_params["visit"]
    company, visit = visits.find_visit(world, token)
    connection = find_or_create_connection(world, company, visit["accountingKey"])
    if form_value(form, "action") == "cancel":
        connections.record_link_failure(world, company.id, connection.id, CANCELLED)
        return redirect(_exit_url(visit, company, token))
    authorise_books(world, world.companies[company.id], connection, form_value(form, "books"))
    return redirect(_visit_path(token))


async def save(request: Request) -> Response:
    """The form saves the configuration as a merchant would: refused ones come back with what is wrong."""
    world, form, token = world_of(request), await read_form(request), request.path_params["visit"]
    company, visit = visits.find_visit(world, token)
    body = apply_form(configuration_document.to_json(company), _form_sections(world, company), form)
    try:
        configuration.save(world, company, body)
    except ApiError as error:
        return _form_page(
            world, token, company, status=error.status, complaints=_error_messages(error), shown_document=body
        )
    return redirect(_visit_path(token) if company.configured else _exit_url(visit, company, token))


async def sever(request: Request) -> Response:
    """The merchant de-authorises (the connection stays, `Unlinked`) or deletes the connection."""
    world, form, token = world_of(request), await read_form(request), request.path_params["visit"]
    company, visit = visits.find_visit(world, token)
    connection = _linked_connection(company, visit["accountingKey"])
    if connection is None:
        raise ApiError(409, "There is no linked connection to sever.")
    if form_value(form, "action") == "delete":
        connections.delete(world, company.id, connection.id, severed=True)
    else:
        connections.unlink(world, company.id, connection.id, severed=True)
    return redirect(_visit_path(token))


async def show_last_page(request: Request) -> Response:
    """The built-in last page."""
    return render_page("message.html", title="Done", text="Everything is set up. You can close this page.")


def _current_page(world: World, token: str) -> Response:
    company, visit = visits.find_visit(world, token)
    platform = PLATFORMS[visit["accountingKey"]]
    connection = _linked_connection(company, platform.key)
    if connection is None:
        return render_page("connect.html", here=_visit_path(token), company=company, platform=platform)
    if any(data_type not in connection.pulled for data_type in MAPPING_TYPES):
        return render_page("reading.html", company=company, platform=platform)
    return _form_page(world, token, company)


def _form_page(
    world: World,
    token: str,
    company: CompanyRecord,
    *,
    status: int = 200,
    complaints: tuple[str, ...] = (),
    shown_document: dict[str, Any] | None = None,
) -> Response:
    last_sync = sync_log.last_success_began_at(world, company.id)
    schedule = sync_schedule.company_schedule(company)
    return render_page(
        "mapping.html",
        status,
        here=_visit_path(token),
        company=company,
        sections=_form_sections(world, company, shown_document),
        complaints=complaints,
        last_sync=last_sync,
        next_sync=sync_schedule.next_due(schedule, world.now()) if schedule else None,
    )


def _form_sections(
    world: World, company: CompanyRecord, shown_document: dict[str, Any] | None = None
) -> list[FormSection]:
    captions = api_ui_text.captions(world, _LOCALE)
    return sections(
        shown_document or configuration_document.to_json(company),
        lambda key, fallback: captions.get(key) or fallback,
        api_visible_accounts.visible_rows(world, COMMERCE_KEY),
        f"{world.now():%Y-%m-%d}",
    )


def _error_messages(error: ApiError) -> tuple[str, ...]:
    return tuple(item.message for item in error.validation) or (error.error,)


def _linked_connection(company: CompanyRecord, platform_key: str) -> ConnectionRecord | None:
    for connection in company.connections:
        if connection.platform == platform_key and connection.status == "Linked":
            return connection
    return None


def _visit_path(token: str) -> str:
    return f"/sync-flow/{token}"


def _exit_url(visit: dict[str, Any], company: CompanyRecord, token: str) -> str:
    if not visit["redirectUrl"]:
        return f"{_visit_path(token)}/done"
    return redirect_target(visit["redirectUrl"], {"companyId": company.id})


routes = [
    Route("/{clientId}/{commerceKey}/{accountingKey}/start", open_flow, methods=["GET"]),
    Route("/sync-flow/{visit}", show_current_page, methods=["GET"]),
    Route("/sync-flow/{visit}/done", show_last_page, methods=["GET"]),
    Route("/sync-flow/{visit}/connect", connect, methods=["POST"]),
    Route("/sync-flow/{visit}/configuration", save, methods=["POST"]),
    Route("/sync-flow/{visit}/sever", sever, methods=["POST"]),
]
