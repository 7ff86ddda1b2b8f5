"""Events in the words of the legacy rules: PascalCase envelope, one body per rule (REFERENCE 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.emulator.clock import stamp
from controller.emulator.world import CLIENT_ID, Event

NO_CONNECTION = "00000000-0000-0000-0000-000000000000"
"""What *Sync Connection Deleted* says instead of the connection: it does not tell which one."""

STATUS_CHANGED = "DataConnectionStatusChanged"
FIRST_SYNC = "New company synchronised"
SYNC_COMPLETED = "Data sync completed"
DATA_CHANGED = "Dataset data changed"
SYNC_ERROR = "Data Sync Status Changed To Error"
PUSH_CHANGED = "Push Operation Status Changed()"
PUSH_TIMED_OUT = "Push Operation Timed Out"
CONNECTION_DELETED = "Sync Connection Deleted"
LIMIT_REACHED = "Rate Limit Reached"
LIMIT_RESET = "Rate Limit Reset"

# The rule's exact `type` → its name without spaces, under which the newer service sent the same
# bodies between March and October 2024 (REFERENCE 6.4). The last ones never fire for this product.
RULE_TYPES: Mapping[str, str | None] = {
    STATUS_CHANGED: "DataConnectionStatusChanged",
    FIRST_SYNC: "NewCompanySynchronized",
    SYNC_COMPLETED: "DataSyncCompleted",
    DATA_CHANGED: "DatasetDataChanged",
    SYNC_ERROR: "DataSyncStatusChangedToError",
    PUSH_CHANGED: "PushOperationStatusChanged",
    PUSH_TIMED_OUT: "PushOperationTimedOut",
    CONNECTION_DELETED: "SyncConnectionDeleted",
    LIMIT_REACHED: "ClientRateLimitReached",
    LIMIT_RESET: "ClientRateLimitReset",
    "Account Categories Updated": "AccountCategoriesUpdated",
    "CompanyStatusChanged": None,
    "Sync Completed": "SyncCompleted",
    "Sync Failed": "SyncFailed",
    "Sync Started": None,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What one rule type has to say about an event."""

    rule_type: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    connection_id: str | None = None


def notices(event: Event) -> Sequence[Notice]:
    """Every legacy notice that an event gives rise to; often none."""
    return [notice for tell in _TELLERS.get(event.name, ()) for notice in tell(event)]


def body(notice: Notice, event: Event, rule_id: str, alert_id: str, client_name: str) -> dict[str, Any]:
    """The envelope of REFERENCE 6.2; rate-limit rules have no company."""
    envelope: dict[str, Any] = {"CompanyId": event.company_id} if event.company_id else {}
    envelope |= {"ClientId": CLIENT_ID, "ClientName": client_name}
    if notice.connection_id:
        envelope["DataConnectionId"] = notice.connection_id
    return envelope | {
        "RuleId": rule_id,
        "RuleType": notice.rule_type,
        "AlertId": alert_id,
        "Message": notice.message,
        "Data": dict(notice.data),
    }


def _status_changed(event: Event) -> list[Notice]:
    connection, old = event.details["connection"], event.details.get("oldStatus")
    new, origin = connection["status"], f" from {old}" if old else ""
    message = f"Data connection for {connection['platformName']} status changed{origin} to {new}"
    data = {"dataConnectionId": connection["id"], "newStatus": new}
    if old:
        data["oldStatus"] = old
    data["platformKey"] = connection["integrationKey"]
    return [Notice(STATUS_CHANGED, message, data, connection["id"])]


def _severed(event: Event) -> list[Notice]:
    """The merchant severed it in the settings page: told as deleted, whatever became of it."""
    return _connection_deleted(event) if event.details.get("severed") else []


def _connection_deleted(event: Event) -> list[Notice]:
    """Not for a connection that went with its company: no rule is documented for that (REFERENCE 3.2)."""
    if event.details.get("withCompany"):
        return []
    message = f"Sync connection for company {event.company_id} deleted"
    return [Notice(CONNECTION_DELETED, message, {}, NO_CONNECTION)]


def _read_completed(event: Event) -> list[Notice]:
    dataset = event.details["dataset"]
    data_type, data = dataset["dataType"], {"dataType": dataset["dataType"], "datasetId": dataset["id"]}
    if dataset["isErrored"]:
        message = f"ERROR: syncing {data_type} triggered a {dataset['status']} notification at {stamp(event.at)}."
        failed = {"dataType": data_type, "datasetStatus": dataset["status"], "datasetId": dataset["id"]}
        return [Notice(SYNC_ERROR, message, failed, dataset["connectionId"])]
    if not dataset["isCompleted"]:
        return []
    done = f"Data sync of type {data_type} completed for company {event.company_id}"
    told = [Notice(SYNC_COMPLETED, done, data, dataset["connectionId"])]
    if event.details.get("changed"):
        changed = f"Data has changed for dataset type {data_type}, company {event.company_id}"
        told.append(Notice(DATA_CHANGED, changed, data, dataset["connectionId"]))
    return told


def _first_sync(event: Event) -> list[Notice]:
    """All initial datasets are finished and at least one succeeded (the rule since 10 Oct 2023)."""
    datasets = event.details["datasets"]
    if not any(dataset["isCompleted"] for dataset in datasets):
        return []
    message = f"Company {event.company_id} synced for the first time"
    return [Notice(FIRST_SYNC, message, {}, datasets[0]["connectionId"])]


def _push_changed(event: Event) -> list[Notice]:
    push = event.details["push"]
    key, data_type, moment = push["pushOperationKey"], push["dataType"], stamp(event.at)
    message = f"{data_type} triggered notification for PushOperationStatusChanged at {moment}"
    data = {"dataType": data_type, "status": push["status"], "pushOperationKey": key}
    told = [Notice(PUSH_CHANGED, message, data, push["dataConnectionKey"])]
    if push["status"] == "TimedOut":
        late = f"ERROR: pushing {data_type} never finished in time, timing out at {moment}"
        ids = {"dataType": data_type, "pushOperationGuid": key, "pushOperationKey": key}
        told.append(Notice(PUSH_TIMED_OUT, late, ids, push["dataConnectionKey"]))
    return told


def _limit_reached(event: Event) -> list[Notice]:
    quota, expiry = event.details["dailyQuota"], event.details["expiryDate"]
    message = f"The current daily rate limit quota of {quota} requests for {CLIENT_ID} has been reached."
    return [Notice(LIMIT_REACHED, message, {"DailyQuota": quota, "ExpiresUtc": expiry})]


def _limit_reset(event: Event) -> list[Notice]:
    quota = event.details["dailyQuota"]
    message = f"The current daily rate limit quota for client {CLIENT_ID} has been reset to {quota} requests."
    data = {
        "QuotaRemaining": event.details["quotaRemaining"],
        "ResetReason": "The daily window has passed.",
        "DailyQuota": quota,
        "ExpiresUtc": event.details["expiryDate"],
    }
    return [Notice(LIMIT_RESET, message, data)]


_TELLERS: Mapping[str, Sequence[Callable[[Event], list[Notice]]]] = {
    "connection.created": (_status_changed,),
    "connection.connected": (_status_changed,),
    "connection.reconnected": (_status_changed,),
    "connection.disconnected": (_status_changed, _severed),
    "connection.deleted": (_connection_deleted,),
    "read.completed": (_read_completed,),
    "read.completed.initial": (_first_sync,),
    "push.changed": (_push_changed,),
    "client.rateLimit.reached": (_limit_reached,),
    "client.rateLimit.reset": (_limit_reset,),
}
