"""HTTP of commerce syncs: endpoints 36 to 42 (REFERENCE 3.12, 3.13), and two controls."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import companies, connections, datasets
from controller.emulator.api import ABSENT, answer, json_body, json_object, world_of
from controller.emulator.clock import instant
from controller.emulator.errors import SERVER_FAULT, ApiError, not_valid
from controller.emulator.records import Company
from controller.emulator.syncs import engine, ledger, periods, uploads, verdict
from controller.emulator.syncs.ledger import Sync
from controller.emulator.world import Event, World

_LONG = timedelta(minutes=10)
_LONG_RUNNING = 1010
_FORCIBLE = (2040, 4000, 4040, 4220, 4260, 5000, 5080, 5120, 5130)


def status(company: Company, sync: Sync, now: datetime) -> dict[str, Any]:
    """The short form of a sync: of #39 and #40."""
    return {
        "companyId": company.id,
        "syncId": sync["id"],
        "syncStatusCode": _code(sync, now),
        "syncStatus": sync["status"],
        "errorMessage": sync["message"],
        "syncExceptionMessage": sync["raw"],
        "syncUtc": sync["began"],
        "dataPushed": sync["pushed"],
    }


def summary(world: World, company: Company, sync: Sync) -> dict[str, Any]:
    """The sync summary of REFERENCE 3.12, under both names of its id."""
    shown = [connections.shown(world, company.id, each) for each in company.connections]
    return {
        "syncDateRangeUtc": {"start": sync["start"], "finish": sync["finish"]},
        "commerceSyncId": sync["id"],
        **status(company, sync, world.now()),
        "dataConnections": shown,
    }


def _code(sync: Sync, now: datetime) -> int:
    code: int = sync["code"]
    long = code == ledger.IN_PROGRESS and now - instant(sync["began"]) > _LONG
    return _LONG_RUNNING if long else code


def _company(request: Request) -> Company:
    return companies.find(world_of(request), request.path_params["companyId"])


