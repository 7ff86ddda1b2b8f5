"""The client's own profile: name, redirect, and the header its legacy webhooks carry (API notes 3.14 #45)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import json_object, json_response, world_of
from controller.emulator.service.errors import not_valid
from controller.emulator.service.world import CLIENT_NAME, World

_PROFILE_TABLE = "profile"
_PROFILE_KEY = "client"

_EMPTY_PROFILE: Mapping[str, Any] = {
    "name": "",
    "redirectUrl": "",
    "logoUrl": "",
    "iconUrl": "",
    "whiteListUrls": [],
    "alertAuthHeader": "",
    "confirmCompanyName": False,
}


def current_profile(world: World) -> dict[str, Any]:
    """The profile as the API shows it; `apiKey` is not among it (since 11 Apr 2023)."""
    stored: dict[str, Any] = world.table(_PROFILE_TABLE).get(_PROFILE_KEY, {"name": CLIENT_NAME})
    return {**_EMPTY_PROFILE, **stored}


def replace_profile(world: World, body: Mapping[str, Any]) -> None:
    """Full replace: what is not sent is cleared. Raises ApiError 400 without `name` and `redirectUrl`."""
    sent = {key: value for key, value in body.items() if key in _EMPTY_PROFILE and value is not None}
    if not sent.get("name") or "redirectUrl" not in sent:
        raise not_valid()
    if any(type(value) is not type(_EMPTY_PROFILE[key]) for key, value in sent.items()):
        raise not_valid()
    header = sent.get("alertAuthHeader", "")
    if not (header.isascii() and header.isprintable()):
        raise not_valid()
    world.table(_PROFILE_TABLE)[_PROFILE_KEY] = sent


async def get_profile(request: Request) -> Response:
    """45, read."""
    return json_response(current_profile(world_of(request)))


async def put_profile(request: Request) -> Response:
    """45, write."""
    body = await json_object(request)
    world = world_of(request)
    replace_profile(world, body)
    return json_response(current_profile(world))


routes = [
    Route("/profile", get_profile, methods=["GET"]),
    Route("/profile", put_profile, methods=["PUT"]),
]
