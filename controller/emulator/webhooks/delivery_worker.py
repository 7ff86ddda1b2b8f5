"""Delivers what is in the outbox to the endpoints, and retries as `retry_policy` says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin

import aiohttp

from controller.emulator.http.api_profile import current_profile
from controller.emulator.service.clock import format_timestamp, parse_timestamp
from controller.emulator.service.world import ServiceEvent, World
from controller.emulator.webhooks import consumers, outbox, retry_policy
from controller.emulator.webhooks.retry_policy import EndpointReply
from controller.emulator.webhooks.signing import signature

_MAX_CONCURRENT_ATTEMPTS = 32
_MAX_REDIRECTS = 5


class DeliveryWorker:
    """One per world. Attempts run on the event loop beside requests; waits are on the emulated clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._running_tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT_ATTEMPTS)

    def start_queued_delivery(self, event: ServiceEvent) -> None:
        """Start the first attempt of a delivery that was just queued."""
        if event.name == outbox.DELIVERY_QUEUED:
            self.start_attempt(event.details["delivery"])

    def resume(self) -> None:
        """Schedule the pending deliveries again, after a restart."""
        for delivery in outbox.deliveries(self._world).values():
            if delivery["state"] == "pending":
                due = parse_timestamp(delivery["next"]) if delivery["next"] else self._world.now()
                self._world.scheduler.call_at(due, partial(self.start_attempt, delivery["id"]))

    def start_attempt(self, delivery_id: str) -> None:
        """Start one attempt in a task of its own."""
        if delivery_id in outbox.deliveries(self._world):
            outbox.update_delivery(self._world, delivery_id, next=None)
        task = asyncio.get_running_loop().create_task(self._attempt(delivery_id))
        self._running_tasks.add(task)
        task.add_done_callback(self._running_tasks.discard)

    async def _attempt(self, delivery_id: str) -> None:
        async with self._slots:
            delivery = self._find_pending_or_drop(delivery_id)
            if delivery is None:
                return
            began = self._world.now()
            reply = await _post_delivery(delivery["url"], _delivery_headers(self._world, delivery), delivery)
        # A reset may have removed the delivery meanwhile, or its consumer was disabled or deleted.
        if self._find_pending_or_drop(delivery_id) is not None:
            self._record_and_schedule_next(delivery_id, began, reply)

    def _find_pending_or_drop(self, delivery_id: str) -> outbox.DeliveryRow | None:
        delivery = outbox.deliveries(self._world).get(delivery_id)
        if delivery is None or delivery["state"] != "pending":
            return None
        if delivery["generation"] == "newer":
            endpoint = consumers.all_consumers(self._world).get(delivery["endpointId"])
            if endpoint is None or endpoint["consumer"]["disabled"]:
                outbox.update_delivery(self._world, delivery_id, state="dropped", next=None)
                return None
        return delivery

    def _record_and_schedule_next(self, delivery_id: str, began: datetime, reply: EndpointReply) -> None:
        """Record how an attempt went, and schedule the next one, if there is one."""
        world, delivery = self._world, outbox.deliveries(self._world)[delivery_id]
        attempts = [*delivery["attempts"], {"at": format_timestamp(began), "status": reply.status}]
        if delivery["generation"] == "newer":
            _update_consumer_health(world, delivery["endpointId"], reply)
        if reply.is_accepted:
            outbox.update_delivery(world, delivery_id, attempts=attempts, state="delivered", next=None)
            return
        delay = retry_policy.retry_delay(delivery["generation"], len(attempts), reply, datetime.now(UTC))
        if delay is None:
            outbox.update_delivery(world, delivery_id, attempts=attempts, state="failed", next=None)
            return
        due = world.now() + delay
        outbox.update_delivery(world, delivery_id, attempts=attempts, next=format_timestamp(due))
        world.scheduler.call_at(due, partial(self.start_attempt, delivery_id))


def _update_consumer_health(world: World, consumer_id: str, reply: EndpointReply) -> None:
    """Record whether a consumer is failing; one that has failed everything for five days is disabled."""
    since = consumers.find(world, consumer_id)["failingSince"]
    now = world.now()
    if reply.is_accepted:
        consumers.update(world, consumer_id, failingSince=None)
    elif since is None:
        consumers.update(world, consumer_id, failingSince=format_timestamp(now))
    elif now - parse_timestamp(since) >= retry_policy.DISABLE_AFTER:
        consumers.update(world, consumer_id, disabled=True)


def _delivery_headers(world: World, delivery: outbox.DeliveryRow) -> dict[str, str]:
    """The headers of a delivery: signed for the newer generation, the client's fixed header for legacy rules."""
    common = {"Content-Type": "application/json"}
    if delivery["generation"] == "legacy":
        alert_header = current_profile(world)["alertAuthHeader"]
        return {
            **common,
            "X-Codat-ClientId": world.account,
            **({"Authorization": alert_header} if alert_header else {}),
        }
    endpoint = consumers.find(world, delivery["endpointId"])
    # Receivers compare the timestamp with their own clock, which is the real one.
    timestamp = int(datetime.now(UTC).timestamp())
    prefix, message_id = endpoint["prefix"], delivery["messageId"]
    signed = signature(endpoint["secret"], message_id, timestamp, delivery["body"].encode())
    return {
        **common,
        **endpoint["headers"],
        f"{prefix}-id": message_id,
        f"{prefix}-timestamp": str(timestamp),
        f"{prefix}-signature": signed,
    }


async def _post_delivery(url: str, headers: dict[str, str], delivery: outbox.DeliveryRow) -> EndpointReply:
    """One attempt; a legacy one follows redirects, posting again where they point."""
    timeout = aiohttp.ClientTimeout(total=retry_policy.DELIVERY_TIMEOUT_S)
    body: bytes = delivery["body"].encode()
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            reply = await _post_once(session, url, headers, body)
            hops = _MAX_REDIRECTS if delivery["generation"] == "legacy" else 0
            while reply.is_redirect and hops:
                url, hops = urljoin(url, reply.location or ""), hops - 1
                reply = await _post_once(session, url, headers, body)
            return reply
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return EndpointReply(None)


async def _post_once(session: aiohttp.ClientSession, url: str, headers: dict[str, str], body: bytes) -> EndpointReply:
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        response_headers: Any = response.headers
        return EndpointReply(response.status, response_headers.get("Retry-After"), response_headers.get("Location"))
