"""Events as legacy rules send them: a PascalCase envelope, one body per rule (API notes 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.world import ServiceEvent

NO_CONNECTION = "00000000-0000-0000-0000-000000000000"
"""The connection id in *Sync Connection Deleted*, which does not say which connection it was."""

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
# bodies between March and October 2024 (API notes 6.4). The last ones never fire for this product.
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
class LegacyNotice:
    """The notice of one rule type about an event."""

    rule_type: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    connection_id: str | None = None


def notices_of(event: ServiceEvent) -> Sequence[LegacyNotice]:
    """Every legacy notice that an event gives rise to; often none."""
    return [notice for build_notices in _NOTICES_BY_EVENT.get(event.name, ()) for notice in build_notices(event)]


def legacy_body(
    notice: LegacyNotice, event: ServiceEvent, rule_id: str, alert_id: str, client_name: str
) -> dict[str, Any]:
    """The envelope of API notes 6.2; rate-limit rules have no company."""
    envelope: dict[str, Any] = {"CompanyId": event.company_id} if event.company_id else {}
    envelope |= {"ClientId": event.account, "ClientName": client_name}
    if notice.connection_id:
        envelope["DataConnectionId"] = notice.connection_id
    return envelope | {
        "RuleId": rule_id,
        "RuleType": notice.rule_type,
        "AlertId": alert_id,
        "Message": notice.message,
        "Data": dict(notice.data),
    }


def _status_changed_notices(event: ServiceEvent) -> list[LegacyNotice]:
    connection, old = event.details["connection"], event.details.get("oldStatus")
    new, origin = connection["status"], f" from {old}" if old else ""
    message = f"Data connection for {connection['platformName']} status changed{origin} to {new}"
    data = {"dataConnectionId": connection["id"], "newStatus": new}
    if old:
        data["oldStatus"] = old
    data["platformKey"] = connection["integrationKey"]
    return [LegacyNotice(STATUS_CHANGED, message, data, connection["id"])]


def _severed_notices(event: ServiceEvent) -> list[LegacyNotice]:
    """A connection that the merchant severed in the settings page is reported as deleted, also if it still exists."""
    return _connection_deleted_notices(event) if event.details.get("severed") else []


def _connection_deleted_notices(event: ServiceEvent) -> list[LegacyNotice]:
    """Not for a connection that went with its company: no rule is documented for that (API notes 3.2)."""
    if event.details.get("withCompany"):
        return []
    message = f"Sync connection for company {event.company_id} deleted"
    return [LegacyNotice(CONNECTION_DELETED, message, {}, NO_CONNECTION)]


def _read_completed_notices(event: ServiceEvent) -> list[LegacyNotice]:
    dataset = event.details["dataset"]
    data_type, data = dataset["dataType"], {"dataType": dataset["dataType"], "datasetId": dataset["id"]}
    if dataset["isErrored"]:
        message = (
            f"ERROR: syncing {data_type} triggered a {dataset['status']} notification at {format_timestamp(event.at)}."
        )
        failed = {"dataType": data_type, "datasetStatus": dataset["status"], "datasetId": dataset["id"]}
        return [LegacyNotice(SYNC_ERROR, message, failed, dataset["connectionId"])]
    if not dataset["isCompleted"]:
        return []
    message_completed = f"Data sync of type {data_type} completed for company {event.company_id}"
    notices = [LegacyNotice(SYNC_COMPLETED, message_completed, data, dataset["connectionId"])]
    if event.details.get("changed"):
        changed = f"Data has changed for dataset type {data_type}, company {event.company_id}"
        notices.append(LegacyNotice(DATA_CHANGED, changed, data, dataset["connectionId"]))
    return notices


def _first_sync_notices(event: ServiceEvent) -> list[LegacyNotice]:
    """All initial datasets are finished and at least one succeeded (the rule since 10 Oct 2023)."""
    datasets = event.details["datasets"]
    if not any(dataset["isCompleted"] for dataset in datasets):
        return []
    message = f"Company {event.company_id} synced for the first time"
    return [LegacyNotice(FIRST_SYNC, message, {}, datasets[0]["connectionId"])]


def _push_changed_notices(event: ServiceEvent) -> list[LegacyNotice]:
    push = event.details["push"]
    key, data_type, timestamp = push["pushOperationKey"], push["dataType"], format_timestamp(event.at)
    message = f"{data_type} triggered notification for PushOperationStatusChanged at {timestamp}"
    data = {"dataType": data_type, "status": push["status"], "pushOperationKey": key}
    notices = [LegacyNotice(PUSH_CHANGED, message, data, push["dataConnectionKey"])]
    if push["status"] == "TimedOut":
        late = f"ERROR: pushing {data_type} never finished in time, timing out at {timestamp}"
        ids = {"dataType": data_type, "pushOperationGuid": key, "pushOperationKey": key}
        notices.append(LegacyNotice(PUSH_TIMED_OUT, late, ids, push["dataConnectionKey"]))
    return notices


def _limit_reached_notices(event: ServiceEvent) -> list[LegacyNotice]:
    quota, expiry = event.details["dailyQuota"], event.details["expiryDate"]
    message = f"The current daily rate limit quota of {quota} requests for {event.account} has been reached."
    return [LegacyNotice(LIMIT_REACHED, message, {"DailyQuota": quota, "ExpiresUtc": expiry})]


def _limit_reset_notices(event: ServiceEvent) -> list[LegacyNotice]:
    quota = event.details["dailyQuota"]
    message = f"The current daily rate limit quota for client {event.account} has been reset to {quota} requests."
    data = {
        "QuotaRemaining": event.details["quotaRemaining"],
        "ResetReason": "The daily window has passed.",
        "DailyQuota": quota,
        "ExpiresUtc": event.details["expiryDate"],
    }
    return [LegacyNotice(LIMIT_RESET, message, data)]


_NOTICES_BY_EVENT: Mapping[str, Sequence[Callable[[ServiceEvent], list[LegacyNotice]]]] = {
    "connection.created": (_status_changed_notices,),
    "connection.connected": (_status_changed_notices,),
    "connection.reconnected": (_status_changed_notices,),
    "connection.disconnected": (_status_changed_notices, _severed_notices),
    "connection.deleted": (_connection_deleted_notices,),
    "read.completed": (_read_completed_notices,),
    "read.completed.initial": (_first_sync_notices,),
    "push.changed": (_push_changed_notices,),
    "client.rateLimit.reached": (_limit_reached_notices,),
    "client.rateLimit.reset": (_limit_reset_notices,),
}
