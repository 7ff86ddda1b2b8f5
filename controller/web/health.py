"""For machines: does the process answer, should anything be sent to it, and its metrics."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from controller.reporting.metrics import CONTENT_TYPE, exposition
from controller.web.ports import Window


async def healthz(request: Request) -> Response:
    """200 as long as the loop turns."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """200, or 503 with the reason."""
    window: Window = request.app.state.window
    why = window.ready()
    return PlainTextResponse(f"{why or 'ready'}\n", 503 if why else 200)


async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    window: Window = request.app.state.window
    return Response(exposition(window.meters, window.latest(), running_version()), media_type=CONTENT_TYPE)


@cache
def running_version() -> str:
    return version("merchantctl")
