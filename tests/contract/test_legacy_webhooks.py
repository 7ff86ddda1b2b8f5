"""Endpoints 43 to 45 and the legacy generation's deliveries (API notes 3.14, 6.1 to 6.3)."""

from __future__ import annotations

from datetime import datetime
from time import monotonic, sleep
from typing import Any

import pytest

from tests.contract.conftest import Endpoint
from tests.emulator import Emulator

STATUS_CHANGED = "DataConnectionStatusChanged"
NOBODY = "00000000-0000-0000-0000-000000000000"


def rule(emulator: Emulator, rule_type: str, webhook: str = "", **more: Any) -> dict[str, Any]:
    body = {"type": rule_type, "notifiers": {"emails": [], "webhook": webhook}, **more}
    answer = emulator.api.post("/rules", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def alerts(emulator: Emulator, rule_id: str | None = None) -> list[dict[str, Any]]:
    path = f"/rules/{rule_id}/alerts" if rule_id else "/rules/alerts"
    return emulator.api.get(path).json()["results"]


def settled(emulator: Emulator, state: str = "pending") -> list[dict[str, Any]]:
    """Every delivery, once none is in `state` with an attempt on its way."""
    until = monotonic() + 120
    while monotonic() < until:
        deliveries = emulator.control("GET", "/webhooks")["deliveries"]
        if all(each["state"] != state or each["next"] for each in deliveries):
            return deliveries
        sleep(0.02)
    raise AssertionError(deliveries)


def test_a_rule_gets_an_id_and_is_listed_read_and_replaced(emulator: Emulator) -> None:
    made = rule(emulator, STATUS_CHANGED, "https://hooks.example.com/codat")
    assert emulator.api.get(f"/rules/{made['id']}").json() == made
    assert emulator.api.get("/rules").json()["results"] == [made]
    changed = {**made, "type": "Data sync completed"}
    assert emulator.api.put(f"/rules/{made['id']}", json=changed).json() == changed
    assert emulator.api.get(f"/rules/{NOBODY}").status_code == 404
    assert emulator.api.delete(f"/rules/{made['id']}").status_code == 405


def test_the_list_by_company_leaves_out_the_rules_for_all(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    rule(emulator, STATUS_CHANGED)
    own = rule(emulator, STATUS_CHANGED, companyId=merchant["companyId"])
    page = emulator.api.get("/rules", params={"companyId": merchant["companyId"]}).json()
    assert page["results"] == [own]
    assert emulator.api.get("/rules").json()["totalResults"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Push Operation Status Changed", "notifiers": {}},
        {"type": "New company synchronized", "notifiers": {}},
        {"type": STATUS_CHANGED},
        {"type": STATUS_CHANGED, "notifiers": {"webhook": "not a url"}},
        {"type": STATUS_CHANGED, "notifiers": {"emails": "a@example.com"}},
        {"type": STATUS_CHANGED, "notifiers": {}, "companyId": "acme"},
    ],
)
def test_the_type_must_match_exactly_and_notifiers_be_usable(emulator: Emulator, body: dict[str, Any]) -> None:
    assert emulator.api.post("/rules", json=body).status_code == 400


def test_a_status_change_arrives_with_the_clients_own_header(emulator: Emulator, endpoint: Endpoint) -> None:
    profile = {
        "name": "Tills Ltd",
        "redirectUrl": "https://tills.example",
        "alertAuthHeader": "Bearer s3cret",
    }
    assert emulator.api.put("/profile", json=profile).status_code == 200
    made = rule(emulator, STATUS_CHANGED, endpoint.url)
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    told = endpoint.wait_for(3)
    made_so = [each.body["Data"]["newStatus"] for each in told if "oldStatus" not in each.body["Data"]]
    assert sorted(made_so) == ["Linked", "PendingAuth"]
    linked = next(each for each in told if "oldStatus" in each.body["Data"])
    assert linked.headers["authorization"] == "Bearer s3cret"
    assert linked.headers["x-codat-clientid"] == linked.body["ClientId"]
    assert "webhook-signature" not in linked.headers
    assert linked.body == {
        "CompanyId": merchant["companyId"],
        "ClientId": emulator.api.get("/profile/syncSettings").json()["clientId"],
        "ClientName": "Tills Ltd",
        "DataConnectionId": merchant["accountingConnectionId"],
        "RuleId": made["id"],
        "RuleType": STATUS_CHANGED,
        "AlertId": linked.body["AlertId"],
        "Message": "Data connection for Xero status changed from PendingAuth to Linked",
        "Data": {
            "dataConnectionId": merchant["accountingConnectionId"],
            "newStatus": "Linked",
            "oldStatus": "PendingAuth",
            "platformKey": "gbol",
        },
    }


def test_no_header_is_sent_until_one_is_set(emulator: Emulator, endpoint: Endpoint) -> None:
    rule(emulator, STATUS_CHANGED, endpoint.url)
    emulator.merchant("acme")
    assert "authorization" not in endpoint.wait_for(1)[0].headers


def test_what_a_rule_fired_is_kept_as_alerts(emulator: Emulator) -> None:
    first, second = rule(emulator, STATUS_CHANGED), rule(emulator, "Sync Connection Deleted")
    merchant = emulator.merchant("acme")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    emulator.api.delete(path)
    assert [each["Data"].get("newStatus") for each in alerts(emulator, first["id"])] == [
        "PendingAuth",
        "Linked",
    ]
    (deleted,) = alerts(emulator, second["id"])
    assert deleted["DataConnectionId"] == NOBODY
    assert emulator.api.get(f"/rules/alerts/{deleted['AlertId']}").json() == deleted
    assert alerts(emulator)[0] == deleted
    assert emulator.api.get(f"/rules/alerts/{NOBODY}").status_code == 404


def test_an_unlink_by_the_api_is_a_status_change_and_no_deletion(emulator: Emulator) -> None:
    deletions, changes = rule(emulator, "Sync Connection Deleted"), rule(emulator, STATUS_CHANGED)
    (merchant,) = emulator.seed(1, "linked")
    path = f"/meta/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    emulator.api.patch(path, json={"status": "Unlinked"})
    assert alerts(emulator, deletions["id"]) == []
    assert alerts(emulator, changes["id"])[0]["Data"]["newStatus"] == "Unlinked"


def test_a_company_that_is_deleted_fires_no_rule(emulator: Emulator) -> None:
    rule(emulator, "Sync Connection Deleted")
    (merchant,) = emulator.seed(1, "linked")
    assert emulator.api.delete(f"/companies/{merchant['companyId']}").status_code == 204
    assert alerts(emulator) == []


def test_pulls_are_told_one_by_one_and_the_company_once_all_are_done(emulator: Emulator) -> None:
    done, first = rule(emulator, "Data sync completed"), rule(emulator, "New company synchronised")
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    emulator.advance("PT5S")
    assert alerts(emulator, first["id"]) == []
    emulator.advance("PT1M")
    types = {each["Data"]["dataType"] for each in alerts(emulator, done["id"])}
    assert types == {"chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company"}
    (told,) = alerts(emulator, first["id"])
    assert told["Message"] == f"Company {merchant['companyId']} synced for the first time"


def test_only_a_pull_that_changed_the_cache_is_told_as_changed_data(emulator: Emulator) -> None:
    changed = rule(emulator, "Dataset data changed")
    (merchant,) = emulator.seed(1, "linked")
    company = merchant["companyId"]
    emulator.api.post(f"/companies/{company}/data/queue/customers")
    emulator.advance("PT1M")
    assert alerts(emulator, changed["id"]) == []
    emulator.control("POST", f"/companies/{company}/customers?pull=false", {"customerName": "New"})
    emulator.api.post(f"/companies/{company}/data/queue/customers")
    emulator.advance("PT1M")
    assert [each["Data"]["dataType"] for each in alerts(emulator, changed["id"])] == ["customers"]


def test_a_failed_pull_and_a_push_have_rules_of_their_own(emulator: Emulator) -> None:
    failed, pushed = (
        rule(emulator, "Data Sync Status Changed To Error"),
        rule(emulator, "Push Operation Status Changed()"),
    )
    (merchant,) = emulator.seed(1, "linked")
    company = merchant["companyId"]
    emulator.control("POST", f"/companies/{company}/data/suppliers/fail", {"status": "ProcessingError"})
    assert alerts(emulator, failed["id"])[0]["Data"]["datasetStatus"] == "ProcessingError"
    path = f"/companies/{company}/connections/{merchant['accountingConnectionId']}/push/accounts"
    account = {"nominalCode": "210", "name": "Web", "fullyQualifiedCategory": "Income.Sales"}
    key = emulator.api.post(path, json=account).json()["pushOperationKey"]
    emulator.advance("PT5S")
    assert alerts(emulator, pushed["id"])[0]["Data"] == {
        "dataType": "chartOfAccounts",
        "status": "Success",
        "pushOperationKey": key,
    }


def test_a_push_that_times_out_is_told_twice(emulator: Emulator) -> None:
    late = rule(emulator, "Push Operation Timed Out")
    (merchant,) = emulator.seed(1, "linked")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    account = {"nominalCode": "210", "name": "Web", "fullyQualifiedCategory": "Income.Sales"}
    emulator.api.post(f"{path}/push/accounts?timeoutInMinutes=1", json=account)
    emulator.deauthorize(merchant)
    emulator.advance("PT2M")
    assert set(alerts(emulator, late["id"])[0]["Data"]) == {
        "dataType",
        "pushOperationGuid",
        "pushOperationKey",
    }


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_tried_three_times_more_and_then_the_event_is_lost(
    emulator: Emulator, endpoint: Endpoint, status: int
) -> None:
    endpoint.answers = [(status, {})] * 10
    rule(emulator, "Sync Connection Deleted", endpoint.url)
    merchant = emulator.merchant("acme")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    emulator.api.delete(path)
    for attempt in range(1, 5):
        endpoint.wait_for(attempt)
        settled(emulator)
        emulator.advance("PT61S")
    (delivery,) = settled(emulator)
    assert (delivery["state"], len(delivery["attempts"]), len(endpoint.deliveries)) == ("failed", 4, 4)
    assert len({each.raw for each in endpoint.deliveries}) == 1
    assert len(alerts(emulator)) == 1


@pytest.mark.parametrize("status", [400, 404, 500])
def test_any_other_refusal_ends_it_at_once(emulator: Emulator, endpoint: Endpoint, status: int) -> None:
    endpoint.answers = [(status, {})]
    rule(emulator, STATUS_CHANGED, endpoint.url)
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    endpoint.wait_for(1)
    (delivery,) = settled(emulator)
    assert (delivery["state"], delivery["next"]) == ("failed", None)


def test_retry_after_replaces_the_wait(emulator: Emulator, endpoint: Endpoint) -> None:
    endpoint.answers = [(503, {"Retry-After": "3600"})]
    rule(emulator, STATUS_CHANGED, endpoint.url)
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    endpoint.wait_for(1)
    (delivery,) = settled(emulator)
    first, following = (datetime.fromisoformat(text) for text in (delivery["attempts"][0]["at"], delivery["next"]))
    assert 3599 <= (following - first).total_seconds() <= 3615
    emulator.advance("PT1H1S")
    endpoint.wait_for(2)


def test_a_redirect_is_followed_with_the_same_body(emulator: Emulator, endpoint: Endpoint) -> None:
    endpoint.answers = [(302, {"Location": "/moved"})]
    rule(emulator, STATUS_CHANGED, endpoint.url)
    emulator.api.post("/meta/companies/sync", json={"name": "acme"})
    first, second = endpoint.wait_for(2)
    assert (first.path, second.path) == ("/hook", "/moved")
    assert first.raw == second.raw


def test_the_profile_is_replaced_whole_and_never_shows_the_key(emulator: Emulator) -> None:
    before = emulator.api.get("/profile").json()
    assert before["name"] == "Example Client"
    assert "apiKey" not in before
    emulator.api.put("/profile", json={"name": "A", "redirectUrl": "https://a.example", "logoUrl": "https://l"})
    after = emulator.api.put("/profile", json={"name": "A", "redirectUrl": "https://a.example"}).json()
    assert (after["logoUrl"], after["redirectUrl"]) == ("", "https://a.example")
    assert emulator.api.put("/profile", json={"name": "A"}).status_code == 400
    assert emulator.api.put("/profile", json={"redirectUrl": "https://a.example"}).status_code == 400


def test_a_used_up_quota_is_told_with_its_end(emulator: Emulator) -> None:
    reached = rule(emulator, "Rate Limit Reached")
    emulator.control("POST", "/limits", {"perDay": 3})
    for _ in range(6):
        emulator.api.get("/profile")
    emulator.control("POST", "/limits", {})
    (alert,) = alerts(emulator, reached["id"])
    assert alert["Data"]["DailyQuota"] == 3
    assert alert["Data"]["ExpiresUtc"].endswith("T00:00:00Z")
    assert "CompanyId" not in alert
