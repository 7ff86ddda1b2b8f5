"""Webhooks: authenticate a delivery, save it, enqueue its merchants, answer 202. Nothing else happens here.

answer  when                                     what Codat does then (API notes 6.3, 6.5)
202     saved, or known already                  is done
400     authentic, but no JSON object            legacy gives up, newer repeats: neither happens in earnest
401     not authentic, or not of now; not saved  legacy gives up; newer repeats for a day, time to correct a secret
404     no secret is set here                    as 401
408     the body was not completed               both repeat
413     longer than any event                    as 400
503     the state is locked or cannot be used    both repeat; kept in memory meanwhile (`unsaved_deliveries`)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from controller.web.context import WebContext, load_webhook_secrets
from controller.web.webhook_auth import NotProven, find_proof, webhook_header
from controller.web.webhook_payload import MAX_TEXT_LENGTH, WebhookEvent, parse_event
from state import DeliveryReceipt, ReceivedDelivery
from state.errors import StateProblem, StateUnreachable

MAX_BODY_BYTES = 1_000_000
"""Longest body. An event has a few thousand bytes."""

MAX_DELIVERIES_UNDER_WAY = 100
"""Deliveries that are being saved, or wait for the state to be, those included that were answered with 503."""

RETRY_AFTER_HEADER = "10"
"""Value of `Retry-After`, in seconds."""

log = structlog.get_logger()


async def receive_webhook(request: Request) -> Response:
    """POST /webhooks, for both generations of webhooks."""
    context: WebContext = request.app.state.web_context
    result = await _authenticate_save_and_enqueue(context, request)
    context.metrics.record_webhook_delivery(result)
    status, text = _RESPONSES[result]
    headers = {"Retry-After": RETRY_AFTER_HEADER} if status == 503 else {}
    return Response(text + "\n", status, headers, media_type="text/plain")


async def _authenticate_save_and_enqueue(context: WebContext, request: Request) -> str:
    """Authenticate and save a delivery; returns a key of `_RESPONSES`."""
    secrets = await load_webhook_secrets(context)
    if not secrets:
        return "no-secret"
    pieces = bytearray()
    try:
        async with asyncio.timeout(context.body_timeout_s):
            if not await read_body_within_limit(request, MAX_BODY_BYTES, pieces.extend):
                return "too-large"
    except (ClientDisconnect, TimeoutError):
        return "cut-short"
    body = bytes(pieces)
    now, service_now = context.now(), context.service_now()
    proof = find_proof(secrets, request.headers, body, {now, service_now})
    if isinstance(proof, NotProven):
        return "stale" if proof is NotProven.STALE else "not-proven"
    document = _parse_object(body)
    if document is None:
        return "no-json"
    event = parse_event(document)
    delivery = replace(_build_delivery(request, event, now), proof=proof, proven_at=service_now)
    return await _wait_or_leave_running(
        _save_and_enqueue(context, delivery, event.is_about_rate_limit), context.state_wait_s
    )


_RESPONSES = {
    "accepted": (202, "accepted"),
    "repeated": (202, "known already"),
    "nobodys": (202, "accepted; about no merchant of ours"),
    "rate-limit": (202, "noted"),
    "cut-short": (408, "the body did not come to its end"),
    "no-json": (400, "not a JSON object"),
    "not-proven": (401, "neither a signature by a known secret nor the agreed Authorization header"),
    "stale": (401, "the signature is right, but was made more than five minutes from now: sent anew, or a wrong clock"),
    "no-secret": (404, "no webhook secret is set here"),
    "too-large": (413, "too large for an event"),
    "unavailable": (503, "state unavailable; retry later"),
}


async def _save_and_enqueue(context: WebContext, delivery: ReceivedDelivery, is_about_rate_limit: bool) -> str:
    """Save a delivery, enqueue its merchants; returns a key of `_RESPONSES`."""
    try:
        receipt = await _save(context, delivery)
    except StateProblem as problem:
        log.warning("webhook_not_recorded", reason=str(problem))
        if isinstance(problem, StateUnreachable):
            context.unsaved.keep(delivery, partial(_save, context))
        return "unavailable"
    if not receipt.is_first:
        return "repeated"
    if is_about_rate_limit:
        log.warning("rate_limit_notice_received", event_type=delivery.event)
        return "rate-limit"
    return "accepted" if receipt.merchants else "nobodys"


async def _save(context: WebContext, delivery: ReceivedDelivery) -> DeliveryReceipt:
    # The look is asked for in the same transaction (decision 53): `enqueue` only wakes whoever waits for one.
    receipt = await context.store.inbox.save_and_schedule_looks(delivery)
    if receipt.merchants:
        context.enqueue(receipt.merchants)
    if receipt.is_new_proof and delivery.proof and delivery.proof.source:
        context.enqueue_account()  # a consumer that was replaced may go now
    return receipt


async def _wait_or_leave_running(recording: Coroutine[Any, Any, str], seconds: float) -> str:
    """Wait so long for the result. A slower write goes on by itself, and Codat's repetition finds it saved.

    Of too many that have to wait for the state no more are begun: each would come again and again, and all be kept.
    """
    if len(_running_tasks) >= MAX_DELIVERIES_UNDER_WAY:
        recording.close()
        return "unavailable"
    task = asyncio.ensure_future(recording)
    _running_tasks.add(task)
    task.add_done_callback(_running_tasks.discard)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return task.result() if done else "unavailable"


_running_tasks: set[asyncio.Future[str]] = set()
"""Keeps references: the event loop itself holds tasks only weakly, and one could be collected while it runs."""


def _build_delivery(request: Request, event: WebhookEvent, now: datetime) -> ReceivedDelivery:
    """The delivery of a request. One without any id gets a new one, so it is never taken for a repetition."""
    sent_id = webhook_header(request.headers, "id")
    header_id = sent_id if sent_id.isprintable() and len(sent_id) <= MAX_TEXT_LENGTH else ""
    return ReceivedDelivery(header_id or event.id or str(uuid4()), event.name, event.company_id, now)


async def read_body_within_limit(request: Request, max_bytes: int, on_piece: Callable[[bytes], object]) -> bool:
    """Hands `on_piece` the body piece by piece; False where it is longer, as declared or while it is read."""
    declared_length = request.headers.get("content-length", "")
    # Not all of its digits: Python refuses a number of more than 4,300 with a ValueError.
    if declared_length.isascii() and declared_length.isdigit() and int(declared_length[:20]) > max_bytes:
        return False
    length = 0
    async for piece in request.stream():
        length += len(piece)
        if length > max_bytes:
            return False
        on_piece(piece)
    return True


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
