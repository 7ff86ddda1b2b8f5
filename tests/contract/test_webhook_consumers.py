"""Endpoint 46 and the newer generation's deliveries (API notes 3.15, 6.4, 6.5)."""

from __future__ import annotations

from datetime import datetime
from time import monotonic, sleep
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.contract.conftest import Endpoint
from tests.emulator import Emulator

NOBODY = "00000000-0000-0000-0000-000000000000"
LIFE = [
    "connection.created",
    "connection.connected",
    "connection.disconnected",
    "connection.reconnected",
    "connection.deleted",
    "connection.failed",
]


def consumer(emulator: Emulator, url: str, *event_types: str, **more: Any) -> dict[str, Any]:
    answer = emulator.api.post("/webhooks", json={"url": url, "eventTypes": list(event_types), **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def secret(emulator: Emulator, made: dict[str, Any]) -> str:
    consumers = emulator.control("GET", "/webhooks")["consumers"]
    return next(each["secret"] for each in consumers if each["id"] == made["id"])


def delivered(emulator: Emulator, state: str = "delivered", count: int = 1) -> list[dict[str, Any]]:
    """Deliveries in a state, once there are so many: answers are filed a moment after they are given."""
    until = monotonic() + 120
    found: list[dict[str, Any]] = []
    while monotonic() < until and len(found) < count:
        found = [each for each in emulator.control("GET", "/webhooks")["deliveries"] if each["state"] == state]
        sleep(0.02)
    assert len(found) == count, found
    return found


def failed_attempts(emulator: Emulator, count: int) -> dict[str, Any]:
    until = monotonic() + 120
    while monotonic() < until:
        (delivery,) = emulator.control("GET", "/webhooks")["deliveries"]
        if len(delivery["attempts"]) == count:
            return delivery
        sleep(0.02)
    raise AssertionError(delivery)


def test_a_consumer_is_made_listed_without_paging_and_deleted(emulator: Emulator) -> None:
    made = consumer(emulator, "https://hooks.example.com/a", "connection.deleted", companyTags=["region:uk"])
    assert made == {
        "id": made["id"],
        "url": "https://hooks.example.com/a",
        "disabled": False,
        "eventTypes": ["connection.deleted"],
        "companyTags": ["region:uk"],
    }
    assert emulator.api.get("/webhooks").json() == {"results": [made]}
    assert emulator.api.delete(f"/webhooks/{made['id']}").status_code == 204
    assert emulator.api.delete(f"/webhooks/{made['id']}").status_code == 404
    assert emulator.api.put(f"/webhooks/{made['id']}", json=made).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://a.example", "eventTypes": []},
        {"url": "https://a.example"},
        {"url": "ftp://a.example", "eventTypes": ["company.created"]},
        {"eventTypes": ["company.created"]},
        {"url": "https://a.example", "eventTypes": ["x"], "companyTags": ["no colon"]},
        {"url": "https://a.example", "eventTypes": ["x"], "companyTags": [f"a:{n}" for n in range(11)]},
        {"url": "https://a.example", "eventTypes": ["x"], "companyTags": ["a:" + "b" * 127]},
    ],
)
def test_a_consumer_needs_an_address_an_event_and_few_tags(emulator: Emulator, body: dict[str, Any]) -> None:
    assert emulator.api.post("/webhooks", json=body).status_code == 400


def test_there_are_at_most_fifty_consumers(emulator: Emulator) -> None:
    for number in range(50):
        consumer(emulator, f"https://hooks.example.com/{number}", "company.created")
    body = {"url": "https://hooks.example.com/50", "eventTypes": ["company.created"]}
    assert emulator.api.post("/webhooks", json=body).status_code == 400
    assert len(emulator.api.get("/webhooks").json()["results"]) == 50


def test_a_delivery_verifies_with_the_standard_library_and_a_tampered_one_does_not(
    emulator: Emulator, endpoint: Endpoint
) -> None:
    made = consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    (delivery,) = endpoint.wait_for(1)
    webhook = Webhook(secret(emulator, made))
    assert webhook.verify(delivery.raw, delivery.headers)["eventType"] == "company.created"
    with pytest.raises(WebhookVerificationError):
        webhook.verify(delivery.raw.replace(b"acme", b"evil"), delivery.headers)


