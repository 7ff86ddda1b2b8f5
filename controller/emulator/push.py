"""Writing an account into the merchant's books: operations that end later (REFERENCE 3.11 #33 to #35).

Pending ──3 s, connection Linked──> Success, or Failed when the platform refuses the account
   '──not Linked until the time-out──> TimedOut
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator import books, companies, connections, datasets, push_options
from controller.emulator.api import answer, json_object, listing, world_of
from controller.emulator.clock import instant, stamp
from controller.emulator.errors import ApiError, no_connection, not_valid
from controller.emulator.integrations import platform
from controller.emulator.records import Connection
from controller.emulator.starting_books import PAYMENT_LINKS
from controller.emulator.world import Event, World

DATA_TYPE = "chartOfAccounts"
_TAKES = timedelta(seconds=3)
_DEFAULT_TIMEOUT = 10
_LONGEST_TIMEOUT = 60 * 24 * 7
_PROTOTYPE = (
    "nominalCode name description fullyQualifiedCategory fullyQualifiedName currency currentBalance "
    "type status isBankAccount"
)
_TAKES_PAYMENTS = ".PaymentsEnabled"

Push = Mapping[str, Any]
"""An operation as the API shows it, and beside it the `account` that was sent."""


def begin(world: World, company_id: str, connection: Connection, account: Push, minutes: int) -> Push:
    """Create the operation; whether the account is, is known later."""
    now, key = world.now(), str(uuid4())
    operation = {
        "changes": [],
        "dataType": DATA_TYPE,
        "companyId": company_id,
        "pushOperationKey": key,
        "dataConnectionKey": connection.id,
        "requestedOnUtc": stamp(now),
        "timeoutInMinutes": minutes,
        "status": "Pending",
        "validation": {"errors": [], "warnings": []},
        "statusCode": 202,
    }
    prototype = {field: account[field] for field in _PROTOTYPE.split() if account.get(field) is not None}
    world.table("pushes")[key] = {"operation": operation, "account": prototype}
    world.agenda.at(now + _TAKES, partial(_end, world, key))
    return operation


def operations(world: World, company_id: str) -> list[dict[str, Any]]:
    """A company's operations, latest first."""
    rows = reversed(world.table("pushes").values())
    return [row["operation"] for row in rows if row["operation"]["companyId"] == company_id]


def resume(world: World) -> None:
    """Take up pending operations after a data file was read."""
    for key, row in world.table("pushes").items():
        if row["operation"]["status"] == "Pending":
            due = instant(row["operation"]["requestedOnUtc"]) + _TAKES
            world.agenda.at(due, partial(_end, world, key))


def forget(world: World, event: Event) -> None:
    """A deleted company takes its operations along."""
    if event.name == "company.deleted":
        table = world.table("pushes")
        for operation in operations(world, event.company_id):
            del table[operation["pushOperationKey"]]


def _end(world: World, key: str) -> None:
    """The platform has answered, or cannot be reached."""
    row = world.table("pushes").get(key)
    if row is None or row["operation"]["status"] != "Pending":
        return
    connection = _linked_connection(world, row["operation"])
    if connection is None:
        _wait_in_vain(world, row["operation"])
        return
    found = push_options.complaints(connection.platform, row["account"])
    if found:
        errors = [{"itemId": each.item, "message": each.message, "validatorName": each.validator} for each in found]
        _close(world, key, "Failed", 400, errorMessage=_downstream_error(), validation=_validation(errors))
    else:
        _create(world, key, connection, row)


def _create(world: World, key: str, connection: Connection, row: Mapping[str, Any]) -> None:
    company_id = row["operation"]["companyId"]
    account = books.add(world, company_id, connection.platform, DATA_TYPE, _fields(row["account"]))
    change = {"type": "Created", "recordRef": {"id": account["id"], "dataType": DATA_TYPE}}
    data = {**account, "modifiedDate": stamp(world.now())}
    if world.settings.push_visible_at_once:
        datasets.record(world, company_id, connection.id, DATA_TYPE)
    _close(world, key, "Success", 200, changes=[change], data=data)


