"""The whole service against the published OpenAPI files, where they are at hand (see `openapi.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from controller.emulator.http.app import build_application
from controller.emulator.http.routing import RouteMatch
from controller.emulator.service.world import World
from tests.contract import openapi
from tests.emulator import Emulator, Merchant
from tests.in_process import TEST_ACCOUNT

pytestmark = pytest.mark.skipif(
    openapi.folder() is None, reason="no OpenAPI files here: MERCHANTCTL_API_SPECS names their folder"
)

OUT_OF_SCOPE = {
    "/companies/{companyId}/connections/{connectionId}/push/creditNotes",
    "/companies/{companyId}/connections/{connectionId}/push/customers",
    "/companies/{companyId}/connections/{connectionId}/push/directIncomes",
    "/companies/{companyId}/connections/{connectionId}/push/invoices",
    "/companies/{companyId}/connections/{connectionId}/push/journalEntries",
    "/companies/{companyId}/connections/{connectionId}/push/payments",
    *(
        f"/companies/{{companyId}}/connections/{{connectionId}}/data/commerce-{kind}"
        for kind in (
            "customers",
            "customers/{customerId}",
            "info",
            "locations",
            "locations/{locationId}",
            "orders",
            "orders/{orderId}",
            "paymentMethods",
            "paymentMethods/{paymentMethodId}",
            "payments",
            "payments/{paymentId}",
            "products",
            "products/{productId}",
            "transactions",
            "transactions/{transactionId}",
        )
    ),
}
"""In the files, but no part of the v1 flow: API notes 3.0 does not list them."""


@pytest.fixture(scope="session")
def contract(contract: openapi.Contract | None) -> openapi.Contract:
    assert contract is not None
    return contract


Call = Callable[..., httpx.Response]
"""call(method, path, body): a call that must succeed."""


def walk(emulator: Emulator) -> Iterator[httpx.Response]:
    """One successful call of every endpoint in API notes 3.0 that a file describes."""
    api = emulator.api

    def call(method: str, path: str, body: Any = None) -> httpx.Response:
        answer = api.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    yield call("POST", "/meta/companies/sync", {"name": "walker"})
    yield call("POST", "/companies", {"name": "bare"})
    made = call("GET", "/meta/companies").json()["results"][0]["id"]
    yield call("GET", "/companies")
    yield call("GET", "/meta/companies")
    yield call("PUT", f"/companies/{made}", {"name": "walker 2"})
    yield call("PATCH", f"/companies/{made}", {"description": "walks"})
    yield call("GET", f"/companies/{made}")
    (merchant,) = emulator.seed(1, "configured", prefix="w-")
    company, accounting = merchant["companyId"], merchant["accountingConnectionId"]
    own, connection = f"/companies/{company}", f"/companies/{company}/connections/{accounting}"
    yield from (call("GET", path) for path in (f"{own}/connections", f"/meta{own}/connections", connection))
    yield call("POST", f"{own}/connections", {"platformKey": "gbol"})
    spare = call("POST", f"/meta{own}/connections", "gbol")
    yield spare
    yield call("PUT", f"{own}/connections/{spare.json()['id']}/authorization", {"token": "x"})
    yield call("DELETE", f"/companies/{made}/connections/{_first_connection(emulator, made)}")
    yield from _configuration(emulator, merchant, call)
    yield from _reference_data(own, connection, call)
    yield from _syncs(emulator, company, call)
    yield from _surroundings(company, call)
    yield call("PATCH", f"/meta{connection}", {"status": "Unlinked"})
    emulator.authorize(merchant)
    yield call("PATCH", connection, {"status": "Unlinked"})
    yield call("DELETE", f"/companies/{made}")


def _first_connection(emulator: Emulator, company: str) -> str:
    return emulator.api.get(f"/companies/{company}").json()["dataConnections"][0]["id"]


def _configuration(emulator: Emulator, merchant: Merchant, call: Call) -> Iterator[httpx.Response]:
    company = merchant["companyId"]
    for each in call("GET", f"/companies/{company}").json()["dataConnections"]:
        if each["id"] not in (merchant["accountingConnectionId"], merchant["commerceConnectionId"]):
            call("DELETE", f"/companies/{company}/connections/{each['id']}")
    (other,) = emulator.seed(1, "configured", prefix="c-")
    path = f"/config/companies/{other['companyId']}/sync/commerce"
    yield call("GET", path)
    yield call("POST", path, emulator.configuration(other))
    emulator.control("PATCH", f"/companies/{other['companyId']}/configuration", {"countryCode": "GB"})
    yield call("GET", path)
    yield call("GET", f"/config/sync/commerce/lqai/gbol/start?merchantIdentifier={company}")


def _reference_data(own: str, connection: str, call: Call) -> Iterator[httpx.Response]:
    yield call("POST", f"{own}/data/all")
    yield call("POST", f"{own}/data/queue/items")
    yield call("POST", f"{own}/data/queue/all")
    yield call("GET", f"{own}/dataStatus")
    history = call("GET", f"{own}/data/history")
    dataset = history.json()["results"][-1]["id"]
    yield history
    yield call("GET", f"{own}/data/history/{dataset}")
    yield call("GET", f"/meta{own}/pull/history/{dataset}")
    accounts = call("GET", f"{own}/data/accounts")
    yield accounts
    yield call("GET", f"{own}/data/accounts/{accounts.json()['results'][0]['id']}")
    banks = call("GET", f"{connection}/data/bankAccounts")
    yield banks
    yield call("GET", f"{connection}/data/bankAccounts/{banks.json()['results'][0]['id']}")
    yield call("GET", f"{own}/data/info")
    account = {"nominalCode": "999", "name": "New", "fullyQualifiedCategory": "Income.Sales"}
    pushed = call("POST", f"{connection}/push/accounts", account)
    yield pushed
    yield call("GET", f"{own}/push")
    yield call("GET", f"{own}/push/{pushed.json()['pushOperationKey']}")


def _syncs(emulator: Emulator, company: str, call: Call) -> Iterator[httpx.Response]:
    own = f"/companies/{company}"
    emulator.advance("PT1M")
    yield call("POST", f"{own}/data/info")
    (other,) = emulator.seed(1, "configured", prefix="s-")
    own = f"/companies/{other['companyId']}"
    order = {"id": "o", "createdDate": "2022-06-15T10:00:00Z", "totalAmount": 12.5, "country": "GB"}
    payment = {
        "id": "p",
        "createdDate": "2022-06-15T10:00:00Z",
        "amount": 12.5,
        "type": "Card",
        "status": "Paid",
    }
    fee = {"id": "p", "createdDate": "2022-06-15T10:00:00Z", "totalAmount": -0.5, "type": "PaymentFee"}
    for member, record in (("orders", order), ("payments", payment), ("transactions", fee)):
        yield call("POST", f"/data{own}/sync/commerce-{member}", {member: [record], "contractVersion": None})
    yield call("POST", f"{own}/sync/commerce/latest")
    dates = {"start": "2022-06-01T00:00:00Z", "finish": "2099-06-02T00:00:00Z"}
    yield call("POST", f"/meta{own}/sync/commerce/historic", {"dateRange": dates})
    status = call("GET", f"/meta{own}/sync/commerce/status")
    yield status
    for which in ("latest", "lastSuccessful", "list", status.json()["syncId"]):
        yield call("GET", f"{own}/sync/commerce/syncs/{which}/status")


def _surroundings(company: str, call: Call) -> Iterator[httpx.Response]:
    """Integrations, the flow's texts and rows, rules, profile, webhooks, settings."""
    for path in (
        "/config/integrations",
        "/integrations",
        "/integrations/gbol",
        "/integrations/gbol/branding",
    ):
        yield call("GET", path)
    yield call("GET", "/config/integrations/gbol/branding")
    yield call("GET", "/sync/commerce/config/ui/text?locale=en-us")
    yield call("PATCH", "/sync/commerce/config/ui/text?locale=fr-fr", {})
    yield call("GET", f"/clients/{TEST_ACCOUNT}/config/ui/accounts/platform/lqai")
    yield call("POST", "/sync/commerce/config/ui/accounts/platform/lqai", {"visibleAccounts": []})
    notifiers = {"emails": ["ops@example.com"], "webhook": "https://hooks.example.com"}
    rule = call("POST", "/rules", {"type": "Sync Connection Deleted", "notifiers": notifiers})
    yield rule
    yield call("GET", "/rules")
    yield call("GET", f"/rules/{rule.json()['id']}")
    yield call("GET", "/profile")
    yield call("PUT", "/profile", {"name": "Client", "redirectUrl": "https://client.example"})
    webhook = call("POST", "/webhooks", {"url": "https://hooks.example.com", "eventTypes": ["company.created"]})
    yield webhook
    yield call("GET", "/webhooks")
    yield call("DELETE", f"/webhooks/{webhook.json()['id']}")
    yield call("GET", f"/companies/{company}/syncSettings")
    yield call("POST", f"/companies/{company}/syncSettings", {"settings": [], "overridesDefaults": True})


