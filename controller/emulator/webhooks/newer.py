"""Events in the words of the newer service: `id`, `eventType`, `generatedDate`, `payload` (REFERENCE 6.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.emulator.clock import stamp
from controller.emulator.world import Event

Payload = dict[str, Any]


def body(event: Event, message_id: str, company: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The envelope for an event, or None when the newer service has no word for it.

    `company` is the company as the API shows it; None for the client's own events.
    """
    payload = _payload(event, company or {})
    if payload is None:
        return None
    return {
        "id": message_id,
        "eventType": event.name,
        "generatedDate": stamp(event.at),
        "payload": payload,
    }


def reference(company: Mapping[str, Any]) -> Payload:
    """`referenceCompany`: what identifies the company, and its page in the portal."""
    told = {
        "id": company["id"],
        "name": company["name"],
        "description": company.get("description"),
        "links": {"portal": f"https://app.codat.io/companies/{company['id']}/summary"},
        "tags": company.get("tags") or {},
    }
    return {key: value for key, value in told.items() if value is not None}


def _payload(event: Event, company: Mapping[str, Any]) -> Payload | None:
    if event.name.endswith((".write.successful", ".write.unsuccessful")):
        return _write(event, company)
    make = _PAYLOADS.get(event.name)
    return make(event, company) if make else None


def _company(event: Event, company: Mapping[str, Any]) -> Payload:
    return {key: value for key, value in company.items() if key != "dataConnections"}


def _connection(event: Event, company: Mapping[str, Any]) -> Payload:
    return {"referenceCompany": reference(company), "connection": event.details["connection"]}


def _read(event: Event, company: Mapping[str, Any]) -> Payload:
    datasets = event.details.get("datasets") or [event.details["dataset"]]
    return {
        "referenceCompany": reference(company),
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


def _write(event: Event, company: Mapping[str, Any]) -> Payload:
    push = event.details["push"]
    payload = {
        "id": push["pushOperationKey"],
        "type": push["dataType"],
        "referenceCompany": reference(company),
        "connectionId": push["dataConnectionKey"],
        "requestedOnDate": push["requestedOnUtc"],
        "completedOnDate": push["completedOnUtc"],
        "status": push["status"],
    }
    if push["changes"]:
        payload["record"] = {"id": push["changes"][0]["recordRef"]["id"]}
    return payload


def _quota(event: Event, company: Mapping[str, Any]) -> Payload:
    return {key: event.details[key] for key in ("dailyQuota", "quotaRemaining", "expiryDate")}


_PAYLOADS: Mapping[str, Callable[[Event, Mapping[str, Any]], Payload]] = {
    "company.created": _company,
    "company.deleted": _company,
    **dict.fromkeys(
        [f"connection.{what}" for what in ("created", "connected", "failed", "disconnected", "reconnected", "deleted")],
        _connection,
    ),
    "read.completed": _read,
    "read.completed.initial": _read,
    "client.rateLimit.reached": _quota,
    "client.rateLimit.reset": _quota,
}
