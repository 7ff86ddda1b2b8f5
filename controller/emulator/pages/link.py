"""What a merchant's browser sees: the link page and the platform picker. Plain HTML, no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from controller.emulator.http import api_profile
from controller.emulator.http.handler_helpers import world_of
from controller.emulator.pages.mapping_form import Form
from controller.emulator.service import books, companies, connections
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.platforms import PLATFORMS
from controller.emulator.service.world import World

_PAGE_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
CANCELLED = {
    "statusCode": "403",
    "statusText": "Forbidden",
    "errorMessage": "The merchant cancelled the authorization.",
}


_PAGE_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
}
"""Nobody may frame a page on which a merchant gives consent."""


def render_page(template: str, status: int = 200, **content: Any) -> Response:
    """A rendered template."""
    return Response(
        _PAGE_TEMPLATES.get_template(template).render(**content), status, _PAGE_SECURITY_HEADERS, media_type="text/html"
    )


def redirect(url: str) -> Response:
    """Send the browser on, with a GET."""
    return RedirectResponse(url, status_code=303)


async def read_form(request: Request) -> Form:
    """The fields of a submitted form; empty ones too."""
    return parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)


def form_value(form: Form, name: str) -> str:
    """A field's only value, or nothing."""
    return (form.get(name) or [""])[0]


def redirect_target(url: str, fields: dict[str, str]) -> str:
    """Where a redirect URL leads: `{placeholders}` filled, a missing scheme supplied (API notes 3.2)."""
    for name, value in fields.items():
        url = url.replace(f"{{{name}}}", value)
    return url if "://" in url else f"https://{url}"


async def show_link(request: Request) -> Response:
    """The page behind `linkUrl`: which books, and a button that authorises."""
    world = world_of(request)
    company, connection = _find_connection(request, world)
    return render_page(
        "link.html",
        company=company,
        connection=connection,
        platform=PLATFORMS[connection.platform],
        books_name=_books_name(company, connection),
    )


async def submit_link(request: Request) -> Response:
    """The merchant authorises or cancels, and is sent to the client's redirect URL or a plain last page."""
    world, form = world_of(request), await read_form(request)
    company, connection = _find_connection(request, world)
    if form_value(form, "action") == "cancel":
        connections.record_link_failure(world, company.id, connection.id, CANCELLED)
        return _redirect_or_last_page(world, company, connection, "403", CANCELLED["errorMessage"])
    code = "201" if connection.status == "Linked" else "200"
    authorise_books(world, company, connection, form_value(form, "books"))
    return _redirect_or_last_page(world, company, connection, code, "")


async def show_picker(request: Request) -> Response:
    """The page behind a company's `redirect`: which accounting software is it?"""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    platforms = [
        platform for platform in PLATFORMS.values() if platform.enabled and platform.source_type == "Accounting"
    ]
    return render_page("picker.html", company=company, platforms=sorted(platforms, key=lambda platform: platform.name))


async def pick_platform(request: Request) -> Response:
    """On to the link page of that platform's connection, made anew if there is none."""
    world, form = world_of(request), await read_form(request)
    company = companies.find(world, request.path_params["companyId"])
    connection = find_or_create_connection(world, company, form_value(form, "platform"))
    return redirect(f"/companies/{company.id}/connections/{connection.id}/start")


def find_or_create_connection(world: World, company: CompanyRecord, platform_key: str) -> ConnectionRecord:
    """The company's connection to a platform, or a new one (API notes 3.5). Raises ApiError 404."""
    for connection in company.connections:
        if connection.platform == platform_key:
            return connection
    return connections.create(world, company.id, platform_key)


def authorise_books(world: World, company: CompanyRecord, connection: ConnectionRecord, books_name: str) -> None:
    """Consent, to books of a name that the merchant may have changed on the page."""
    if books_name and books_name != _books_name(company, connection):
        books.rename_books(world, company.id, connection.platform, books_name)
    connections.authorise(world, company.id, connection.id)


def error_page(error: ApiError) -> Response:
    """An error as a browser may see it."""
    return render_page("message.html", error.status, title=str(error.status), text=error.error)


def _redirect_or_last_page(
    world: World, company: CompanyRecord, connection: ConnectionRecord, code: str, error_message: str
) -> Response:
    url = api_profile.current_profile(world)["redirectUrl"]
    if not url:
        text = error_message or "You are connected. You can close this page."
        return render_page("message.html", title="Done" if not error_message else "Not connected", text=text)
    platform = PLATFORMS[connection.platform]
    fields = {
        "clientId": world.account,
        "companyId": company.id,
        "connectionId": connection.id,
        "integrationId": platform.integration_id,
        "sourceId": platform.source_id,
        "platform": platform.key,
        "platformName": platform.name,
        "sourceType": platform.source_type,
        "statusCode": code,
        "errorMessage": error_message,
        "statusText": CANCELLED["statusText"] if error_message else "OK",
    }
    return redirect(redirect_target(url, fields))


def _find_connection(request: Request, world: World) -> tuple[CompanyRecord, ConnectionRecord]:
    company = companies.find(world, request.path_params["companyId"])
    return company, connections.find(company, request.path_params["connectionId"])


def _books_name(company: CompanyRecord, connection: ConnectionRecord) -> str:
    if PLATFORMS[connection.platform].source_type != "Accounting":
        return ""
    return str(books.rows(company, connection.platform, "company")[0]["companyName"])


routes = [
    Route("/companies/{companyId}/connections/{connectionId}/start", show_link, methods=["GET"]),
    Route("/companies/{companyId}/connections/{connectionId}/start", submit_link, methods=["POST"]),
    Route("/company/{companyId}", show_picker, methods=["GET"]),
    Route("/company/{companyId}", pick_platform, methods=["POST"]),
]
