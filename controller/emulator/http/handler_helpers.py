"""What every handler needs: the world behind a request, its body, and JSON or empty answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from controller.emulator.http import query
from controller.emulator.service.errors import not_valid
from controller.emulator.service.world import World


class _NoBody:
    def __repr__(self) -> str:
        return "NO_BODY"


NO_BODY: Any = _NoBody()
"""The body of a request that has none: told from `null`."""


def world_of(request: Request) -> World:
    """The world this request sees: an earlier one under the `stale` fault."""
    world: World = request.scope.get("emulator.world") or request.app.state.world
    return world


def present_world_of(request: Request) -> World:
    """The world as it is now, for a GET that writes: no fault makes it old."""
    world: World = request.app.state.world
    return world


async def json_body(request: Request) -> Any:
    """The parsed body, or NO_BODY when it is empty. Raises ApiError 400 when it is not JSON.

    Nor is it JSON if it could be stored and never be sent again: half a surrogate pair, a thousand levels.
    """
    raw = await request.body()
    if not raw.strip():
        return NO_BODY
    try:
        body = json.loads(raw, parse_constant=_refuse_nan)
        encode_json(body)
    except (ValueError, RecursionError):
        raise not_valid() from None
    return body


def _refuse_nan(name: str) -> NoReturn:
    """`NaN` and `Infinity` are Python's, not JSON's."""
    raise ValueError(name)


async def json_object(request: Request) -> dict[str, Any]:
    """The parsed body, which must be an object. Raises ApiError 400."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise not_valid()
    return body


def refuse_unknown_if_strict(world: World, body: Mapping[str, Any], known: Collection[str]) -> None:
    """In strict mode, 400 for a field that Codat does not have; else it is ignored (1.4)."""
    if world.settings.strict and any(field not in known for field in body):
        raise not_valid()


def encode_json(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8. ValueError for half a surrogate pair.

    Not the standard library's: it takes three times as long on a configuration, which is most of a read.
    """
    return to_json(value)


def json_response(value: Any, status: int = 200) -> Response:
    """`value` as a JSON answer."""
    return Response(encode_json(value), status, media_type="application/json")


def empty_response(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(status_code=status)


def paged_response(
    request: Request, items: Sequence[dict[str, Any]], path: str, kind: str, *, is_ordered: bool = False
) -> Response:
    """One page of `items`; `path` is the canonical one, `kind` the noun of error texts.

    is_ordered  they are in the order that `orderBy` asks for already
    """
    max_page_size = request.app.state.gateway.limits.max_page_size
    return json_response(
        query.queried_page_json(
            items, request.query_params, path, kind, max_page_size=max_page_size, is_ordered=is_ordered
        )
    )
