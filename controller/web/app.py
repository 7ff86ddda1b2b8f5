"""The web application, and the guard at its door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.web import dashboard, health, merchant, pages, webhook
from controller.web.board import Boards
from controller.web.ports import Window

_FOR_MACHINES = {"/webhooks", "/healthz", "/readyz", "/metrics"}

_ROUTES = (
    Route("/", dashboard.show, methods=["GET"]),
    Route("/merchants/{name:path}", merchant.show, methods=["GET"]),
    Route("/webhooks", webhook.receive, methods=["POST"]),
    Route("/healthz", health.healthz, methods=["GET"]),
    Route("/readyz", health.readyz, methods=["GET"]),
    Route("/metrics", health.metrics, methods=["GET"]),
    Route("/style.css", pages.style, methods=["GET"]),
    Route("/refresh.js", pages.script, methods=["GET"]),
)

_NOT_OUR_NAME = (
    "This page is for browsers on its own machine: open it by 127.0.0.1 or localhost. "
    "A proxy in front of it has to send such a name as Host.\n"
)


def create_app(opening: Callable[[], AbstractAsyncContextManager[Window]]) -> Starlette:
    """Serves what a window shows, which is opened in the loop that serves it. Nothing in it writes but the inbox."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opening() as app.state.window:
            yield

    app = Starlette(
        routes=_ROUTES, exception_handlers={404: _not_found}, middleware=[Middleware(OwnNameOnly)], lifespan=lifespan
    )
    app.state.boards = Boards()
    return app


async def _not_found(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and request.method == "GET":
        return merchant.missing("There is no such page.")
    return PlainTextResponse("not found\n", 404)


class OwnNameOnly:
    """Who comes over loopback must have called us by a name of loopback.

    There is no login: a page of a stranger, open in a browser on this machine, could otherwise point its own name at
    us and read along (DNS rebinding). What is for machines has proofs of its own, or nothing to hide.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _welcome(Request(scope)):
            await self._app(scope, receive, send)
            return
        await PlainTextResponse(_NOT_OUR_NAME, 421)(scope, receive, send)


def _welcome(request: Request) -> bool:
    server = request.scope.get("server")
    if request.scope["path"] in _FOR_MACHINES or not server or not _is_loopback(server[0]):
        return True
    try:
        return _is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
