"""Webhook consumers of the newer service (REFERENCE 3.15; endpoint 46)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import companies
from controller.emulator.api import answer, json_object, nothing, world_of
from controller.emulator.errors import ApiError, not_valid
from controller.emulator.profile import profile
from controller.emulator.webhooks import legacy, newer, outbox
from controller.emulator.webhooks.addresses import is_web_address
from controller.emulator.webhooks.signing import new_secret
from controller.emulator.world import Event, World

MOST_CONSUMERS = 50
_MOST_TAGS, _LONGEST_TAG = 10, 128

Endpoint = Mapping[str, Any]
"""A consumer as the portal knows it: `consumer` as the API shows it, `secret`, extra `headers`, the
`prefix` of the three signature headers, and since when it has been failing."""


def endpoints(world: World) -> dict[str, Endpoint]:
    """Every consumer, oldest first, by id."""
    return world.table("consumers")


def create(world: World, body: Mapping[str, Any]) -> Endpoint:
    """A new consumer with a signing secret of its own. Raises ApiError 400."""
    table = world.table("consumers")
    if len(table) >= MOST_CONSUMERS or not is_web_address(body.get("url")):
        raise not_valid()
    consumer = {
        "id": str(uuid4()),
        "url": body["url"],
        "disabled": _flag(body.get("disabled")),
        "eventTypes": _texts(body.get("eventTypes")),
        "companyTags": _tags(body.get("companyTags")),
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
    return endpoints(world)[consumer["id"]]


def find(world: World, webhook_id: str) -> Endpoint:
    """The consumer of that id. Raises ApiError 404."""
    endpoint = endpoints(world).get(webhook_id.lower())
    if endpoint is None:
        raise ApiError(404, f"Webhook consumer {webhook_id} not found", "ClientsApi")
    return endpoint


def amend(world: World, webhook_id: str, **changes: Any) -> Endpoint:
    """The consumer with other facts; `disabled` is one of the consumer itself."""
    endpoint = dict(find(world, webhook_id))
    if "disabled" in changes:
        endpoint["consumer"] = {**endpoint["consumer"], "disabled": changes.pop("disabled")}
    world.table("consumers")[endpoint["consumer"]["id"]] = {**endpoint, **changes}
    return find(world, webhook_id)


def hear(world: World, event: Event) -> None:
    """Send the event to every enabled consumer that wants it, in newer words or in the legacy ones."""
    table = endpoints(world)
    if not table:
        return
    company = _company(world, event)
    told = [body for body in (newer.body(event, str(uuid4()), company), *_legacy_bodies(world, event)) if body]
    for endpoint in list(table.values()):
        consumer = endpoint["consumer"]
        if consumer["disabled"] or not _wants_company(consumer, company):
            continue
        for body in told:
            if body.get("eventType", body.get("RuleType")) in consumer["eventTypes"]:
                outbox.enter(world, "newer", consumer["id"], consumer["url"], body, event.company_id)


def _newer_bodies(event: Event, company: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    body = newer.body(event, str(uuid4()), company)
    return [] if body is None else [body]


def _legacy_bodies(world: World, event: Event) -> list[dict[str, Any]]:
    """The bodies of March to October 2024: legacy ones under names without spaces (REFERENCE 6.4)."""
    name = profile(world)["name"]
    bodies = []
    for notice in legacy.notices(event):
        body = legacy.body(notice, event, str(uuid4()), str(uuid4()), name)
        body["RuleType"] = legacy.RULE_TYPES[notice.rule_type]
        bodies.append(body)
    return bodies


def _company(world: World, event: Event) -> Mapping[str, Any] | None:
    known = world.companies.get(event.company_id)
    return companies.shown(world, known) if known else event.details.get("company")


def _wants_company(consumer: Mapping[str, Any], company: Mapping[str, Any] | None) -> bool:
    wanted = consumer["companyTags"]
    tags = (company or {}).get("tags") or {}
    return not wanted or any(f"{key}:{value}" in wanted for key, value in tags.items())


def _flag(value: Any) -> bool:
    if value not in (None, True, False):
        raise not_valid()
    return bool(value)


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise not_valid()
    return value


def _tags(value: Any) -> list[str]:
    tags = _texts(value)
    if len(tags) > _MOST_TAGS or any(len(tag) > _LONGEST_TAG or ":" not in tag for tag in tags):
        raise not_valid()
    return tags


async def list_consumers(request: Request) -> Response:
    """46: not paged."""
    return answer({"results": [each["consumer"] for each in endpoints(world_of(request)).values()]})


async def create_consumer(request: Request) -> Response:
    """46: 201. The secret is not shown here; the real one is portal-only."""
    body = await json_object(request)
    return answer(create(world_of(request), body)["consumer"], 201)


async def delete_consumer(request: Request) -> Response:
    """46: 204, and its pending attempts are dropped."""
    world = world_of(request)
    consumer_id = find(world, request.path_params["webhookId"])["consumer"]["id"]
    del world.table("consumers")[consumer_id]
    return nothing()


routes = [
    Route("/webhooks", list_consumers, methods=["GET"]),
    Route("/webhooks", create_consumer, methods=["POST"]),
    Route("/webhooks/{webhookId}", delete_consumer, methods=["DELETE"]),
]
