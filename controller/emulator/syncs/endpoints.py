"""HTTP of commerce syncs: endpoints 36 to 42 (API notes 3.12, 3.13), and two controls."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import NO_BODY, json_body, json_object, json_response, world_of
from controller.emulator.service import companies, connections, pulls
from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.errors import SERVER_FAULT, ApiError, not_valid
from controller.emulator.service.world import ServiceEvent, World
from controller.emulator.syncs import commerce_uploads, engine, evaluation, sync_log, sync_schedule
from controller.emulator.syncs.sync_log import SyncEntry

_LONG_RUNNING_AFTER = timedelta(minutes=10)
_LONG_RUNNING_CODE = 1010
_FORCIBLE_CODES = (2040, 4000, 4040, 4220, 4260, 5000, 5080, 5120, 5130)


def status_json(company: CompanyRecord, sync: SyncEntry, now: datetime) -> dict[str, Any]:
    """The short form of a sync: of #39 and #40."""
    return {
        "companyId": company.id,
        "syncId": sync["id"],
        "syncStatusCode": _status_code(sync, now),
        "syncStatus": sync["status"],
        "errorMessage": sync["message"],
        "syncExceptionMessage": sync["raw"],
        "syncUtc": sync["began"],
        "dataPushed": sync["pushed"],
    }


def summary_json(world: World, company: CompanyRecord, sync: SyncEntry) -> dict[str, Any]:
    """The sync summary of API notes 3.12, under both names of its id."""
    connections_json = [connections.to_json(world, company.id, connection) for connection in company.connections]
    return {
        "syncDateRangeUtc": {"start": sync["start"], "finish": sync["finish"]},
        "commerceSyncId": sync["id"],
        **status_json(company, sync, world.now()),
        "dataConnections": connections_json,
    }


def _status_code(sync: SyncEntry, now: datetime) -> int:
    code: int = sync["code"]
    is_long_running = code == sync_log.IN_PROGRESS and now - parse_timestamp(sync["began"]) > _LONG_RUNNING_AFTER
    return _LONG_RUNNING_CODE if is_long_running else code


def _company_of(request: Request) -> CompanyRecord:
    return companies.find(world_of(request), request.path_params["companyId"])


