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

from controller.emulator.controls import call_injection, control_docs, faults, seeding
from controller.emulator.controls import merchant as control_merchant
from controller.emulator.http.gateway_state import gateway_of
from controller.emulator.http.handler_helpers import empty_response, json_object, json_response, world_of
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import EmulatorSettings, World

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_FIELD_BY_SETTING = {
    "merge": "merge",
    "strict": "strict",
    "companyLimit": "company_limit",
    "outdatedKeys": "outdated_keys",
    "maintenance": "maintenance",
    "accountHidden": "account_hidden",
    "idempotencyKeys": "idempotency_keys",
    "tidyNames": "tidy_names",
    "sortLists": "sort_lists",
    "lowerWords": "lower_words",
    "pushVisibleAtOnce": "push_visible_at_once",
    "refuseDuplicates": "refuse_duplicates",
    "syncSeconds": "sync_seconds",
    "productCategories": "product_categories",
}


async def reset(request: Request) -> Response:
    """An empty world on the real time; faults, latency, limits and counts are gone."""
    world_of(request).reset()
    gateway_of(request).reset()
    return empty_response()


async def snapshot(request: Request) -> Response:
    """Keeps the world as it is, for `restore`, until the next snapshot or reset; with `?name=`, beyond resets."""
    world_of(request).take_snapshot(request.query_params.get("name", ""))
    return empty_response()


async def restore(request: Request) -> Response:
    """The world as in the last snapshot, or that of `?name=`; faults, latency, limits and counts are gone. Else 400."""
    if not world_of(request).restore(request.query_params.get("name", "")):
        raise ApiError(400, "There is no snapshot: POST /_emulator/snapshot takes one")
    gateway_of(request).reset()
    return empty_response()


async def seed(request: Request) -> Response:
    """`{"companies", "platform", "state", "prefix"}` → what was made, in order."""
    order = await json_object(request)
    made = seeding.seed_companies(world_of(request), seeding.parse_seed(order))
    merchants = [
        {
            "name": company.name,
            "companyId": company.id,
            "commerceConnectionId": company.connections[0].id,
            "accountingConnectionId": company.connections[1].id,
        }
        for company in made
    ]
    return json_response({"companies": len(made), "merchants": merchants})


async def show_requests(request: Request) -> Response:
    """Counts by method and path template; with `?log=1` the last calls in order."""
    with_log = request.query_params.get("log", "") not in ("", "0", "false")
    return json_response(gateway_of(request).request_log.to_json(with_log=with_log))


async def show_clock(request: Request) -> Response:
    """What time it is here."""
    return json_response(_clock_json(world_of(request)))


async def advance_clock(request: Request) -> Response:
    """`{"advance": "PT31S"}`: in effect, with all that became due, before this answers."""
    world, body = world_of(request), await json_object(request)
    world.clock.advance(_parse_duration(body.get("advance")))
    world.run_due()
    return json_response(_clock_json(world))


async def show_faults(request: Request) -> Response:
    """The faults still open."""
    return json_response({"faults": [fault.to_json() for fault in gateway_of(request).faults.open]})


async def add_fault(request: Request) -> Response:
    """One more fault; 400 for one that could never match."""
    front = gateway_of(request)
    fault = faults.parse_fault(await json_object(request), front.router)
    front.faults.open.append(fault)
    return json_response(fault.to_json())


async def clear_faults(request: Request) -> Response:
    """No faults any more."""
    gateway_of(request).faults.open.clear()
    return empty_response()


async def show_call_injections(request: Request) -> Response:
    """What somebody else is still to do at which call (`open`), and what was done of it (`done`)."""
    return json_response(gateway_of(request).injected_calls.to_json())


async def add_call_injection(request: Request) -> Response:
    """`{"match", "when": "before", "skip", "times", "calls": [{"method", "path", "body"}]}`: done beside a call."""
    front = gateway_of(request)
    order = call_injection.parse_injection(await json_object(request), front.router)
    front.injected_calls.open.append(order)
    return json_response(order.to_json())


async def clear_call_injections(request: Request) -> Response:
    """Nobody does anything beside a call any more."""
    gateway_of(request).injected_calls = call_injection.CallInjections()
    return empty_response()


