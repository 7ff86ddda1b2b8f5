"""Build responses, and send them: completely, truncated, or not at all."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.responses import Response
from starlette.types import Scope, Send

from controller.emulator.http.handler_helpers import json_response
from controller.emulator.service.errors import ApiError

Headers = list[tuple[bytes, bytes]]
_GATEWAY_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\n"
_GARBAGE_BODY = b"<html><body>upstream \xff\xfe says no"


def error_response(error: ApiError) -> Response:
    """An error as the API answers it."""
    response = json_response(error.body(), error.status)
    response.headers.update(error.headers)
    return response


def accepted_response() -> Response:
    """Placeholder for a call that completes late: its caller gets a gateway's error or no answer instead."""
    return Response(status_code=202)


def gateway_error_response(status: int) -> Response:
    """An error of a gateway in front of the API: an HTML page instead of JSON."""
    return Response(_GATEWAY_PAGE.format(status=status), status, media_type="text/html")


def garbage_response() -> Response:
    """200 with a body that is no JSON and no UTF-8."""
    return Response(_GARBAGE_BODY, media_type="application/json")


def date_header(now: datetime) -> tuple[bytes, bytes]:
    """The `Date` header with the emulated time: clients compute waits from it, not from their own clock."""
    return b"date", format_datetime(now, usegmt=True).encode()


async def send_response(send: Send, response: Response, more_headers: Headers) -> None:
    """Send a complete response."""
    await _send_start(send, response, more_headers)
    await send({"type": "http.response.body", "body": bytes(response.body)})


async def send_truncated(scope: Scope, send: Send, response: Response, more_headers: Headers) -> None:
    """Send the full content length and half of the body, then close the connection."""
    await _send_start(send, response, more_headers)
    body = bytes(response.body)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    _transport(scope).close()
    await asyncio.sleep(0)


async def abort_connection(scope: Scope) -> None:
    """Abort the connection without an answer."""
    _transport(scope).abort()
    await asyncio.sleep(0)


async def _send_start(send: Send, response: Response, more_headers: Headers) -> None:
    headers = [*response.raw_headers, *more_headers]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


def _transport(scope: Scope) -> Any:
    return scope["emulator.transport"]
