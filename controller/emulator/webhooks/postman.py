"""Carries deliveries from the outbox to their endpoints, with the patience of `habits`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin

import aiohttp

from controller.emulator.clock import instant, stamp
from controller.emulator.profile import profile
from controller.emulator.webhooks import consumers, habits, outbox
from controller.emulator.webhooks.habits import Reply
from controller.emulator.webhooks.signing import signature
from controller.emulator.world import CLIENT_ID, Event, World

_AT_ONCE = 32
_MOST_HOPS = 5


class Postman:
    """One per world. Attempts run on the event loop beside requests; waits are on the emulated clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._under_way: set[asyncio.Task[None]] = set()
        self._doors = asyncio.Semaphore(_AT_ONCE)

    def hear(self, event: Event) -> None:
        """Set out with what was just entered."""
        if event.name == outbox.ENTERED:
            self.set_out(event.details["delivery"])

    def resume(self) -> None:
        """Take up again what a restart interrupted."""
        for delivery in outbox.deliveries(self._world).values():
            if delivery["state"] == "pending":
                due = instant(delivery["next"]) if delivery["next"] else self._world.now()
                self._world.agenda.at(due, partial(self.set_out, delivery["id"]))

    def set_out(self, delivery_id: str) -> None:
        """Begin one attempt."""
        if delivery_id in outbox.deliveries(self._world):
            outbox.note(self._world, delivery_id, next=None)
        task = asyncio.get_running_loop().create_task(self._attempt(delivery_id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _attempt(self, delivery_id: str) -> None:
        async with self._doors:
            delivery = self._still_wanted(delivery_id)
            if delivery is None:
                return
            began = self._world.now()
            reply = await _posted(delivery["url"], _headers(self._world, delivery), delivery)
        if self._still_wanted(delivery_id) is not None:
            self._file(delivery_id, began, reply)

    def _still_wanted(self, delivery_id: str) -> outbox.Delivery | None:
        delivery = outbox.deliveries(self._world).get(delivery_id)
        if delivery is None or delivery["state"] != "pending":
            return None
        if delivery["generation"] == "newer":
            endpoint = consumers.endpoints(self._world).get(delivery["endpointId"])
            if endpoint is None or endpoint["consumer"]["disabled"]:
                outbox.note(self._world, delivery_id, state="dropped", next=None)
                return None
        return delivery

    def _file(self, delivery_id: str, began: datetime, reply: Reply) -> None:
        """Note how an attempt went, and enter the next one if there is to be one."""
        world, delivery = self._world, outbox.deliveries(self._world)[delivery_id]
        attempts = [*delivery["attempts"], {"at": stamp(began), "status": reply.status}]
        if delivery["generation"] == "newer":
            _judge(world, delivery["endpointId"], reply)
        if reply.accepted:
            outbox.note(world, delivery_id, attempts=attempts, state="delivered", next=None)
            return
        wait = habits.wait(delivery["generation"], len(attempts), reply, datetime.now(UTC))
        if wait is None:
            outbox.note(world, delivery_id, attempts=attempts, state="failed", next=None)
            return
        due = world.now() + wait
        outbox.note(world, delivery_id, attempts=attempts, next=stamp(due))
        world.agenda.at(due, partial(self.set_out, delivery_id))


def _judge(world: World, consumer_id: str, reply: Reply) -> None:
    """An endpoint that has failed everything for five days is disabled."""
    since = consumers.find(world, consumer_id)["failingSince"]
    now = world.now()
    if reply.accepted:
        consumers.amend(world, consumer_id, failingSince=None)
    elif since is None:
        consumers.amend(world, consumer_id, failingSince=stamp(now))
    elif now - instant(since) >= habits.DISABLED_AFTER:
        consumers.amend(world, consumer_id, disabled=True)


def _headers(world: World, delivery: outbox.Delivery) -> dict[str, str]:
    """Signed for the newer service; the client's one fixed header for the legacy rules."""
    common = {"Content-Type": "application/json"}
    if delivery["generation"] == "legacy":
        fixed = profile(world)["alertAuthHeader"]
        return {**common, "X-Codat-ClientId": CLIENT_ID, **({"Authorization": fixed} if fixed else {})}
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


async def _posted(url: str, headers: dict[str, str], delivery: outbox.Delivery) -> Reply:
    """One attempt; a legacy one follows redirects, posting again where they point."""
    timeout = aiohttp.ClientTimeout(total=habits.TIMEOUT_SECONDS)
    body: bytes = delivery["body"].encode()
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            reply = await _post_once(session, url, headers, body)
            hops = _MOST_HOPS if delivery["generation"] == "legacy" else 0
            while reply.redirects and hops:
                url, hops = urljoin(url, reply.location or ""), hops - 1
                reply = await _post_once(session, url, headers, body)
            return reply
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return Reply(None)


async def _post_once(session: aiohttp.ClientSession, url: str, headers: dict[str, str], body: bytes) -> Reply:
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        found: Any = response.headers
        return Reply(response.status, found.get("Retry-After"), found.get("Location"))
