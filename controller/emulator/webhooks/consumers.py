"""Webhook consumers of the newer generation (API notes 3.15; endpoint 46)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.api_profile import current_profile
from controller.emulator.http.handler_helpers import empty_response, json_object, json_response, world_of
from controller.emulator.service import companies
from controller.emulator.service.errors import ApiError, not_valid
from controller.emulator.service.world import ServiceEvent, World
from controller.emulator.webhooks import legacy_events, newer_events, outbox
from controller.emulator.webhooks.addresses import is_web_address
from controller.emulator.webhooks.signing import new_secret

MAX_CONSUMERS = 50
_MAX_CONSUMER_TAGS, _MAX_CONSUMER_TAG_LENGTH = 10, 128


class ConsumerJson(TypedDict):
    """A consumer as the API shows it."""

    id: str
    url: str
    disabled: bool
    eventTypes: list[str]
    companyTags: list[str]


class ConsumerRow(TypedDict):
    """A consumer as the portal knows it.

    headers       extra headers of its deliveries
    prefix        of the three signature headers: `webhook` or `svix`
    failingSince  timestamp of the first failure since the last success
    """

    consumer: ConsumerJson
    secret: str
    headers: dict[str, str]
    prefix: str
    failingSince: str | None


def all_consumers(world: World) -> dict[str, ConsumerRow]:
    """Every consumer, oldest first, by id."""
    return world.table("consumers")


def create(world: World, body: Mapping[str, Any]) -> ConsumerRow:
    """A new consumer with a signing secret of its own. Raises ApiError 400."""
    table = world.table("consumers")
    if len(table) >= MAX_CONSUMERS or not is_web_address(body.get("url")):
        raise not_valid()
    consumer: ConsumerJson = {
        "id": str(uuid4()),
        "url": body["url"],
        "disabled": _checked_flag(body.get("disabled")),
        "eventTypes": _checked_texts(body.get("eventTypes")),
        "companyTags": _checked_tags(body.get("companyTags")),
    }
    if not consumer["eventTypes"]:
        raise not_valid()
    table[consumer["id"]] = {
        "consumer": consumer,
        "secret": new_secret(),
        "headers": {},
        "prefix": "webhook",
        "failingSince": None,
    }
    return all_consumers(world)[consumer["id"]]


def find(world: World, webhook_id: str) -> ConsumerRow:
    """The consumer of that id. Raises ApiError 404."""
    endpoint = all_consumers(world).get(webhook_id.lower())
    if endpoint is None:
        raise ApiError(404, f"Webhook consumer {webhook_id} not found", "ClientsApi")
    return endpoint


def update(world: World, webhook_id: str, **changes: Any) -> ConsumerRow:
    """Set fields of a consumer's row; `disabled` is set in the consumer itself."""
    row = find(world, webhook_id)
    consumer = row["consumer"]
    if "disabled" in changes:
        consumer = {**consumer, "disabled": changes.pop("disabled")}
    world.table("consumers")[consumer["id"]] = {**row, "consumer": consumer, **changes}
    return find(world, webhook_id)


def queue_for_consumers(world: World, event: ServiceEvent) -> None:
    """Queue the event for every enabled consumer that subscribes to it, under its newer or its legacy name."""
    table = all_consumers(world)
    if not table:
        return
    company = _company_json(world, event)
    bodies = [
        body for body in (newer_events.newer_body(event, str(uuid4()), company), *_legacy_bodies(world, event)) if body
    ]
    for endpoint in list(table.values()):
        consumer = endpoint["consumer"]
        if consumer["disabled"] or not _matches_tags(consumer, company):
            continue
        for body in bodies:
            if body.get("eventType", body.get("RuleType")) in consumer["eventTypes"]:
                outbox.queue_delivery(world, "newer", consumer["id"], consumer["url"], body, event.company_id)


def _legacy_bodies(world: World, event: ServiceEvent) -> list[dict[str, Any]]:
    """The bodies of March to October 2024: legacy ones under names without spaces (API notes 6.4)."""
    name = current_profile(world)["name"]
    bodies = []
    for notice in legacy_events.notices_of(event):
        body = legacy_events.legacy_body(notice, event, str(uuid4()), str(uuid4()), name)
        body["RuleType"] = legacy_events.RULE_TYPES[notice.rule_type]
        bodies.append(body)
    return bodies


def _company_json(world: World, event: ServiceEvent) -> Mapping[str, Any] | None:
    company = world.companies.get(event.company_id)
    return companies.to_json(world, company) if company else event.details.get("company")


def _matches_tags(consumer: Mapping[str, Any], company: Mapping[str, Any] | None) -> bool:
    wanted_tags = consumer["companyTags"]
    tags = (company or {}).get("tags") or {}
    return not wanted_tags or any(f"{key}:{value}" in wanted_tags for key, value in tags.items())


def _checked_flag(value: Any) -> bool:
    if value not in (None, True, False):
        raise not_valid()
    return bool(value)


def _checked_texts(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise not_valid()
    return value


def _checked_tags(value: Any) -> list[str]:
    tags = _checked_texts(value)
    if len(tags) > _MAX_CONSUMER_TAGS or any(len(tag) > _MAX_CONSUMER_TAG_LENGTH or ":" not in tag for tag in tags):
        raise not_valid()
    return tags


async def list_consumers(request: Request) -> Response:
    """46: not paged."""
    return json_response({"results": [row["consumer"] for row in all_consumers(world_of(request)).values()]})


async def create_consumer(request: Request) -> Response:
    """46: 201. The secret is not shown here; the real one is portal-only."""
    body = await json_object(request)
    return json_response(create(world_of(request), body)["consumer"], 201)


async def delete_consumer(request: Request) -> Response:
    """46: 204, and its pending attempts are dropped."""
    world = world_of(request)
    consumer_id = find(world, request.path_params["webhookId"])["consumer"]["id"]
    del world.table("consumers")[consumer_id]
    return empty_response()


routes = [
    Route("/webhooks", list_consumers, methods=["GET"]),
    Route("/webhooks", create_consumer, methods=["POST"]),
    Route("/webhooks/{webhookId}", delete_consumer, methods=["DELETE"]),
]
