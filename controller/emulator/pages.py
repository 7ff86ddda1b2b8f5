"""What a merchant's browser sees: the link page and the platform picker. Plain HTML, no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from controller.emulator import books, companies, connections, profile
from controller.emulator.api import world_of
from controller.emulator.errors import ApiError
from controller.emulator.mapping_form import Form
from controller.emulator.platforms import PLATFORMS, Platform
from controller.emulator.records import Company, Connection
from controller.emulator.world import CLIENT_ID, World

_TEMPLATES = Environment(
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


def page(template: str, status: int = 200, **content: Any) -> Response:
    """A rendered template."""
    return Response(_TEMPLATES.get_template(template).render(**content), status, media_type="text/html")


def to(url: str) -> Response:
    """Send the browser on, with a GET."""
    return RedirectResponse(url, status_code=303)


async def form_of(request: Request) -> Form:
    """The fields of a submitted form; empty ones too."""
    return parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)


def first(form: Form, name: str) -> str:
    """A field's only value, or nothing."""
    return (form.get(name) or [""])[0]


def redirect_target(url: str, fields: dict[str, str]) -> str:
    """Where a redirect URL leads: `{placeholders}` filled, a missing scheme supplied (REFERENCE 3.2)."""
    for name, value in fields.items():
        url = url.replace(f"{{{name}}}", value)
    return url if "://" in url else f"https://{url}"


async def show_link(request: Request) -> Response:
    """The page behind `linkUrl`: which books, and a button that authorises."""
    world = world_of(request)
    company, connection = _addressed(request, world)
    return page(
        "link.html",
        company=company,
        connection=connection,
        platform=PLATFORMS[connection.platform],
        books_name=_books_name(company, connection),
    )


async def follow_link(request: Request) -> Response:
    """The merchant authorises or cancels, and is sent to the client's redirect URL or a plain last page."""
    world, form = world_of(request), await form_of(request)
    company, connection = _addressed(request, world)
    if first(form, "action") == "cancel":
        connections.fail(world, company.id, connection.id, CANCELLED)
        return _finished(world, company, connection, "403", CANCELLED["errorMessage"])
    code = "201" if connection.status == "Linked" else "200"
    authorise(world, company, connection, first(form, "books"))
    return _finished(world, company, connection, code, "")


async def show_picker(request: Request) -> Response:
    """The page behind a company's `redirect`: which accounting software is it?"""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    offered = [each for each in PLATFORMS.values() if each.enabled and each.source_type == "Accounting"]
    return page("picker.html", company=company, platforms=sorted(offered, key=_by_name))


async def pick(request: Request) -> Response:
    """On to the link page of that platform's connection, made anew if there is none."""
    world, form = world_of(request), await form_of(request)
    company = companies.find(world, request.path_params["companyId"])
    connection = connection_for(world, company, first(form, "platform"))
    return to(f"/companies/{company.id}/connections/{connection.id}/start")


def connection_for(world: World, company: Company, platform_key: str) -> Connection:
    """The company's connection to a platform, or a new one (REFERENCE 3.5). Raises ApiError 404."""
    for connection in company.connections:
        if connection.platform == platform_key:
            return connection
    return connections.create(world, company.id, platform_key)


def authorise(world: World, company: Company, connection: Connection, books_name: str) -> None:
    """Consent, to books of a name that the merchant may have changed on the page."""
    if books_name and books_name != _books_name(company, connection):
        books.rename_company(world, company.id, connection.platform, books_name)
    connections.authorise(world, company.id, connection.id)


def refused(error: ApiError) -> Response:
    """An error as a browser may see it."""
    return page("message.html", error.status, title=str(error.status), text=error.error)


def _finished(world: World, company: Company, connection: Connection, code: str, error_message: str) -> Response:
    url = profile.profile(world)["redirectUrl"]
    if not url:
        text = error_message or "You are connected. You can close this page."
        return page("message.html", title="Done" if not error_message else "Not connected", text=text)
    platform = PLATFORMS[connection.platform]
    fields = {
        "clientId": CLIENT_ID,
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
    return to(redirect_target(url, fields))


def _addressed(request: Request, world: World) -> tuple[Company, Connection]:
    company = companies.find(world, request.path_params["companyId"])
    return company, connections.find(company, request.path_params["connectionId"])


def _books_name(company: Company, connection: Connection) -> str:
    if PLATFORMS[connection.platform].source_type != "Accounting":
        return ""
    return str(books.rows(company, connection.platform, "company")[0]["companyName"])


def _by_name(platform: Platform) -> str:
    return platform.name


routes = [
    Route("/companies/{companyId}/connections/{connectionId}/start", show_link, methods=["GET"]),
    Route("/companies/{companyId}/connections/{connectionId}/start", follow_link, methods=["POST"]),
    Route("/company/{companyId}", show_picker, methods=["GET"]),
    Route("/company/{companyId}", pick, methods=["POST"]),
]