def test_the_timestamp_is_real_though_the_emulated_clock_is_ahead(emulator: Emulator, endpoint: Endpoint) -> None:
    emulator.advance("P40D")
    made = consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    (delivery,) = endpoint.wait_for(1)
    Webhook(secret(emulator, made)).verify(delivery.raw, delivery.headers)


def test_before_august_2024_the_headers_were_named_after_svix(emulator: Emulator, endpoint: Endpoint) -> None:
    made = consumer(emulator, endpoint.url, "company.created")
    emulator.control("PATCH", f"/webhooks/{made['id']}", {"prefix": "svix", "headers": {"X-Shop": "7"}})
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    (delivery,) = endpoint.wait_for(1)
    assert {"svix-id", "svix-timestamp", "svix-signature"} <= set(delivery.headers)
    assert delivery.headers["x-shop"] == "7"


def test_every_turn_in_a_connections_life_has_its_event(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, endpoint.url, *LIFE)
    (merchant,) = emulator.seed(1, "pending")
    company, connection = merchant["companyId"], merchant["accountingConnectionId"]
    emulator.control("POST", f"/companies/{company}/connections/{connection}/fail")
    emulator.authorize(merchant)
    emulator.deauthorize(merchant)
    emulator.authorize(merchant)
    emulator.api.delete(f"/companies/{company}/connections/{connection}")
    told = sorted(each.body["eventType"] for each in endpoint.wait_for(5))
    assert told == sorted(name for name in LIFE if name != "connection.created")
    deleted = next(each.body for each in endpoint.deliveries if each.body["eventType"] == "connection.deleted")
    assert deleted["payload"]["referenceCompany"]["id"] == company
    assert (deleted["payload"]["connection"]["id"], deleted["payload"]["connection"]["status"]) == (
        connection,
        "Linked",
    )


def test_a_deleted_company_tells_of_each_connection_and_then_of_itself(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, endpoint.url, "connection.deleted", "company.deleted")
    (merchant,) = emulator.seed(1, "linked")
    emulator.api.delete(f"/companies/{merchant['companyId']}")
    told = [each.body for each in endpoint.wait_for(3)]
    assert sorted(each["eventType"] for each in told) == [
        "company.deleted",
        "connection.deleted",
        "connection.deleted",
    ]
    company = next(each["payload"] for each in told if each["eventType"] == "company.deleted")
    assert company["id"] == merchant["companyId"]
    assert "dataConnections" not in company


def test_first_pulls_are_told_together(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, endpoint.url, "read.completed.initial")
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    emulator.advance("PT1M")
    (delivery,) = endpoint.wait_for(1)
    read = {each["dataType"]: each["status"] for each in delivery.body["payload"]["dataTypes"]}
    types = ("chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company")
    assert read == dict.fromkeys(types, "Complete")


def test_a_push_is_told_by_its_data_type(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, endpoint.url, "chartOfAccounts.write.successful", "chartOfAccounts.write.unsuccessful")
    (merchant,) = emulator.seed(1, "linked")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}/push/accounts"
    account = {"nominalCode": "210", "name": "Web", "fullyQualifiedCategory": "Income.Sales"}
    emulator.api.post(path, json=account)
    emulator.api.post(path, json={})
    emulator.advance("PT5S")
    told = {each.body["eventType"]: each.body["payload"] for each in endpoint.wait_for(2)}
    assert told["chartOfAccounts.write.successful"]["record"]["id"]
    assert told["chartOfAccounts.write.unsuccessful"]["status"] == "Failed"


def test_between_march_and_october_2024_it_spoke_legacy_words_under_names_without_spaces(
    emulator: Emulator, endpoint: Endpoint
) -> None:
    consumer(emulator, endpoint.url, "SyncConnectionDeleted")
    (merchant,) = emulator.seed(1, "linked")
    emulator.api.delete(f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}")
    (delivery,) = endpoint.wait_for(1)
    assert delivery.body["RuleType"] == "SyncConnectionDeleted"
    assert delivery.headers["webhook-id"] == delivery.body["AlertId"]


def test_tags_choose_companies_and_a_disabled_consumer_hears_nothing(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, f"{endpoint.url}/uk", "company.created", companyTags=["region:uk", "region:ie"])
    consumer(emulator, f"{endpoint.url}/off", "company.created", disabled=True)
    consumer(emulator, f"{endpoint.url}/all", "company.created")
    for name, tags in (("a", {"region": "UK"}), ("b", {"region": "ie"}), ("c", None)):
        emulator.api.post("/companies", json={"name": name, "tags": tags})
    told = endpoint.wait_for(4)
    heard = sorted((each.path, each.body["payload"]["name"]) for each in told)
    assert heard == [("/hook/all", "a"), ("/hook/all", "b"), ("/hook/all", "c"), ("/hook/uk", "b")]


