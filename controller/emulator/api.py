"""What every handler needs: the world behind a request, its body, and the two shapes of an answer."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from controller.emulator import query
from controller.emulator.errors import not_valid
from controller.emulator.world import World


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
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
    """The parsed body, or ABSENT when it is empty. Raises ApiError 400 when it is not JSON.

    What could be stored but never be shown again (half a surrogate pair, a thousand levels) is not JSON.
    """
    raw = await request.body()
    if not raw.strip():
        return ABSENT
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
        encoded(body)
    except (ValueError, RecursionError):
        raise not_valid() from None
    return body


def _refuse_constant(name: str) -> NoReturn:
    """`NaN` and `Infinity` are Python's, not JSON's."""
    raise ValueError(name)


async def json_object(request: Request) -> dict[str, Any]:
    """The parsed body, which must be an object. Raises ApiError 400."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise not_valid()
    return body


def refuse_unknown(world: World, body: Mapping[str, Any], known: Collection[str]) -> None:
    """In strict mode, 400 for a field that the service does not have; else it is passed over (1.4)."""
    if world.settings.strict and any(field not in known for field in body):
        raise not_valid()


def encoded(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8. ValueError for half a surrogate pair.

    Not the standard library's: it takes three times as long on a configuration, which is most of a read.
    """
    return to_json(value)


def answer(value: Any, status: int = 200) -> Response:
    """`value` as a JSON answer."""
    return Response(encoded(value), status, media_type="application/json")


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(status_code=status)


def listing(request: Request, items: Sequence[dict[str, Any]], path: str, kind: str) -> Response:
    """One page of `items`; `path` is the canonical one, `kind` the noun of error texts."""
    return answer(query.page(items, request.query_params, path, kind))
