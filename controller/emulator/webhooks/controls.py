"""What only the portal shows or does, for tests: secrets, deliveries, extra headers, sending again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.api import ABSENT, answer, json_body, json_object, world_of
from controller.emulator.errors import ApiError, not_valid
from controller.emulator.webhooks import consumers, outbox
from controller.emulator.webhooks.signing import is_secret
from controller.emulator.world import World


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and text.isprintable() for text in value.values())


_SETTABLE: Mapping[str, Callable[[Any], bool]] = {
    "secret": is_secret,
    "headers": _is_headers,
    "prefix": ("webhook", "svix").__contains__,
    "disabled": (True, False).__contains__,
}


def _shown(endpoint: consumers.Endpoint) -> dict[str, Any]:
    private = {key: value for key, value in endpoint.items() if key != "consumer"}
    return {**endpoint["consumer"], **private}


def replayed(world: World, message_id: str | None) -> list[str]:
    """Send a message again to every endpoint that got it; the latest one by default. Their delivery ids.

    Raises ApiError 404 for an id that was never sent.
    """
    known = list(outbox.deliveries(world).values())
    if message_id is None:
        return [outbox.again(world, known[-1])] if known else []
    chosen = {each["endpointId"]: each for each in known if each["messageId"] == message_id}
    if not chosen:
        raise ApiError(404, f"Event {message_id} was never sent")
    return [outbox.again(world, each) for each in chosen.values()]


async def show_webhooks(request: Request) -> Response:
    """Consumers with their signing secrets, and every delivery with its attempts."""
    world = world_of(request)
    return answer(
        {
            "consumers": [_shown(each) for each in consumers.endpoints(world).values()],
            "deliveries": list(outbox.deliveries(world).values()),
        }
    )


async def change_consumer(request: Request) -> Response:
    """Set `secret`, `headers`, `prefix` (`webhook` or `svix`) or `disabled` of a consumer."""
    body = await json_object(request)
    if any(key not in _SETTABLE or not _SETTABLE[key](value) for key, value in body.items()):
        raise not_valid()
    return answer(_shown(consumers.amend(world_of(request), request.path_params["webhookId"], **body)))


async def replay(request: Request) -> Response:
    """Send an event again: `{"id": …}` is its `id` or `AlertId`; without a body, the latest."""
    body = await json_body(request)
    message_id = body.get("id") if isinstance(body, dict) else None
    if body is not ABSENT and not isinstance(body, dict):
        raise not_valid()
    return answer({"deliveries": replayed(world_of(request), message_id)})


routes = [
    Route("/_emulator/webhooks", show_webhooks, methods=["GET"]),
    Route("/_emulator/webhooks/replay", replay, methods=["POST"]),
    Route("/_emulator/webhooks/{webhookId}", change_consumer, methods=["PATCH"]),
]