def _fields(account: Mapping[str, Any]) -> dict[str, Any]:
    """The account's row; in Xero a name can ask for payments to be allowed, and loses that ending."""
    fields = {key: account[key] for key in ("nominalCode", "description", "currency") if key in account}
    name, category = account["name"], account["fullyQualifiedCategory"]
    if name.endswith(_TAKES_PAYMENTS):
        name = name.removesuffix(_TAKES_PAYMENTS)
        fields["validDatatypeLinks"] = [{"property": "Id", "links": list(PAYMENT_LINKS)}]
    return {
        **fields,
        "name": name,
        "fullyQualifiedCategory": category,
        "fullyQualifiedName": f"{category}.{name}",
    }


def _wait_in_vain(world: World, operation: Push) -> None:
    """Nobody answers: the time-out ends it, unless the connection comes back before."""
    gives_up = instant(operation["requestedOnUtc"]) + timedelta(minutes=operation["timeoutInMinutes"])
    key = operation["pushOperationKey"]
    if world.now() >= gives_up:
        _close(world, key, "TimedOut", 408, errorMessage="The push operation timed out.")
    else:
        world.agenda.at(_next_try(world.now(), gives_up), partial(_end, world, key))


def _next_try(now: datetime, gives_up: datetime) -> datetime:
    return min(now + timedelta(minutes=1), gives_up)


def _close(world: World, key: str, status: str, code: int, **facts: Any) -> None:
    table = world.table("pushes")
    operation = {
        **table[key]["operation"],
        **facts,
        "status": status,
        "statusCode": code,
        "completedOnUtc": stamp(world.now()),
    }
    table[key] = {**table[key], "operation": operation}
    company_id = operation["companyId"]
    ending = "successful" if status == "Success" else "unsuccessful"
    world.emit("push.changed", company_id, push=operation)
    world.emit(f"{DATA_TYPE}.write.{ending}", company_id, push=operation)


def _linked_connection(world: World, operation: Push) -> Connection | None:
    company = world.companies.get(operation["companyId"])
    for each in company.connections if company else ():
        if each.id == operation["dataConnectionKey"] and each.status == "Linked":
            return each
    return None


def _downstream_error() -> str:
    return (
        f"An error occurred in a downstream service. Correlation ID: {uuid4().hex}. "
        "Message: Push failed for Account: see validation for more information"
    )


def _validation(errors: list[dict[str, str]]) -> dict[str, Any]:
    return {"errors": errors, "warnings": []}


def _accounting(request: Request) -> Connection:
    company = companies.find(world_of(request), request.path_params["companyId"])
    connection = connections.find(company, request.path_params["connectionId"])
    if connections.source_type(connection) != "Accounting":
        name = platform(connection.platform).name
        raise ApiError(404, f"Datatype {DATA_TYPE} not supported by platform(s) {name}")
    return connection


def _minutes(request: Request) -> int:
    text = request.query_params.get("timeoutInMinutes", str(_DEFAULT_TIMEOUT))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= _LONGEST_TIMEOUT:
        raise not_valid()
    return int(text)


async def push_account(request: Request) -> Response:
    """33: 200 means that the operation exists, not the account."""
    account = await json_object(request)
    connection, minutes = _accounting(request), _minutes(request)
    if connection.status != "Linked":
        raise no_connection(connection.id)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return answer(begin(world, company.id, connection, account, minutes))


async def get_options(request: Request) -> Response:
    """34."""
    return answer(push_options.options(_accounting(request).platform))


async def list_pushes(request: Request) -> Response:
    """35."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    path = f"/companies/{company.id}/push"
    return listing(request, operations(world, company.id), path, "PushOperation")


async def get_push(request: Request) -> Response:
    """35, one."""
    world, key = world_of(request), request.path_params["pushOperationKey"]
    company = companies.find(world, request.path_params["companyId"])
    for operation in operations(world, company.id):
        if operation["pushOperationKey"] == key.lower():
            return answer(operation)
    raise ApiError(404, f"Push operation {key} not found")


_CONNECTION = "/companies/{companyId}/connections/{connectionId}"

routes = [
    Route(f"{_CONNECTION}/push/accounts", push_account, methods=["POST"]),
    Route(f"{_CONNECTION}/options/chartOfAccounts", get_options, methods=["GET"]),
    Route(f"{_CONNECTION}/dataTypes/accounts/options/POST", get_options, methods=["GET"]),
    Route("/companies/{companyId}/push", list_pushes, methods=["GET"]),
    Route("/companies/{companyId}/push/{pushOperationKey}", get_push, methods=["GET"]),
]


def attach(world: World) -> None:
    """Forget a company's operations when it is deleted."""
    world.subscribers.append(partial(forget, world))
