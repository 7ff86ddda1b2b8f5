"""What is to be delivered, and how it fared: one row per event and endpoint. The postman carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from controller.emulator.clock import stamp
from controller.emulator.webhooks.habits import Generation
from controller.emulator.world import World

ENTERED = "delivery.entered"
"""The event that tells the postman of a new row."""

_KEPT = 2000

Delivery = Mapping[str, Any]


def deliveries(world: World) -> Mapping[str, Delivery]:
    """All that is remembered, oldest first, by delivery id."""
    return world.table("deliveries")


def enter(
    world: World, generation: Generation, endpoint_id: str, url: str, told: Mapping[str, Any], company_id: str
) -> str:
    """Have `told` delivered; its bytes are settled now and the same at every attempt. The delivery's id."""
    return _put_in(
        world,
        {
            "generation": generation,
            "endpointId": endpoint_id,
            "url": url,
            "messageId": told.get("id") or told["AlertId"],
            "eventType": told.get("eventType") or told["RuleType"],
            "companyId": company_id,
            "body": json.dumps(told, ensure_ascii=False),
        },
    )


def again(world: World, delivery: Delivery) -> str:
    """Deliver the same message once more, to the same endpoint. The new delivery's id."""
    same = ("generation", "endpointId", "url", "messageId", "eventType", "companyId", "body")
    return _put_in(world, {key: delivery[key] for key in same})


def note(world: World, delivery_id: str, **changes: Any) -> Delivery:
    """The delivery with other facts."""
    table = world.table("deliveries")
    table[delivery_id] = {**table[delivery_id], **changes}
    return deliveries(world)[delivery_id]


def _put_in(world: World, message: dict[str, Any]) -> str:
    table = world.table("deliveries")
    delivery_id = str(uuid4())
    table[delivery_id] = {
        "id": delivery_id,
        "state": "pending",
        "created": stamp(world.now()),
        "next": None,
        "attempts": [],
        **message,
    }
    if len(table) > _KEPT:
        finished = [key for key, row in table.items() if row["state"] != "pending"]
        for key in finished[: _KEPT // 2]:
            del table[key]
    world.emit(ENTERED, message["companyId"], delivery=delivery_id)
    return delivery_id
