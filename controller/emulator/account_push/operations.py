"""Writing an account into the merchant's books: operations that end later (API notes 3.11 #33 to #35).

Pending ──3 s, connection Linked──> Success, or Failed when the platform refuses the account
   '──not Linked until the time-out──> TimedOut
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.account_push import options as push_options
from controller.emulator.http.api_integrations import find_platform
from controller.emulator.http.handler_helpers import json_object, json_response, paged_response, world_of
from controller.emulator.service import books, companies, connections, pulls
from controller.emulator.service.clock import format_timestamp, parse_timestamp
from controller.emulator.service.company_records import ConnectionRecord
from controller.emulator.service.errors import ApiError, no_connection, not_valid
from controller.emulator.service.starting_books import PAYMENT_LINKS
from controller.emulator.service.world import ServiceEvent, World

ACCOUNT_DATA_TYPE = "chartOfAccounts"
_PUSH_DURATION = timedelta(seconds=3)
_DEFAULT_TIMEOUT_MINUTES = 10
_MAX_TIMEOUT_MINUTES = 60 * 24 * 7
_PROTOTYPE_FIELDS = (
    "nominalCode name description fullyQualifiedCategory fullyQualifiedName currency currentBalance "
    "type status isBankAccount"
)
_PAYMENTS_SUFFIX = ".PaymentsEnabled"

PushOperation = Mapping[str, Any]
"""An operation as the API shows it, and beside it the `account` that was sent."""


def begin_push(
    world: World, company_id: str, connection: ConnectionRecord, account: PushOperation, timeout_minutes: int
) -> PushOperation:
    """Create the operation, `Pending`; the account is created later, or refused."""
    now, key = world.now(), str(uuid4())
    operation = {
        "changes": [],
        "dataType": ACCOUNT_DATA_TYPE,
        "companyId": company_id,
        "pushOperationKey": key,
        "dataConnectionKey": connection.id,
        "requestedOnUtc": format_timestamp(now),
        "timeoutInMinutes": timeout_minutes,
        "status": "Pending",
        "validation": {"errors": [], "warnings": []},
        "statusCode": 202,
    }
    prototype = {field: account[field] for field in _PROTOTYPE_FIELDS.split() if account.get(field) is not None}
    world.table("pushes")[key] = {"operation": operation, "account": prototype}
    world.scheduler.call_at(now + _PUSH_DURATION, partial(_attempt_push, world, key))
    return operation


def operations_of(world: World, company_id: str) -> list[dict[str, Any]]:
    """A company's operations, latest first."""
    rows = reversed(world.table("pushes").values())
    return [row["operation"] for row in rows if row["operation"]["companyId"] == company_id]


def resume(world: World) -> None:
    """Take up pending operations after a data file was read."""
    for key, row in world.table("pushes").items():
        if row["operation"]["status"] == "Pending":
            due = parse_timestamp(row["operation"]["requestedOnUtc"]) + _PUSH_DURATION
            world.scheduler.call_at(due, partial(_attempt_push, world, key))


def drop_if_company_deleted(world: World, event: ServiceEvent) -> None:
    """A deleted company takes its operations along."""
    if event.name == "company.deleted":
        table = world.table("pushes")
        for operation in operations_of(world, event.company_id):
            del table[operation["pushOperationKey"]]


def _attempt_push(world: World, key: str) -> None:
    """Create the account at the platform, or fail; while the connection is not linked, try again until the time-out."""
    row = world.table("pushes").get(key)
    if row is None or row["operation"]["status"] != "Pending":
        return
    connection = _linked_connection(world, row["operation"])
    if connection is None:
        _retry_or_time_out(world, row["operation"])
        return
    problems = push_options.validate_account(connection.platform, row["account"])
    if problems:
        errors = [
            {"itemId": problem.item, "message": problem.message, "validatorName": problem.validator}
            for problem in problems
        ]
        message = (
            f"An error occurred in a downstream service. Correlation ID: {uuid4().hex}. "
            "Message: Push failed for Account: see validation for more information"
        )
        validation = {"errors": errors, "warnings": []}
        _close_operation(world, key, "Failed", 400, errorMessage=message, validation=validation)
    else:
        _create_account_and_close(world, key, connection, row)


def _create_account_and_close(world: World, key: str, connection: ConnectionRecord, row: Mapping[str, Any]) -> None:
    company_id = row["operation"]["companyId"]
    account = books.add_row(world, company_id, connection.platform, ACCOUNT_DATA_TYPE, _account_fields(row["account"]))
    change = {"type": "Created", "recordRef": {"id": account["id"], "dataType": ACCOUNT_DATA_TYPE}}
    data = {**account, "modifiedDate": format_timestamp(world.now())}
    if world.settings.push_visible_at_once:
        pulls.record_finished_pull(world, company_id, connection.id, ACCOUNT_DATA_TYPE)
    _close_operation(world, key, "Success", 200, changes=[change], data=data)