def test_every_endpoint_that_the_files_describe_is_served(contract: openapi.Contract) -> None:
    router = build_application(World()).router
    missing = [
        f"{each.method.upper()} {each.path}"
        for each in contract.operations
        if each.path not in OUT_OF_SCOPE and not isinstance(router.find(each.method.upper(), each.path), RouteMatch)
    ]
    assert missing == []


def test_one_answer_of_every_endpoint_is_as_its_era_describes_it(
    emulator: Emulator, contract: openapi.Contract
) -> None:
    answers = list(walk(emulator))
    assert [objection for each in answers for objection in contract.objections(each)] == []
    operations = [contract.operation(each.request.method, each.request.url.path) for each in answers]
    called = {(each.method, each.path) for each in operations if each}
    described = {(each.method, each.path) for each in contract.operations if each.path not in OUT_OF_SCOPE}
    assert described - called == set()


def test_every_known_fault_of_the_files_is_still_needed(emulator: Emulator, contract: openapi.Contract) -> None:
    needed = {
        known.reason
        for answer in walk(emulator)
        if (operation := contract.operation(answer.request.method, answer.request.url.path))
        for place, message in openapi.complaints(operation, answer)
        for known in openapi.KNOWN_FAULTS
        if known.covers(operation, place, message)
    }
    assert {known.reason for known in openapi.KNOWN_FAULTS} - needed == set()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"results": "none"}, "results"),
        ({"pageNumber": "1"}, "pageNumber"),
        ({"extra": 1}, "extra"),
        ({"results": [{"id": 5}]}, "id"),
    ],
)
def test_an_answer_that_is_spoilt_is_objected_to(
    emulator: Emulator, contract: openapi.Contract, spoil: dict[str, Any], words: str
) -> None:
    answer = emulator.api.get("/meta/companies")
    spoilt = httpx.Response(200, json={**answer.json(), **spoil}, request=answer.request)
    assert any(words in objection for objection in contract.objections(spoilt))