def test_a_failing_endpoint_is_tried_eight_times_over_28_hours_under_one_id(
    emulator: Emulator, endpoint: Endpoint
) -> None:
    endpoint.answers = [(500, {})] * 20
    consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    waits = ["PT6S", "PT5M1S", "PT30M1S", "PT2H1S", "PT5H1S", "PT10H1S", "PT10H1S"]
    for attempt, wait in enumerate(waits, start=1):
        delivery = failed_attempts(emulator, attempt)
        assert delivery["state"] == "pending"
        emulator.advance(wait)
    delivery = failed_attempts(emulator, 8)
    assert delivery["state"] == "failed"
    first, last = (datetime.fromisoformat(delivery["attempts"][at]["at"]) for at in (0, -1))
    assert 27 <= (last - first).total_seconds() / 3600 <= 29
    assert len({each.headers["webhook-id"] for each in endpoint.deliveries}) == 1
    assert len({each.raw for each in endpoint.deliveries}) == 1


@pytest.mark.waits
def test_retries_come_by_themselves_on_the_real_clock(emulator: Emulator, endpoint: Endpoint) -> None:
    endpoint.answers = [(503, {})]
    consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    endpoint.wait_for(2)
    (delivery,) = delivered(emulator)
    assert [each["status"] for each in delivery["attempts"]] == [503, 204]


def test_a_deleted_consumer_drops_what_was_still_to_come(emulator: Emulator, endpoint: Endpoint) -> None:
    endpoint.answers = [(500, {})]
    made = consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    failed_attempts(emulator, 1)
    emulator.api.delete(f"/webhooks/{made['id']}")
    emulator.advance("PT1H")
    delivered(emulator, "dropped")
    assert len(endpoint.deliveries) == 1


def test_an_endpoint_that_fails_for_five_days_is_disabled(emulator: Emulator, endpoint: Endpoint) -> None:
    endpoint.answers = [(500, {})] * 50
    consumer(emulator, endpoint.url, "company.created")
    emulator.api.post("/meta/companies/sync", json={"name": "a"})
    endpoint.wait_for(1)
    delivered(emulator, "pending")
    emulator.advance("P5DT1H")
    endpoint.wait_for(2)
    until = monotonic() + 120
    while not emulator.api.get("/webhooks").json()["results"][0]["disabled"] and monotonic() < until:
        sleep(0.02)
    assert emulator.api.get("/webhooks").json()["results"][0]["disabled"] is True


def test_an_event_can_be_sent_again_under_the_same_id(emulator: Emulator, endpoint: Endpoint) -> None:
    consumer(emulator, endpoint.url, "company.created")
    assert emulator.control("POST", "/webhooks/replay") == {"deliveries": []}
    emulator.api.post("/meta/companies/sync", json={"name": "a"})
    emulator.api.post("/meta/companies/sync", json={"name": "b"})
    first = next(each for each in endpoint.wait_for(2) if each.body["payload"]["name"] == "a")
    emulator.control("POST", "/webhooks/replay", {"id": first.body["id"]})
    again = endpoint.wait_for(3)[2]
    assert (again.raw, again.headers["webhook-id"]) == (first.raw, first.headers["webhook-id"])
    answer = emulator.api.post("/_emulator/webhooks/replay", json={"id": NOBODY})
    assert answer.status_code == 404


def test_no_event_tells_of_a_configuration_change_a_rename_or_a_sync(emulator: Emulator, endpoint: Endpoint) -> None:
    types = ["configuration.changed", "company.updated", "sync.completed", "company.created"]
    consumer(emulator, endpoint.url, *types)
    (merchant,) = emulator.seed(1, "configured")
    assert emulator.save(merchant, emulator.configuration(merchant)).status_code == 200
    emulator.api.put(f"/companies/{merchant['companyId']}", json={"name": "renamed"})
    emulator.api.post(f"/companies/{merchant['companyId']}/sync/commerce/latest")
    emulator.api.post("/meta/companies/sync", json={"name": "last"})
    assert [each.body["eventType"] for each in endpoint.wait_for(1)] == ["company.created"]
    assert len(emulator.control("GET", "/webhooks")["deliveries"]) == 1
