"""The outbox of webhook deliveries: one row per event and endpoint. `delivery_worker` sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict
from uuid import uuid4

from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.world import World
from controller.emulator.webhooks.retry_policy import Generation

DELIVERY_QUEUED = "delivery.entered"
"""The event that tells the delivery worker of a new row."""

_MAX_DELIVERIES_KEPT = 2000


class DeliveryRow(TypedDict):
    """One delivery.

    endpointId  id of the consumer, or of the legacy rule
    messageId   the same when a message is sent again
    state       `pending`, `delivered`, `failed` or `dropped`
    next        timestamp of the next attempt, None while one runs or none is due
    attempts    {"at", "status"} of each
    """

    id: str
    generation: Generation
    endpointId: str
    url: str
    messageId: str
    eventType: str
    companyId: str
    body: str
    state: str
    created: str
    next: str | None
    attempts: list[dict[str, Any]]


def deliveries(world: World) -> Mapping[str, DeliveryRow]:
    """All stored deliveries by id, oldest first."""
    return world.table("deliveries")


def queue_delivery(
    world: World, generation: Generation, endpoint_id: str, url: str, message: Mapping[str, Any], company_id: str
) -> str:
    """Queue a message for an endpoint; its bytes are the same at every attempt. Returns the delivery's id."""
    return _enqueue_delivery(
        world,
        {
            "generation": generation,
            "endpointId": endpoint_id,
            "url": url,
            "messageId": message.get("id") or message["AlertId"],
            "eventType": message.get("eventType") or message["RuleType"],
            "companyId": company_id,
            "body": json.dumps(message, ensure_ascii=False),
        },
    )


def queue_again(world: World, delivery: DeliveryRow) -> str:
    """Deliver the same message once more, to the same endpoint. The new delivery's id."""
    copied_fields = ("generation", "endpointId", "url", "messageId", "eventType", "companyId", "body")
    return _enqueue_delivery(world, {key: value for key, value in delivery.items() if key in copied_fields})


def update_delivery(world: World, delivery_id: str, **changes: Any) -> DeliveryRow:
    """Set fields of a delivery."""
    table = world.table("deliveries")
    table[delivery_id] = {**table[delivery_id], **changes}
    return deliveries(world)[delivery_id]


def _enqueue_delivery(world: World, message: dict[str, Any]) -> str:
    table = world.table("deliveries")
    delivery_id = str(uuid4())
    table[delivery_id] = {
        "id": delivery_id,
        "state": "pending",
        "created": format_timestamp(world.now()),
        "next": None,
        "attempts": [],
        **message,
    }
    if len(table) > _MAX_DELIVERIES_KEPT:
        finished = [key for key, row in table.items() if row["state"] != "pending"]
        for key in finished[: _MAX_DELIVERIES_KEPT // 2]:
            del table[key]
    world.emit(DELIVERY_QUEUED, message["companyId"], delivery=delivery_id)
    return delivery_id
