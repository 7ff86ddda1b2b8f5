"""Events as the newer generation sends them: `id`, `eventType`, `generatedDate`, `payload` (API notes 6.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.world import ServiceEvent

Payload = dict[str, Any]


def newer_body(event: ServiceEvent, message_id: str, company: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The body for an event; None where the newer generation has no such event type.

    `company` is the company as the API shows it; None for the client's own events.
    """
    payload = _payload_of(event, company or {})
    if payload is None:
        return None
    return {
        "id": message_id,
        "eventType": event.name,
        "generatedDate": format_timestamp(event.at),
        "payload": payload,
    }


def reference_company_payload(company: Mapping[str, Any]) -> Payload:
    """`referenceCompany`: what identifies the company, and its page in the portal."""
    fields = {
        "id": company["id"],
        "name": company["name"],
        "description": company.get("description"),
        "links": {"portal": f"https://app.codat.io/companies/{company['id']}/summary"},
        "tags": company.get("tags") or {},
    }
    return {key: value for key, value in fields.items() if value is not None}


def _payload_of(event: ServiceEvent, company: Mapping[str, Any]) -> Payload | None:
    if event.name.endswith((".write.successful", ".write.unsuccessful")):
        return _write_ended_payload(event, company)
    build_payload = _PAYLOAD_BY_EVENT.get(event.name)
    return build_payload(event, company) if build_payload else None


def _company_payload(event: ServiceEvent, company: Mapping[str, Any]) -> Payload:
    return {key: value for key, value in company.items() if key != "dataConnections"}


def _connection_payload(event: ServiceEvent, company: Mapping[str, Any]) -> Payload:
    return {"referenceCompany": reference_company_payload(company), "connection": event.details["connection"]}


def _read_completed_payload(event: ServiceEvent, company: Mapping[str, Any]) -> Payload:
    datasets = event.details.get("datasets") or [event.details["dataset"]]
    return {
        "referenceCompany": reference_company_payload(company),
        "modifiedFromDate": min(dataset["requested"] for dataset in datasets),
        "dataTypes": [
            {
                "connectionId": dataset["connectionId"],
                "dataType": dataset["dataType"],
                "recordsModified": bool(event.details.get("changed", True)),
                "status": dataset["status"],
                "issues": [],
            }
            for dataset in datasets
        ],
    }


def _write_ended_payload(event: ServiceEvent, company: Mapping[str, Any]) -> Payload:
    push = event.details["push"]
    payload = {
        "id": push["pushOperationKey"],
        "type": push["dataType"],
        "referenceCompany": reference_company_payload(company),
        "connectionId": push["dataConnectionKey"],
        "requestedOnDate": push["requestedOnUtc"],
        "completedOnDate": push["completedOnUtc"],
        "status": push["status"],
    }
    if push["changes"]:
        payload["record"] = {"id": push["changes"][0]["recordRef"]["id"]}
    return payload


def _quota_payload(event: ServiceEvent, company: Mapping[str, Any]) -> Payload:
    return {key: event.details[key] for key in ("dailyQuota", "quotaRemaining", "expiryDate")}


_PAYLOAD_BY_EVENT: Mapping[str, Callable[[ServiceEvent, Mapping[str, Any]], Payload]] = {
    "company.created": _company_payload,
    "company.deleted": _company_payload,
    **dict.fromkeys(
        [
            f"connection.{change}"
            for change in ("created", "connected", "failed", "disconnected", "reconnected", "deleted")
        ],
        _connection_payload,
    ),
    "read.completed": _read_completed_payload,
    "read.completed.initial": _read_completed_payload,
    "client.rateLimit.reached": _quota_payload,
    "client.rateLimit.reset": _quota_payload,
}
