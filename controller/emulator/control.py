"""Controls of the whole copy: reset, snapshot, seed, clock, counts, faults, limits, settings, and their manual.

Under `/_emulator/`, without a key, from loopback only; never present on the real API.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import control_merchant, faults, manual, seeding
from controller.emulator.api import answer, json_object, nothing, world_of
from controller.emulator.clock import stamp
from controller.emulator.errors import ApiError
from controller.emulator.front import front_of
from controller.emulator.routing import Found
from controller.emulator.world import Settings, World

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SETTABLE = {
    "merge": "merge",
    "strict": "strict",
    "companyLimit": "company_limit",
    "outdatedKeys": "outdated_keys",
    "maintenance": "maintenance",
    "pushVisibleAtOnce": "push_visible_at_once",
    "refuseDuplicates": "refuse_duplicates",
    "syncSeconds": "sync_seconds",
    "productCategories": "product_categories",
}


async def reset(request: Request) -> Response:
    """An empty world on the real time; faults, latency, limits and counts are gone."""
    world_of(request).reset()
    front_of(request).reset()
    return nothing()


async def snapshot(request: Request) -> Response:
    """Keeps the world as it is, for `restore`, until the next snapshot or reset."""
    world_of(request).take_snapshot()
    return nothing()


async def restore(request: Request) -> Response:
    """The world as in the last snapshot; faults, latency, limits and counts are gone. 400 without a snapshot."""
    if not world_of(request).restore():
        raise ApiError(400, "There is no snapshot: POST /_emulator/snapshot takes one")
    front_of(request).reset()
    return nothing()


async def seed(request: Request) -> Response:
    """`{"companies", "platform", "state", "prefix"}` → what was made, in order."""
    order = await json_object(request)
    made = seeding.sow(world_of(request), seeding.ordered(order))
    merchants = [
        {
            "name": company.name,
            "companyId": company.id,
            "commerceConnectionId": company.connections[0].id,
            "accountingConnectionId": company.connections[1].id,
        }
        for company in made
    ]
    return answer({"companies": len(made), "merchants": merchants})


async def requests(request: Request) -> Response:
    """Counts by method and path template; with `?log=1` the last calls in order."""
    with_log = request.query_params.get("log", "") not in ("", "0", "false")
    return answer(front_of(request).traffic.shown(with_log=with_log))


async def show_clock(request: Request) -> Response:
    """What time it is here."""
    return answer(_time(world_of(request)))


async def move_clock(request: Request) -> Response:
    """`{"advance": "PT31S"}`: in effect, with all that became due, before this answers."""
    world, body = world_of(request), await json_object(request)
    world.clock.advance(_duration(body.get("advance")))
    world.catch_up()
    return answer(_time(world))


async def show_faults(request: Request) -> Response:
    """The faults still open."""
    return answer({"faults": [fault.shown() for fault in front_of(request).faults.open]})


async def add_fault(request: Request) -> Response:
    """One more fault; 400 for one that could never match."""
    front, fault = front_of(request), faults.ordered(await json_object(request))
    method, path = fault.match.split(" ", 1)
    found = front.router.find(method, path)
    if not isinstance(found, Found) or found.place.surface != "api":
        raise ApiError(400, f"No call of the API is {fault.match!r}: method and path template, or a path.")
    front.faults.open.append(fault)
    return answer(fault.shown())


async def clear_faults(request: Request) -> Response:
    """No faults any more."""
    front_of(request).faults.open.clear()
    return nothing()


async def set_latency(request: Request) -> Response:
    """`{"ms": 20}`: every answer of the API takes so much longer."""
    wanted = (await json_object(request)).get("ms")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise ApiError(400, f'"ms" is a whole number of milliseconds; got {wanted!r}')
    front_of(request).latency_ms = wanted
    return answer({"ms": wanted})


async def set_limits(request: Request) -> Response:
    """`{"perMinute", "perDay", "concurrent"}`; what is absent or null is off."""
    limits = front_of(request).limits
    limits.order(await json_object(request))
    return answer(limits.shown())


async def show_settings(request: Request) -> Response:
    """How this copy behaves where the reference leaves a choice."""
    return answer(_settings(world_of(request).settings))


async def change_settings(request: Request) -> Response:
    """Change some of them; `reset` puts them back."""
    settings, body = world_of(request).settings, await json_object(request)
    for name, value in body.items():
        if name not in _SETTABLE:
            raise ApiError(400, f"There is no setting {name!r}; there are {', '.join(_SETTABLE)}")
        setattr(settings, _SETTABLE[name], _setting(name, value))
    return answer(_settings(settings))


async def show_manual(request: Request) -> Response:
    """This documentation."""
    return Response(manual.page(request.app.state.controls), media_type="text/html")


def _settings(settings: Settings) -> dict[str, Any]:
    values = asdict(settings)
    return {name: values[field] for name, field in _SETTABLE.items()}


def _setting(name: str, value: Any) -> Any:
    if name == "companyLimit":
        good = value is None or (isinstance(value, int) and not isinstance(value, bool))
    elif name == "outdatedKeys":
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    elif name == "syncSeconds":
        good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    else:
        good = isinstance(value, bool)
    if not good:
        raise ApiError(400, f"{value!r} is no value for {name!r}")
    return tuple(value) if isinstance(value, list) else value


def _duration(text: Any) -> timedelta:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    parts = {unit: float(n) for unit, n in found.groupdict().items() if n} if found else {}
    if not parts:
        raise ApiError(400, f'"advance" is an ISO 8601 duration like "PT31S" or "P1DT2H"; got {text!r}')
    return timedelta(**parts)


def _time(world: World) -> dict[str, Any]:
    return {"now": stamp(world.now()), "aheadSeconds": world.clock.offset.total_seconds()}


routes = [
    Route("/_emulator/", show_manual, methods=["GET"]),
    Route("/_emulator/reset", reset, methods=["POST"]),
    Route("/_emulator/snapshot", snapshot, methods=["POST"]),
    Route("/_emulator/restore", restore, methods=["POST"]),
    Route("/_emulator/seed", seed, methods=["POST"]),
    Route("/_emulator/requests", requests, methods=["GET"]),
    Route("/_emulator/clock", show_clock, methods=["GET"]),
    Route("/_emulator/clock", move_clock, methods=["POST"]),
    Route("/_emulator/faults", show_faults, methods=["GET"]),
    Route("/_emulator/faults", add_fault, methods=["POST"]),
    Route("/_emulator/faults", clear_faults, methods=["DELETE"]),
    Route("/_emulator/latency", set_latency, methods=["POST"]),
    Route("/_emulator/limits", set_limits, methods=["POST"]),
    Route("/_emulator/settings", show_settings, methods=["GET"]),
    Route("/_emulator/settings", change_settings, methods=["PATCH"]),
    *control_merchant.routes,
]