def _moment(value: Any) -> datetime:
    try:
        return instant(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise not_valid() from None


async def sync_latest(request: Request) -> Response:
    """36: from the end of the last success (else the start date) to `syncTo` (else now)."""
    body = await json_body(request)
    if body is not ABSENT and body is not None and not isinstance(body, dict):
        raise not_valid()
    wanted = body.get("syncTo") if isinstance(body, dict) else None
    world, company = world_of(request), _company(request)
    finish = world.now() if wanted is None else _moment(wanted)
    _not_before_start(world, company, finish)
    start = ledger.synced_until(world, company.id) or periods.start_date(company)
    if finish < start:
        raise not_valid()
    return answer(summary(world, company, engine.run(world, company, "latest", start, finish)))


async def sync_range(request: Request) -> Response:
    """37: a range of dates, in any of its three shapes."""
    body = await json_object(request)
    dates = body.get("dateRange", body)
    if not isinstance(dates, dict):
        raise not_valid()
    start, finish = _moment(dates.get("start")), _moment(dates.get("finish", dates.get("end")))
    if finish <= start:
        raise not_valid()
    world, company = world_of(request), _company(request)
    _not_before_start(world, company, finish)
    return answer(summary(world, company, engine.run(world, company, "historic", start, finish)))


def _not_before_start(world: World, company: Company, finish: datetime) -> None:
    """A sync that would run before `startDate` is a 500, and a deterministic one (REFERENCE 4.7)."""
    start = periods.start_date(company)
    if world.now() < start or finish < start:
        raise ApiError(500, SERVER_FAULT)


def _latest(request: Request) -> tuple[Company, Sync]:
    company = _company(request)
    rows = ledger.syncs(world_of(request), company.id)
    if not rows:
        raise _no_sync(company.id)
    return company, rows[-1]


def _no_sync(wanted: str) -> ApiError:
    return ApiError(404, f"No sync was found for ID {wanted}")


async def get_status(request: Request) -> Response:
    """38: the latest sync as one object."""
    company, sync = _latest(request)
    return answer(summary(world_of(request), company, sync))


async def get_last_successful(request: Request) -> Response:
    """39: the latest sync with a 2xxx code."""
    world, company = world_of(request), _company(request)
    for sync in reversed(ledger.syncs(world, company.id)):
        if ledger.is_success(sync["code"]):
            return answer(status(company, sync, world.now()))
    raise _no_sync(company.id)


async def get_latest(request: Request) -> Response:
    """40."""
    company, sync = _latest(request)
    return answer(status(company, sync, world_of(request).now()))


async def get_one(request: Request) -> Response:
    """40, by id."""
    world, company, wanted = world_of(request), _company(request), request.path_params["syncId"]
    for sync in ledger.syncs(world, company.id):
        if sync["id"] == wanted.lower():
            return answer(status(company, sync, world.now()))
    raise _no_sync(wanted)


async def list_syncs(request: Request) -> Response:
    """40: a bare array, the latest first."""
    world, company = world_of(request), _company(request)
    rows = reversed(ledger.syncs(world, company.id))
    return answer([status(company, sync, world.now()) for sync in rows])


async def upload(request: Request) -> Response:
    """41."""
    body = await json_object(request)
    kind = uploads.KINDS.get(request.path_params["dataType"])
    if kind is None:
        raise ApiError(404, "NotFound")
    return answer(uploads.upload(world_of(request), _company(request), kind, body))


async def put_categories(request: Request) -> Response:
    """42: the whole list of product categories, in PascalCase; rows of the mapping where they are on."""
    body = await json_object(request)
    categories = body.get("ProductCategories")
    if not isinstance(categories, list) or not all(_is_category(each) for each in categories):
        raise not_valid()
    world, company = world_of(request), _company(request)
    connection = connections.linked(company, "Commerce")
    if connection is None:
        raise ApiError(404, f"No data available for commerce-productCategories for ID {company.id}")
    if world.settings.product_categories:
        world.companies[company.id] = replace(company, categories=tuple(categories))
    dataset = datasets.queue(world, company.id, connection.id, "commerce-productCategories")
    return answer({"data": {"productCategories": categories}, "datasetId": dataset.id})


def _is_category(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_word(value.get(key)) for key in ("id", "name"))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


async def show_entries(request: Request) -> Response:
    """What syncs wrote into the merchant's books, oldest first, and how many records were written before."""
    company = _company(request)
    pushed = [sync for sync in ledger.syncs(world_of(request), company.id) if sync["pushed"]]
    entries = [{"syncId": sync["id"], **entry} for sync in pushed for entry in sync["entries"]]
    return answer({"results": entries, "duplicates": sum(sync["duplicates"] for sync in pushed)})


async def force_next(request: Request) -> Response:
    """The company's next sync ends with `{"code": 4260, "message": …}`, whatever there is to do."""
    body = await json_object(request)
    code, message = body.get("code"), body.get("message")
    if code not in _FORCIBLE or not (message is None or isinstance(message, str)):
        raise not_valid()
    engine.force(world_of(request), _company(request).id, code, message)
    return answer({"code": code, "message": message})


_ID = "/companies/{companyId}"

routes = [
    Route(f"{_ID}/sync/commerce/latest", sync_latest, methods=["POST"]),
    Route(f"{_ID}/sync/historic", sync_range, methods=["POST"]),
    Route(f"/meta{_ID}/sync/commerce/historic", sync_range, methods=["POST"]),
    Route(f"/meta{_ID}/sync/commerce/status", get_status, methods=["GET"]),
    Route(f"{_ID}/sync/status/lastSuccessful", get_last_successful, methods=["GET"]),
    Route(f"{_ID}/sync/commerce/syncs/lastSuccessful/status", get_last_successful, methods=["GET"]),
    Route(f"{_ID}/sync/commerce/syncs/latest/status", get_latest, methods=["GET"]),
    Route(f"{_ID}/sync/commerce/syncs/list/status", list_syncs, methods=["GET"]),
    Route(f"{_ID}/sync/commerce/syncs/{{syncId}}/status", get_one, methods=["GET"]),
    Route(f"/data{_ID}/sync/{{dataType}}", upload, methods=["POST"]),
    Route(f"{_ID}/data/commerce-productCategories", put_categories, methods=["PUT"]),
    Route(f"/_emulator{_ID}/entries", show_entries, methods=["GET"]),
    Route(f"/_emulator{_ID}/syncs/next", force_next, methods=["POST"]),
]


def attach(world: World) -> None:
    """Follow each configuration's schedule, and drop what goes with a connection or a company."""
    world.subscribers.append(partial(_hear, world))


resume = engine.resume


def _hear(world: World, event: Event) -> None:
    company_id = event.company_id
    if event.name == "configuration.changed":
        verdict.trust(world, company_id, event.details.get("checked"))
        engine.schedule(world, company_id)
    elif event.name == "connection.deleted":
        uploads.forget(world, company_id)
    elif event.name == "company.deleted":
        uploads.forget(world, company_id)
        for name in (ledger.SYNCS, engine.FORCED, verdict.UNCHECKED):
            if company_id in world.table(name):
                del world.table(name)[company_id]