def _parse_date(value: Any) -> datetime:
    try:
        return parse_timestamp(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise not_valid() from None


async def sync_latest(request: Request) -> Response:
    """36: from the end of the last success (else the start date) to `syncTo` (else now)."""
    body = await json_body(request)
    if body is not NO_BODY and body is not None and not isinstance(body, dict):
        raise not_valid()
    sync_to = body.get("syncTo") if isinstance(body, dict) else None
    world, company = world_of(request), _company_of(request)
    finish = world.now() if sync_to is None else _parse_date(sync_to)
    _refuse_before_start(world, company, finish)
    start = sync_log.synced_until(world, company.id) or sync_schedule.company_start_instant(company)
    if finish < start:
        raise not_valid()
    return json_response(summary_json(world, company, engine.start_sync(world, company, "latest", start, finish)))


async def sync_range(request: Request) -> Response:
    """37: a range of dates, in any of its three shapes."""
    body = await json_object(request)
    dates = body.get("dateRange", body)
    if not isinstance(dates, dict):
        raise not_valid()
    start, finish = _parse_date(dates.get("start")), _parse_date(dates.get("finish", dates.get("end")))
    if finish <= start:
        raise not_valid()
    world, company = world_of(request), _company_of(request)
    _refuse_before_start(world, company, finish)
    return json_response(summary_json(world, company, engine.start_sync(world, company, "historic", start, finish)))


def _refuse_before_start(world: World, company: CompanyRecord, finish: datetime) -> None:
    """A sync that would run before `startDate` is a 500, and a deterministic one (API notes 4.7)."""
    start = sync_schedule.company_start_instant(company)
    if world.now() < start or finish < start:
        raise ApiError(500, SERVER_FAULT)


def _latest_sync(request: Request) -> tuple[CompanyRecord, SyncEntry]:
    company = _company_of(request)
    rows = sync_log.syncs_of(world_of(request), company.id)
    if not rows:
        raise _sync_not_found(company.id)
    return company, rows[-1]


def _sync_not_found(sync_id: str) -> ApiError:
    return ApiError(404, f"No sync was found for ID {sync_id}")


async def get_status(request: Request) -> Response:
    """38: the latest sync as one object."""
    company, sync = _latest_sync(request)
    return json_response(summary_json(world_of(request), company, sync))


async def get_last_successful(request: Request) -> Response:
    """39: the latest sync with a 2xxx code."""
    world, company = world_of(request), _company_of(request)
    for sync in reversed(sync_log.syncs_of(world, company.id)):
        if sync_log.is_success(sync["code"]):
            return json_response(status_json(company, sync, world.now()))
    raise _sync_not_found(company.id)


async def get_latest(request: Request) -> Response:
    """40."""
    company, sync = _latest_sync(request)
    return json_response(status_json(company, sync, world_of(request).now()))


async def get_sync(request: Request) -> Response:
    """40, by id."""
    world, company, sync_id = world_of(request), _company_of(request), request.path_params["syncId"]
    for sync in sync_log.syncs_of(world, company.id):
        if sync["id"] == sync_id.lower():
            return json_response(status_json(company, sync, world.now()))
    raise _sync_not_found(sync_id)


async def list_syncs(request: Request) -> Response:
    """40: a bare array, the latest first."""
    world, company = world_of(request), _company_of(request)
    rows = reversed(sync_log.syncs_of(world, company.id))
    return json_response([status_json(company, sync, world.now()) for sync in rows])


async def upload(request: Request) -> Response:
    """41."""
    body = await json_object(request)
    kind = commerce_uploads.UPLOAD_TYPES.get(request.path_params["dataType"])
    if kind is None:
        raise ApiError(404, "NotFound")
    return json_response(commerce_uploads.store_upload(world_of(request), _company_of(request), kind, body))


async def put_product_categories(request: Request) -> Response:
    """42: the whole list of product categories, in PascalCase; rows of the mapping where they are on."""
    body = await json_object(request)
    categories = body.get("ProductCategories")
    if not isinstance(categories, list) or not all(_is_product_category(category) for category in categories):
        raise not_valid()
    world, company = world_of(request), _company_of(request)
    connection = connections.first_linked(company, "Commerce")
    if connection is None:
        raise ApiError(404, f"No data available for commerce-productCategories for ID {company.id}")
    if world.settings.product_categories:
        world.companies[company.id] = replace(company, categories=tuple(categories))
    dataset = pulls.queue_pull(world, company.id, connection.id, "commerce-productCategories")
    return json_response({"data": {"productCategories": categories}, "datasetId": dataset.id})


def _is_product_category(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_nonempty_text(value.get(key)) for key in ("id", "name"))


def _is_nonempty_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


async def show_book_entries(request: Request) -> Response:
    """What syncs wrote into the merchant's books, oldest first, and how many records were written before."""
    company = _company_of(request)
    pushed = [sync for sync in sync_log.syncs_of(world_of(request), company.id) if sync["pushed"]]
    entries = [{"syncId": sync["id"], **entry} for sync in pushed for entry in sync["entries"]]
    return json_response({"results": entries, "duplicates": sum(sync["duplicates"] for sync in pushed)})


async def force_next_outcome(request: Request) -> Response:
    """The company's next sync ends with `{"code": 4260, "message": …}`, whatever there is to do."""
    body = await json_object(request)
    code, message = body.get("code"), body.get("message")
    if code not in _FORCIBLE_CODES or not (message is None or isinstance(message, str)):
        raise not_valid()
    engine.force_next_outcome(world_of(request), _company_of(request).id, code, message)
    return json_response({"code": code, "message": message})


_COMPANY_PATH = "/companies/{companyId}"

routes = [
    Route(f"{_COMPANY_PATH}/sync/commerce/latest", sync_latest, methods=["POST"]),
    Route(f"{_COMPANY_PATH}/sync/historic", sync_range, methods=["POST"]),
    Route(f"/meta{_COMPANY_PATH}/sync/commerce/historic", sync_range, methods=["POST"]),
    Route(f"/meta{_COMPANY_PATH}/sync/commerce/status", get_status, methods=["GET"]),
    Route(f"{_COMPANY_PATH}/sync/status/lastSuccessful", get_last_successful, methods=["GET"]),
    Route(f"{_COMPANY_PATH}/sync/commerce/syncs/lastSuccessful/status", get_last_successful, methods=["GET"]),
    Route(f"{_COMPANY_PATH}/sync/commerce/syncs/latest/status", get_latest, methods=["GET"]),
    Route(f"{_COMPANY_PATH}/sync/commerce/syncs/list/status", list_syncs, methods=["GET"]),
    Route(f"{_COMPANY_PATH}/sync/commerce/syncs/{{syncId}}/status", get_sync, methods=["GET"]),
    Route(f"/data{_COMPANY_PATH}/sync/{{dataType}}", upload, methods=["POST"]),
    Route(f"{_COMPANY_PATH}/data/commerce-productCategories", put_product_categories, methods=["PUT"]),
    Route(f"/_emulator{_COMPANY_PATH}/entries", show_book_entries, methods=["GET"]),
    Route(f"/_emulator{_COMPANY_PATH}/syncs/next", force_next_outcome, methods=["POST"]),
]


def subscribe(world: World) -> None:
    """Follow each configuration's schedule, and drop what goes with a connection or a company."""
    world.subscribers.append(partial(_on_event, world))


resume = engine.resume


def _on_event(world: World, event: ServiceEvent) -> None:
    company_id = event.company_id
    if event.name == "configuration.changed":
        evaluation.note_whether_checked(world, company_id, event.details.get("checked"))
        engine.schedule_next_sync(world, company_id)
    elif event.name == "connection.deleted":
        commerce_uploads.drop_uploads(world, company_id)
    elif event.name == "company.deleted":
        commerce_uploads.drop_uploads(world, company_id)
        for name in (sync_log.SYNCS_TABLE, engine.FORCED_TABLE, evaluation.UNCHECKED_TABLE):
            if company_id in world.table(name):
                del world.table(name)[company_id]