def _account_fields(account: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the new account. A name that ends in `.PaymentsEnabled` loses that and may take payments."""
    fields = {key: account[key] for key in ("nominalCode", "description", "currency") if key in account}
    name, category = account["name"], account["fullyQualifiedCategory"]
    if name.endswith(_PAYMENTS_SUFFIX):
        name = name.removesuffix(_PAYMENTS_SUFFIX)
        fields["validDatatypeLinks"] = [{"property": "Id", "links": list(PAYMENT_LINKS)}]
    return {
        **fields,
        "name": name,
        "fullyQualifiedCategory": category,
        "fullyQualifiedName": f"{category}.{name}",
    }


def _retry_or_time_out(world: World, operation: PushOperation) -> None:
    """Try again in a minute; at its time-out the operation ends as `TimedOut`."""
    deadline = parse_timestamp(operation["requestedOnUtc"]) + timedelta(minutes=operation["timeoutInMinutes"])
    key = operation["pushOperationKey"]
    if world.now() >= deadline:
        _close_operation(world, key, "TimedOut", 408, errorMessage="The push operation timed out.")
    else:
        next_attempt = min(world.now() + timedelta(minutes=1), deadline)
        world.scheduler.call_at(next_attempt, partial(_attempt_push, world, key))


def _close_operation(world: World, key: str, status: str, code: int, **facts: Any) -> None:
    table = world.table("pushes")
    operation = {
        **table[key]["operation"],
        **facts,
        "status": status,
        "statusCode": code,
        "completedOnUtc": format_timestamp(world.now()),
    }
    table[key] = {**table[key], "operation": operation}
    company_id = operation["companyId"]
    ending = "successful" if status == "Success" else "unsuccessful"
    world.emit("push.changed", company_id, push=operation)
    world.emit(f"{ACCOUNT_DATA_TYPE}.write.{ending}", company_id, push=operation)


def _linked_connection(world: World, operation: PushOperation) -> ConnectionRecord | None:
    company = world.companies.get(operation["companyId"])
    for connection in company.connections if company else ():
        if connection.id == operation["dataConnectionKey"] and connection.status == "Linked":
            return connection
    return None


def _accounting_connection(request: Request) -> ConnectionRecord:
    company = companies.find(world_of(request), request.path_params["companyId"])
    connection = connections.find(company, request.path_params["connectionId"])
    if connections.source_type(connection) != "Accounting":
        name = find_platform(connection.platform).name
        raise ApiError(404, f"Datatype {ACCOUNT_DATA_TYPE} not supported by platform(s) {name}")
    return connection


def _timeout_minutes(request: Request) -> int:
    text = request.query_params.get("timeoutInMinutes", str(_DEFAULT_TIMEOUT_MINUTES))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= _MAX_TIMEOUT_MINUTES:
        raise not_valid()
    return int(text)


async def push_account(request: Request) -> Response:
    """33: 200 means that the operation exists, not the account."""
    account = await json_object(request)
    connection, minutes = _accounting_connection(request), _timeout_minutes(request)
    if connection.status != "Linked":
        raise no_connection(connection.id)
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return json_response(begin_push(world, company.id, connection, account, minutes))


async def get_push_options(request: Request) -> Response:
    """34."""
    return json_response(push_options.options_json(_accounting_connection(request).platform))


async def list_pushes(request: Request) -> Response:
    """35."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    path = f"/companies/{company.id}/push"
    return paged_response(request, operations_of(world, company.id), path, "PushOperation")


async def get_push(request: Request) -> Response:
    """35, one."""
    world, key = world_of(request), request.path_params["pushOperationKey"]
    company = companies.find(world, request.path_params["companyId"])
    for operation in operations_of(world, company.id):
        if operation["pushOperationKey"] == key.lower():
            return json_response(operation)
    raise ApiError(404, f"Push operation {key} not found")


_PUSH_CONNECTION_PATH = "/companies/{companyId}/connections/{connectionId}"

routes = [
    Route(f"{_PUSH_CONNECTION_PATH}/push/accounts", push_account, methods=["POST"]),
    Route(f"{_PUSH_CONNECTION_PATH}/options/chartOfAccounts", get_push_options, methods=["GET"]),
    Route(f"{_PUSH_CONNECTION_PATH}/dataTypes/accounts/options/POST", get_push_options, methods=["GET"]),
    Route("/companies/{companyId}/push", list_pushes, methods=["GET"]),
    Route("/companies/{companyId}/push/{pushOperationKey}", get_push, methods=["GET"]),
]


def subscribe(world: World) -> None:
    """Forget a company's operations when it is deleted."""
    world.subscribers.append(partial(drop_if_company_deleted, world))
