"""The web application: pages for people, webhooks, health and metrics; on one port, or on several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Flag, auto

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controller.web import dashboard, git_webhook, health, merchant, rendering, webhook
from controller.web.access import AccessMiddleware, AccessPolicy
from controller.web.context import WebContext
from controller.web.dashboard_view import DashboardViewCache


class PortContent(Flag):
    """What is served on a port. Health is served on each."""

    PAGES = auto()
    WEBHOOKS = auto()
    METRICS = auto()


ALL_CONTENT = PortContent.PAGES | PortContent.WEBHOOKS | PortContent.METRICS

_ROUTES = {
    PortContent.PAGES: (
        Route("/", dashboard.show, methods=["GET"]),
        Route("/merchants/{name:path}", merchant.show, methods=["GET"]),
        Route("/style.css", rendering.stylesheet, methods=["GET"]),
        Route("/refresh.js", rendering.refresh_script, methods=["GET"]),
    ),
    PortContent.WEBHOOKS: (
        Route("/webhooks", webhook.receive_webhook, methods=["POST"]),
        Route("/webhooks/", webhook.receive_webhook, methods=["POST"]),
        Route("/webhooks/git", git_webhook.receive_push, methods=["POST"]),
    ),
    PortContent.METRICS: (Route("/metrics", health.metrics, methods=["GET"]),),
}
_HEALTH_ROUTES = (
    Route("/healthz", health.healthz, methods=["GET"]),
    Route("/readyz", health.readyz, methods=["GET"]),
)


def create_app(
    open_context: Callable[[], AbstractAsyncContextManager[WebContext]],
    access: AccessPolicy = AccessPolicy(),
    serves: PortContent = ALL_CONTENT,
) -> Starlette:
    """The application. Its only write is to the inbox of deliveries.

    open_context  opened in the event loop that serves, since the store's connections belong to one loop
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_context() as app.state.web_context:
            yield

    app = Starlette(
        routes=[
            *_HEALTH_ROUTES,
            *(route for content, routes in _ROUTES.items() if content in serves for route in routes),
        ],
        exception_handlers={404: _not_found},
        middleware=[Middleware(AccessMiddleware, access)],
        lifespan=lifespan,
    )
    app.state.view_cache = DashboardViewCache()
    return app


async def _not_found(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and request.method == "GET":
        return merchant.not_found_page("There is no such page.")
    return PlainTextResponse("not found\n", 404)
