"""`Idempotency-Key` on POST and PATCH, as Codat honours it in later versions (API notes 1.9).

the same key again        the first answer again, a refusal too, for 90 minutes; never after a 429
 … with another call      422, also for another path or method: the reference speaks of the body only
 … while the first runs   409
An answer of the gateway (502, 503, 504 by a fault) is not the API's own, and is not stored.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from controller.emulator.service.clock import format_timestamp, parse_timestamp
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World

ANSWER_LIFETIME = timedelta(minutes=90)
_IDEMPOTENCY_TABLE = "idempotency-keys"
_STATUSES_NOT_KEPT = (429, 502, 503, 504)


async def read_idempotency_key(request: Request, world: World) -> str | None:
    """The idempotency key of a call, after reading its body; None where it has none, or none is honoured."""
    key = request.headers.get("idempotency-key", "").strip()
    if not key or request.method not in ("POST", "PATCH") or not world.settings.idempotency_keys:
        return None
    await request.body()
    return key


async def begin_or_replay(request: Request, key: str, world: World) -> Response | None:
    """The stored first answer to this key; None for a new key, which is recorded. Raises ApiError 409, 422."""
    _drop_expired(world)
    table, call = world.table(_IDEMPOTENCY_TABLE), await _call_fingerprint(request)
    first_call = table.get(key)
    if first_call is None:
        table[key] = {"call": call, "at": format_timestamp(world.now()), "status": None, "body": ""}
        return None
    if first_call["call"] != call:
        raise ApiError(422, "The idempotency key was used for another request.")
    if first_call["status"] is None:
        raise ApiError(409, "The first request with this idempotency key is still running.")
    return Response(first_call["body"].encode(), first_call["status"], media_type="application/json")


def finish(key: str, response: Response, world: World) -> None:
    """Store the answer to a call, or forget its key where the answer does not count."""
    table = world.table(_IDEMPOTENCY_TABLE)
    first_call = table.get(key)
    if first_call is None:
        return
    if response.status_code in _STATUSES_NOT_KEPT:
        del table[key]
    else:
        table[key] = {
            **first_call,
            "status": response.status_code,
            "body": bytes(response.body).decode("utf-8", "replace"),
        }


async def _call_fingerprint(request: Request) -> str:
    """A hash of method, path and body."""
    call = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return sha256(call).hexdigest()


def _drop_expired(world: World) -> None:
    table, now = world.table(_IDEMPOTENCY_TABLE), world.now()
    while table and now - parse_timestamp(table[next(iter(table))]["at"]) > ANSWER_LIFETIME:
        del table[next(iter(table))]
