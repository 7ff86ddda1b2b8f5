"""The words, the signature and the patience of both generations of webhooks (API notes 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from controller.emulator.service.world import ServiceEvent
from controller.emulator.webhooks import legacy_events as legacy
from controller.emulator.webhooks import newer_events as newer
from controller.emulator.webhooks import retry_policy as habits
from controller.emulator.webhooks.retry_policy import EndpointReply
from controller.emulator.webhooks.signing import new_secret, signature

NOW = datetime(2024, 8, 24, 14, 15, 27, tzinfo=UTC)
COMPANY = "7d0b6d0e-6f0a-4c57-9a53-2f3f0e6a1b11"
CONNECTION = {
    "id": "9f2c7c1a-5e44-4a8e-b7d1-0c9e8d7f6a51",
    "integrationKey": "gbol",
    "platformName": "Xero",
    "status": "Linked",
}
DATASET = {
    "id": "31632c48-23dc-4cb1-b3ff-0829343c8e85",
    "connectionId": CONNECTION["id"],
    "dataType": "taxRates",
    "status": "Complete",
    "requested": "2024-08-24T14:15:20Z",
    "isCompleted": True,
    "isErrored": False,
}


def event(name: str, company_id: str = COMPANY, **details: Any) -> ServiceEvent:
    return ServiceEvent(name, company_id, NOW, details)


def told(name: str, **details: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [(each.rule_type, each.message, dict(each.data)) for each in legacy.notices_of(event(name, **details))]


def test_the_signature_is_that_of_the_published_vector() -> None:
    secret = "whsec_ZW11bGF0b3Itc2lnbmluZy1rZXktMDAx"
    body = b'{"id":"e1","eventType":"connection.deleted"}'
    assert signature(secret, "msg_0001", 1700000000, body) == "v1,pxjTvRVQ3xvsDYebo66ND9EUniXOdicy63D9jk3uvak="


@given(st.binary(max_size=200))
def test_the_library_accepts_a_signed_body_and_refuses_a_tampered_one(payload: bytes) -> None:
    secret, stamp = new_secret(), int(datetime.now(UTC).timestamp())
    body = payload.hex().join('""').encode()
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(secret, "m1", stamp, body),
    }
    Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_a_status_change_names_the_platform_and_both_statuses() -> None:
    details = {"connection": CONNECTION, "oldStatus": "PendingAuth"}
    assert told("connection.connected", **details) == [
        (
            "DataConnectionStatusChanged",
            "Data connection for Xero status changed from PendingAuth to Linked",
            {
                "dataConnectionId": CONNECTION["id"],
                "newStatus": "Linked",
                "oldStatus": "PendingAuth",
                "platformKey": "gbol",
            },
        )
    ]


def test_a_created_connection_has_no_old_status() -> None:
    data = told("connection.created", connection={**CONNECTION, "status": "PendingAuth"}, oldStatus=None)[0][2]
    assert "oldStatus" not in data
    assert data["newStatus"] == "PendingAuth"


def test_a_deleted_connection_is_not_named() -> None:
    notice = legacy.notices_of(event("connection.deleted", connection=CONNECTION))[0]
    body = legacy.legacy_body(notice, event("connection.deleted"), "rule", "alert", "Example Client")
    assert body["RuleType"] == "Sync Connection Deleted"
    assert body["DataConnectionId"] == "00000000-0000-0000-0000-000000000000"
    assert body["Data"] == {}
    assert body["Message"] == f"Sync connection for company {COMPANY} deleted"


@pytest.mark.parametrize("severed", [True, False])
def test_only_severing_in_the_settings_page_is_told_as_a_deletion(severed: bool) -> None:
    details = {"connection": {**CONNECTION, "status": "Unlinked"}, "oldStatus": "Linked", "severed": severed}
    types = [rule_type for rule_type, *_ in told("connection.disconnected", **details)]
    assert ("Sync Connection Deleted" in types) is severed


def test_a_finished_pull_is_told_once_as_done_and_once_as_changed() -> None:
    ids = {"dataType": "taxRates", "datasetId": DATASET["id"]}
    assert told("read.completed", dataset=DATASET, changed=True) == [
        ("Data sync completed", f"Data sync of type taxRates completed for company {COMPANY}", ids),
        ("Dataset data changed", f"Data has changed for dataset type taxRates, company {COMPANY}", ids),
    ]
    assert len(told("read.completed", dataset=DATASET, changed=False)) == 1


def test_a_failed_pull_is_told_as_an_error_alone() -> None:
    failed = {**DATASET, "status": "ProcessingError", "isCompleted": False, "isErrored": True}
    ((rule_type, message, data),) = told("read.completed", dataset=failed, changed=False)
    assert rule_type == "Data Sync Status Changed To Error"
    assert message.startswith("ERROR: syncing taxRates triggered a ProcessingError notification at 2024-08-24")
    assert data["datasetStatus"] == "ProcessingError"


def test_a_company_is_synchronised_once_one_initial_pull_succeeded() -> None:
    failed = {**DATASET, "isCompleted": False, "isErrored": True}
    assert told("read.completed.initial", datasets=[failed]) == []
    assert told("read.completed.initial", datasets=[failed, DATASET])[0][0] == "New company synchronised"


def test_the_newer_service_has_no_word_for_a_configuration_change() -> None:
    assert newer.newer_body(event("configuration.changed"), "id", {"id": COMPANY, "name": "m"}) is None


def test_a_newer_connection_event_carries_company_and_connection() -> None:
    body = newer.newer_body(event("connection.deleted", connection=CONNECTION), "e1", {"id": COMPANY, "name": "m"})
    assert body == {
        "id": "e1",
        "eventType": "connection.deleted",
        "generatedDate": "2024-08-24T14:15:27Z",
        "payload": {
            "referenceCompany": {
                "id": COMPANY,
                "name": "m",
                "links": {"portal": f"https://app.codat.io/companies/{COMPANY}/summary"},
                "tags": {},
            },
            "connection": CONNECTION,
        },
    }


def test_a_company_event_leaves_the_connections_out() -> None:
    body = newer.newer_body(event("company.created"), "e1", {"id": COMPANY, "name": "m", "dataConnections": []})
    assert body is not None
    assert body["payload"] == {"id": COMPANY, "name": "m"}


def seconds_of_patience(generation: habits.Generation, reply: EndpointReply) -> list[float]:
    waits, attempts = [], 1
    while (wait := habits.retry_delay(generation, attempts, reply, NOW)) is not None:
        waits.append(wait.total_seconds())
        attempts += 1
    return waits


def test_the_newer_service_tries_eight_times_over_about_28_hours() -> None:
    for reply in (EndpointReply(None), EndpointReply(500), EndpointReply(400), EndpointReply(302, location="/x")):
        waits = seconds_of_patience("newer", reply)
        assert waits == [5, 300, 1800, 7200, 18000, 36000, 36000]


@pytest.mark.parametrize("status", [None, 408, 420, 429, 460, 502, 503, 504, 522, 524])
def test_a_legacy_rule_tries_three_times_more_within_two_minutes(status: int | None) -> None:
    waits = seconds_of_patience("legacy", EndpointReply(status))
    assert len(waits) == 3
    assert sum(waits) <= 120
    assert max(waits) <= 60
    assert waits == sorted(waits)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 500, 501])
def test_a_legacy_rule_gives_up_at_once_on_any_other_answer(status: int) -> None:
    assert seconds_of_patience("legacy", EndpointReply(status)) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("Sat, 24 Aug 2024 14:15:57 GMT", 30), ("Sat, 24 Aug 2024 14:00:00 GMT", 0), ("soon", 15)],
)
def test_retry_after_replaces_the_wait_in_seconds_and_as_a_date(text: str, seconds: int) -> None:
    assert habits.retry_delay("legacy", 1, EndpointReply(503, retry_after=text), NOW) == timedelta(seconds=seconds)