async def set_latency(request: Request) -> Response:
    """`{"ms": 20}`: every answer of the API takes so much longer."""
    wanted = (await json_object(request)).get("ms")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise ApiError(400, f'"ms" is a whole number of milliseconds; got {wanted!r}')
    gateway_of(request).latency_ms = wanted
    return json_response({"ms": wanted})


async def set_limits(request: Request) -> Response:
    """`{"perMinute", "perDay", "concurrent", "maxPageSize"}`; what is absent or null is off.

    Pages longer than `maxPageSize` are silently cut to it: `pageSize` of the answer says so.
    """
    limits = gateway_of(request).limits
    limits.configure(await json_object(request))
    return json_response(limits.to_json())


async def show_settings(request: Request) -> Response:
    """How this copy behaves where the reference leaves a choice."""
    return json_response(_settings_json(world_of(request).settings))


async def change_settings(request: Request) -> Response:
    """Change some of them; `reset` puts them back."""
    settings, body = world_of(request).settings, await json_object(request)
    for name, value in body.items():
        if name not in _FIELD_BY_SETTING:
            raise ApiError(400, f"There is no setting {name!r}; there are {', '.join(_FIELD_BY_SETTING)}")
        setattr(settings, _FIELD_BY_SETTING[name], _checked_setting(name, value))
    return json_response(_settings_json(settings))


async def show_docs(request: Request) -> Response:
    """This documentation."""
    return Response(control_docs.render_docs(request.app.state.controls), media_type="text/html")


def _settings_json(settings: EmulatorSettings) -> dict[str, Any]:
    values = asdict(settings)
    return {name: values[field] for name, field in _FIELD_BY_SETTING.items()}


def _checked_setting(name: str, value: Any) -> Any:
    if name == "companyLimit":
        is_valid = value is None or (isinstance(value, int) and not isinstance(value, bool))
    elif name == "outdatedKeys":
        is_valid = isinstance(value, list) and all(isinstance(item, str) for item in value)
    elif name == "syncSeconds":
        is_valid = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    else:
        is_valid = isinstance(value, bool)
    if not is_valid:
        raise ApiError(400, f"{value!r} is no value for {name!r}")
    return tuple(value) if isinstance(value, list) else value


def _parse_duration(text: Any) -> timedelta:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    parts = {unit: float(n) for unit, n in match.groupdict().items() if n} if match else {}
    if not parts:
        raise ApiError(400, f'"advance" is an ISO 8601 duration like "PT31S" or "P1DT2H"; got {text!r}')
    return timedelta(**parts)


def _clock_json(world: World) -> dict[str, Any]:
    return {"now": format_timestamp(world.now()), "aheadSeconds": world.clock.offset.total_seconds()}


routes = [
    Route("/_emulator/", show_docs, methods=["GET"]),
    Route("/_emulator/reset", reset, methods=["POST"]),
    Route("/_emulator/snapshot", snapshot, methods=["POST"]),
    Route("/_emulator/restore", restore, methods=["POST"]),
    Route("/_emulator/seed", seed, methods=["POST"]),
    Route("/_emulator/requests", show_requests, methods=["GET"]),
    Route("/_emulator/clock", show_clock, methods=["GET"]),
    Route("/_emulator/clock", advance_clock, methods=["POST"]),
    Route("/_emulator/faults", show_faults, methods=["GET"]),
    Route("/_emulator/faults", add_fault, methods=["POST"]),
    Route("/_emulator/faults", clear_faults, methods=["DELETE"]),
    Route("/_emulator/meanwhile", show_call_injections, methods=["GET"]),
    Route("/_emulator/meanwhile", add_call_injection, methods=["POST"]),
    Route("/_emulator/meanwhile", clear_call_injections, methods=["DELETE"]),
    Route("/_emulator/latency", set_latency, methods=["POST"]),
    Route("/_emulator/limits", set_limits, methods=["POST"]),
    Route("/_emulator/settings", show_settings, methods=["GET"]),
    Route("/_emulator/settings", change_settings, methods=["PATCH"]),
    *control_merchant.routes,
]
