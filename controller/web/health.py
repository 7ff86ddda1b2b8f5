"""Endpoints for machines: liveness, readiness and metrics."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from controller.telemetry.metrics import CONTENT_TYPE, exposition
from controller.web.context import WebContext


async def healthz(request: Request) -> Response:
    """GET /healthz: 200 while the event loop runs, also while it waits for another run: a restart would not help."""
    context: WebContext = request.app.state.web_context
    lock_wait = context.waiting()
    return PlainTextResponse(f"ok; {lock_wait}\n" if lock_wait else "ok\n")


async def readyz(request: Request) -> Response:
    """GET /readyz: 200, or 503 with the reason."""
    context: WebContext = request.app.state.web_context
    reason = context.not_ready_reason()
    return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)


async def metrics(request: Request) -> Response:
    """GET /metrics, in Prometheus' text format."""
    context: WebContext = request.app.state.web_context
    return Response(exposition(context.metrics, context.latest(), running_version()), media_type=CONTENT_TYPE)


@cache
def running_version() -> str:
    """The installed version of merchantctl."""
    return version("merchantctl")
