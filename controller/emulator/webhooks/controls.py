"""What only the portal shows or does, for tests: secrets, deliveries, extra headers, sending again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import NO_BODY, json_body, json_object, json_response, world_of
from controller.emulator.service.errors import ApiError, not_valid
from controller.emulator.service.world import World
from controller.emulator.webhooks import consumers, outbox
from controller.emulator.webhooks.signing import is_secret


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and text.isprintable() for text in value.values())


_CHECK_BY_FIELD: Mapping[str, Callable[[Any], bool]] = {
    "secret": is_secret,
    "headers": _is_headers,
    "prefix": ("webhook", "svix").__contains__,
    "disabled": (True, False).__contains__,
}


def _consumer_json(endpoint: consumers.ConsumerRow) -> dict[str, Any]:
    private = {key: value for key, value in endpoint.items() if key != "consumer"}
    return {**endpoint["consumer"], **private}


def replay_message(world: World, message_id: str | None) -> list[str]:
    """Send a message again to every endpoint that got it; the latest one by default. Their delivery ids.

    Raises ApiError 404 for an id that was never sent.
    """
    sent = list(outbox.deliveries(world).values())
    if message_id is None:
        return [outbox.queue_again(world, sent[-1])] if sent else []
    latest_by_endpoint = {delivery["endpointId"]: delivery for delivery in sent if delivery["messageId"] == message_id}
    if not latest_by_endpoint:
        raise ApiError(404, f"Event {message_id} was never sent")
    return [outbox.queue_again(world, delivery) for delivery in latest_by_endpoint.values()]


async def show_webhooks(request: Request) -> Response:
    """Consumers with their signing secrets, and every delivery with its attempts."""
    world = world_of(request)
    return json_response(
        {
            "consumers": [_consumer_json(row) for row in consumers.all_consumers(world).values()],
            "deliveries": list(outbox.deliveries(world).values()),
        }
    )


async def change_consumer(request: Request) -> Response:
    """Set `secret`, `headers`, `prefix` (`webhook` or `svix`) or `disabled` of a consumer."""
    body = await json_object(request)
    if any(key not in _CHECK_BY_FIELD or not _CHECK_BY_FIELD[key](value) for key, value in body.items()):
        raise not_valid()
    return json_response(_consumer_json(consumers.update(world_of(request), request.path_params["webhookId"], **body)))


async def replay(request: Request) -> Response:
    """Send an event again: `{"id": …}` is its `id` or `AlertId`; without a body, the latest."""
    body = await json_body(request)
    message_id = body.get("id") if isinstance(body, dict) else None
    if body is not NO_BODY and not isinstance(body, dict):
        raise not_valid()
    return json_response({"deliveries": replay_message(world_of(request), message_id)})


routes = [
    Route("/_emulator/webhooks", show_webhooks, methods=["GET"]),
    Route("/_emulator/webhooks/replay", replay, methods=["POST"]),
    Route("/_emulator/webhooks/{webhookId}", change_consumer, methods=["PATCH"]),
]
