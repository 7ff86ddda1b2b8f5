"""Webhooks: prove, remember, put the merchant's name into the queue, 202. Nothing else happens here.

answer  when                                     the service then (REFERENCE 6.3, 6.5)
202     remembered, or known already             is done
400     proven, but no JSON object               legacy gives up, newer repeats: neither happens in earnest
401     no valid proof; nothing is remembered    legacy gives up; newer repeats for a day, time to mend a secret
404     no secret is set here                    as 401
408     the body did not come to its end         both repeat
413     longer than any event                    as 400
503     our state is locked or out of order      both repeat
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from controller.web.event import LONGEST, Event, event_of
from controller.web.ports import Window
from controller.web.proof import proven, signed_header
from state import Delivery
from state.errors import StateProblem

LARGEST = 1_000_000
"""Bytes of a body. An event is a few thousand."""

PATIENCE = 3.0
"""Seconds to wait for the state before the service is asked to come again; it waits 15 for us (REFERENCE 6.5)."""

WHOLE_WITHIN = 10.0
"""Seconds in which a body must have come."""

AGAIN_AFTER = "10"
"""Seconds, for `Retry-After`."""

log = structlog.get_logger()


async def receive(request: Request) -> Response:
    """POST /webhooks, for both generations."""
    window: Window = request.app.state.window
    result = await _taken(window, request)
    window.meters.delivery(result)
    return _answer(result)


async def _taken(window: Window, request: Request) -> str:
    """What became of it, in a word of the table below."""
    if not window.secrets:
        return "no-secret"
    try:
        async with asyncio.timeout(WHOLE_WITHIN):
            body = await _body(request)
    except (ClientDisconnect, TimeoutError):
        return "cut-short"
    if body is None:
        return "too-large"
    if not proven(window.secrets, request.headers, body, window.now()):
        return "not-proven"
    document = _object(body)
    if document is None:
        return "no-json"
    event = event_of(document)
    return await _within_patience(_note(window, _delivery(request, event, window.now()), event.about_limits))


_ANSWERS = {
    "accepted": (202, "accepted"),
    "repeated": (202, "known already"),
    "nobodys": (202, "accepted; about no merchant of ours"),
    "rate-limit": (202, "noted"),
    "cut-short": (408, "the body did not come to its end"),
    "no-json": (400, "not a JSON object"),
    "not-proven": (401, "neither a fresh signature nor the agreed Authorization header"),
    "no-secret": (404, "no webhook secret is set here"),
    "too-large": (413, "too large for an event"),
    "unavailable": (503, "cannot be remembered now; come again"),
}


def _answer(result: str) -> Response:
    status, words = _ANSWERS[result]
    headers = {"Retry-After": AGAIN_AFTER} if status == 503 else {}
    return Response(words + "\n", status, headers, media_type="text/plain")


async def _note(window: Window, delivery: Delivery, about_limits: bool) -> str:
    """On disk first, then in the queue: a crash between the two is made good at the next start."""
    try:
        arrival = await window.store.remember_delivery(delivery)
    except StateProblem as problem:
        log.warning("webhook not remembered", why=str(problem))
        return "unavailable"
    if arrival.merchants:
        window.enqueue(arrival.merchants)
    if not arrival.first:
        return "repeated"
    if about_limits:
        log.warning("rate limit", said=delivery.event)
        return "rate-limit"
    return "accepted" if arrival.merchants else "nobodys"


async def _within_patience(note: Coroutine[Any, Any, str]) -> str:
    """A note that takes longer goes on by itself: the service comes again and finds it known."""
    task = asyncio.ensure_future(note)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    done, _ = await asyncio.wait({task}, timeout=PATIENCE)
    return task.result() if done else "unavailable"


_under_way: set[asyncio.Future[str]] = set()
"""The loop itself holds tasks only weakly."""


def _delivery(request: Request, event: Event, now: datetime) -> Delivery:
    """One without any id is never taken for a repetition: to look twice costs nothing."""
    told = signed_header(request.headers, "id")
    usable = told if told.isprintable() and len(told) <= LONGEST else ""
    return Delivery(usable or event.id or str(uuid4()), event.name, event.company_id, now)


async def _body(request: Request) -> bytes | None:
    """The raw bytes; None as soon as there are too many."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            return None
    return bytes(body)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
