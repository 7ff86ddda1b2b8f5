"""Answers onto the wire: whole, cut short, or not at all."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.responses import Response
from starlette.types import Scope, Send

from controller.emulator.api import answer
from controller.emulator.errors import ApiError

Headers = list[tuple[bytes, bytes]]
_GARBAGE = b"<html><body>upstream \xff\xfe says no"


def refusal(error: ApiError) -> Response:
    """An error as the API answers it."""
    response = answer(error.body(), error.status)
    response.headers.update(error.headers)
    return response


def garbage() -> Response:
    """200 with what is no JSON, as some gateway might say."""
    return Response(_GARBAGE, media_type="application/json")


def date(now: datetime) -> tuple[bytes, bytes]:
    """The `Date` of an answer given at that emulated moment: a caller reckons waits from it, not from its own clock."""
    return b"date", format_datetime(now, usegmt=True).encode()


async def whole(send: Send, response: Response, more_headers: Headers) -> None:
    """The answer."""
    await _begin(send, response, more_headers)
    await send({"type": "http.response.body", "body": bytes(response.body)})


async def cut_short(scope: Scope, send: Send, response: Response, more_headers: Headers) -> None:
    """The answer's length and half of its body, then the connection ends."""
    await _begin(send, response, more_headers)
    body = bytes(response.body)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    _transport(scope).close()
    await asyncio.sleep(0)


async def hang_up(scope: Scope) -> None:
    """The connection ends without a word."""
    _transport(scope).abort()
    await asyncio.sleep(0)


async def _begin(send: Send, response: Response, more_headers: Headers) -> None:
    headers = [*response.raw_headers, *more_headers]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


def _transport(scope: Scope) -> Any:
    return scope["emulator.transport"]
