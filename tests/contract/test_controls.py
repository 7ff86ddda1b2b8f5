"""The controls below /_emulator/: what a merchant, a bookkeeper, the portal and time do to a merchant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant


def company_path(merchant: Merchant) -> str:
    return f"/companies/{merchant['companyId']}"


def rows(emulator: Emulator, merchant: Merchant, name: str) -> Any:
    return emulator.api.get(f"{company_path(merchant)}/data/{name}").json()["results"]


def offered(emulator: Emulator, merchant: Merchant, section: str = "sales", row: str = "sales") -> list[Any]:
    document = emulator.configuration(merchant)
    return [each["name"] for each in document["configuration"][section]["accounts"][row]["accountOptions"]]


def options(emulator: Emulator, merchant: Merchant) -> Any:
    return emulator.configuration(merchant)["configuration"]["sales"]["accounts"]["sales"]["accountOptions"]


def by_name(emulator: Emulator, merchant: Merchant, name: str, kind: str = "accounts") -> Any:
    fields = {"customers": "customerName", "suppliers": "supplierName"}
    return next(each for each in rows(emulator, merchant, kind) if each[fields.get(kind, "name")] == name)


@pytest.mark.parametrize(
    ("change", "left"),
    [({"status": "Archived"}, ["Sales"]), ({"name": "Takings back"}, ["Sales", "Takings back"])],
)
def test_an_edited_account_changes_the_options_at_once(
    emulator: Emulator, change: dict[str, Any], left: list[str]
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    account = by_name(emulator, merchant, "Sales returns")
    before = emulator.configuration(merchant)["configuration"]["sales"]["accounts"]["refund"]

    emulator.control("PATCH", f"{company_path(merchant)}/accounts/{account['id']}", change)

    assert offered(emulator, merchant) == left
    after = emulator.configuration(merchant)["configuration"]["sales"]["accounts"]["refund"]
    assert after["selectedAccountId"] == before["selectedAccountId"] == account["id"]


def test_a_deleted_account_is_told_from_an_archived_one(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    gone, shelved = by_name(emulator, merchant, "Sales"), by_name(emulator, merchant, "Tips payable")

    emulator.control("DELETE", f"{company_path(merchant)}/accounts/{gone['id']}")
    emulator.control("PATCH", f"{company_path(merchant)}/accounts/{shelved['id']}", {"status": "Archived"})

    deleted = by_name(emulator, merchant, "Sales")
    archived = by_name(emulator, merchant, "Tips payable")
    assert (deleted["metadata"]["isDeleted"], deleted["status"]) == (True, "Active")
    assert (archived["metadata"]["isDeleted"], archived["status"]) == (False, "Archived")


@pytest.mark.parametrize(
    ("kind", "name", "option"),
    [
        ("customers", "POS daily takings", lambda sales: sales["salesCustomer"]["customerOptions"]),
        ("taxRates", "20% (VAT on income)", lambda sales: sales["taxRates"]["20"]["taxRateOptions"]),
    ],
)
def test_a_deleted_record_is_offered_no_more_and_stays_readable(
    emulator: Emulator, kind: str, name: str, option: Callable[..., Any]
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    record = by_name(emulator, merchant, name, kind)

    emulator.control("DELETE", f"{company_path(merchant)}/{kind}/{record['id']}")

    sales = emulator.configuration(merchant)["configuration"]["sales"]
    assert name not in [each["name"] for each in option(sales)]
    stored = by_name(emulator, merchant, name, kind)
    assert stored["metadata"]["isDeleted"] is True
    assert stored["status"] == "Archived"


def test_an_edit_without_a_pull_waits_for_one(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    account = by_name(emulator, merchant, "Sales returns")

    emulator.control("DELETE", f"{company_path(merchant)}/accounts/{account['id']}?pull=false")

    assert offered(emulator, merchant) == ["Sales", "Sales returns"]
    emulator.api.post(f"{company_path(merchant)}/data/queue/chartOfAccounts")
    emulator.advance("PT1M")
    assert offered(emulator, merchant) == ["Sales"]


@pytest.mark.parametrize("platform", ["gbol", "qhyg"])
def test_a_new_account_is_offered_where_it_qualifies(emulator: Emulator, platform: str) -> None:
    (merchant,) = emulator.seed(1, "linked", platform=platform)

    made = emulator.control(
        "POST",
        f"{company_path(merchant)}/accounts",
        {"name": "Online", "nominalCode": "201", "type": "Income"},
    )

    assert offered(emulator, merchant)[-1] == "Online"
    assert "Online" not in offered(emulator, merchant, "payments", "card")
    assert by_name(emulator, merchant, "Online")["id"] == made["id"]
    bank = emulator.control("POST", f"{company_path(merchant)}/accounts", {"name": "Bank", "isBankAccount": True})
    assert offered(emulator, merchant, "payments", "card")[-1] == "Bank"
    banks = rows(emulator, merchant, "bankAccounts")
    assert bank["id"] in [each["id"] for each in banks]


@pytest.mark.parametrize("again", [{"nominalCode": "611"}, {"name": "Till cash"}], ids=["code", "name"])
def test_an_account_made_anew_is_offered_where_its_predecessor_was(emulator: Emulator, again: dict[str, Any]) -> None:
    (merchant,) = emulator.seed(1, "linked")
    old = by_name(emulator, merchant, "Till cash")["id"]
    emulator.control("DELETE", f"{company_path(merchant)}/accounts/{old}")
    assert "Till cash" not in offered(emulator, merchant, "payments", "cash")

    new = emulator.control("POST", f"{company_path(merchant)}/accounts", {"name": "Till", **again})

    assert new["id"] != old
    assert offered(emulator, merchant, "payments", "cash")[-1] == new["name"]
    assert new["name"] not in offered(emulator, merchant)


def test_two_accounts_may_have_the_same_name(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")

    emulator.control("POST", f"{company_path(merchant)}/accounts", {"name": "Sales", "type": "Income"})

    assert offered(emulator, merchant).count("Sales") == 2


def test_new_customers_suppliers_and_tax_rates_are_offered(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")

    for kind, body in [
        ("customers", {"customerName": "Web"}),
        ("suppliers", {"supplierName": "Bank of X"}),
        ("taxRates", {"id": "OUTPUT3", "name": "17.5%", "effectiveTaxRate": 17.5}),
    ]:
        emulator.control("POST", f"{company_path(merchant)}/{kind}", body)

    config = emulator.configuration(merchant)["configuration"]
    assert config["sales"]["salesCustomer"]["customerOptions"][-1]["name"] == "Web"
    assert config["fees"]["feesSupplier"]["supplierOptions"][-1]["name"] == "Bank of X"
    assert config["sales"]["taxRates"]["20"]["taxRateOptions"][-1] == {"name": "17.5%", "id": "OUTPUT3"}


def test_while_severed_the_options_stay_as_last_pulled(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    account = by_name(emulator, merchant, "Sales returns")
    emulator.deauthorize(merchant)

    emulator.control("DELETE", f"{company_path(merchant)}/accounts/{account['id']}")

    assert offered(emulator, merchant) == ["Sales", "Sales returns"]
    emulator.authorize(merchant)
    emulator.advance("PT1M")
    assert offered(emulator, merchant) == ["Sales"]


def test_a_row_that_is_not_in_the_books_is_404(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")

    for method in ("PATCH", "DELETE"):
        answer = emulator.api.request(method, f"/_emulator{company_path(merchant)}/accounts/nope", json={"name": "x"})
        assert answer.status_code == 404


def test_the_books_of_one_merchant_are_not_those_of_another(emulator: Emulator) -> None:
    one, other = emulator.seed(2, "linked")
    account = by_name(emulator, one, "Sales")

    emulator.control("DELETE", f"{company_path(one)}/accounts/{account['id']}")

    assert offered(emulator, one) == ["Sales returns"]
    assert offered(emulator, other) == ["Sales", "Sales returns"]


def test_whoever_links_again_finds_the_same_books(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    before = [each["id"] for each in rows(emulator, merchant, "accounts")]
    emulator.api.delete(f"{company_path(merchant)}/connections/{merchant['accountingConnectionId']}")
    fresh = emulator.api.post(f"/meta{company_path(merchant)}/connections", json="gbol").json()

    emulator.authorize({**merchant, "accountingConnectionId": fresh["id"]})
    emulator.advance("PT1M")

    assert [each["id"] for each in rows(emulator, merchant, "accounts")] == before


def test_consent_may_link_books_of_another_name(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")

    emulator.authorize(merchant, {"companyName": "Someone Else Ltd"})
    emulator.advance("PT1M")

    assert emulator.configuration(merchant)["accountingSoftwareCompanyName"] == "Someone Else Ltd"


@pytest.mark.parametrize(("state", "connection"), [("pending", "PendingAuth"), ("linked", "Linked")])
def test_a_seed_makes_companies_in_order_with_their_connections(
    emulator: Emulator, state: str, connection: str
) -> None:
    merchants = emulator.seed(3, state, prefix="shop-")

    listed = emulator.api.get("/meta/companies").json()["results"]

    assert [each["name"] for each in listed] == ["shop-00000", "shop-00001", "shop-00002"]
    assert [each["companyId"] for each in merchants] == [each["id"] for each in listed]
    assert {each["dataConnections"][1]["status"] for each in listed} == {connection}


def test_a_configured_seed_started_thirty_days_ago(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")

    start = emulator.configuration(merchant)["schedule"]["startDate"]

    now = emulator.control("GET", "/clock")["now"]
    assert start.endswith("T00:00:00Z")
    assert start < now


@pytest.mark.parametrize(
    "order",
    [{"companies": -1}, {"companies": "3"}, {"platform": "lqai"}, {"state": "done"}, {"prefix": 4}],
)
def test_a_seed_that_cannot_be_is_refused(emulator: Emulator, order: dict[str, Any]) -> None:
    assert emulator.api.post("/_emulator/seed", json=order).status_code == 400


def test_requests_are_counted_as_they_were_called(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    emulator.configuration(merchant)
    emulator.api.get("/companies", params={"page": 1})
    emulator.api.get("/meta/companies")
    emulator.api.get(f"/meta{company_path(merchant)}/pull/history/")
    emulator.api.get("/nowhere")
    emulator.api.get("/companies", headers={"Authorization": ""})
    emulator.control("GET", "/clock")

    answer = emulator.control("GET", "/requests?log=1")

    assert answer["counts"] == {
        "POST /meta/companies/sync": 1,
        "POST /meta/companies/{companyId}/connections": 1,
        "GET /config/companies/{companyId}/sync/commerce": 1,
        "GET /companies": 2,
        "GET /meta/companies": 1,
        "GET /meta/companies/{companyId}/pull/history/": 1,
        "GET /nowhere": 1,
    }
    assert answer["total"] == 8
    assert [each["status"] for each in answer["log"]] == [200, 200, 200, 200, 200, 200, 404, 401]
    assert answer["log"][3]["path"] == "/companies"
    assert answer["log"][3]["query"] == "page=1"


def test_reset_empties_everything(emulator: Emulator) -> None:
    emulator.seed(2, "configured")
    emulator.advance("P400D")
    emulator.fault("GET /companies", "drop", times=5)
    emulator.control("POST", "/limits", {"perMinute": 1})
    emulator.control("POST", "/latency", {"ms": 5000})
    emulator.control("PATCH", "/settings", {"merge": True})

    emulator.control("POST", "/reset")

    answer = emulator.api.get("/companies")
    assert answer.json()["totalResults"] == 0
    assert answer.headers["X-Rate-Limit-Limit"] == "1000000"
    assert emulator.control("GET", "/clock")["aheadSeconds"] == 0
    assert emulator.control("GET", "/faults") == {"faults": []}
    assert emulator.control("GET", "/settings")["merge"] is False
    assert emulator.counts() == {"GET /companies": 1}


def test_a_snapshot_brings_everything_back(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"merge": True})
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    emulator.advance("P2D")
    (other,) = emulator.seed(1, "configured")
    document = emulator.configuration(other)
    emulator.control("POST", "/snapshot")
    emulator.control("PATCH", f"{company_path(other)}/configuration", {"enabled": False})
    emulator.api.delete(company_path(merchant))
    emulator.control("PATCH", "/settings", {"merge": False})
    emulator.fault("GET /companies", "drop")
    emulator.advance("P400D")

    emulator.control("POST", "/restore")

    assert emulator.configuration(other) == document
    assert emulator.api.get(company_path(merchant)).json()["name"] == "acme"
    assert emulator.control("GET", "/settings")["merge"] is True
    assert emulator.control("GET", "/faults") == {"faults": []}
    assert emulator.control("GET", "/clock")["aheadSeconds"] == 2 * 86400
    assert emulator.counts().keys().isdisjoint({"DELETE /companies/{companyId}"})


def test_a_snapshot_holds_what_was_still_to_come(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    emulator.control("POST", "/snapshot")
    emulator.advance("PT1M")
    for _ in range(2):
        emulator.control("POST", "/restore")
        assert not options(emulator, merchant)
        emulator.advance("PT1M")
        assert options(emulator, merchant)


def test_a_restored_world_shows_nothing_that_came_after_its_snapshot(emulator: Emulator) -> None:
    emulator.control("POST", "/snapshot")
    emulator.seed(1)
    emulator.merchant("acme")
    emulator.control("POST", "/restore")
    emulator.fault("GET /companies", "stale")
    assert emulator.api.get("/companies").json()["totalResults"] == 0


def test_without_a_snapshot_nothing_is_restored(emulator: Emulator) -> None:
    emulator.control("POST", "/snapshot")
    emulator.control("POST", "/reset")
    emulator.merchant("acme")
    assert emulator.api.post("/_emulator/restore").status_code == 400
    assert emulator.api.get("/companies").json()["totalResults"] == 1


def test_a_snapshot_with_a_name_outlives_resets_and_other_snapshots(emulator: Emulator) -> None:
    emulator.merchant("acme")
    emulator.control("POST", "/snapshot?name=one%20company")
    emulator.control("POST", "/reset")
    emulator.control("POST", "/snapshot")
    emulator.control("POST", "/restore?name=one%20company")
    assert emulator.api.get("/companies").json()["totalResults"] == 1
    emulator.control("POST", "/restore")
    assert emulator.api.get("/companies").json()["totalResults"] == 0
    assert emulator.api.post("/_emulator/restore?name=another").status_code == 400


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("PT31S", 31), ("PT1M30S", 90), ("P1DT2H", 93600), ("P2W", 1209600), ("PT0.5S", 0.5)],
)
def test_the_clock_moves_by_an_iso_duration(emulator: Emulator, duration: str, seconds: float) -> None:
    assert emulator.advance(duration)["aheadSeconds"] == seconds


@pytest.mark.parametrize("duration", ["", "P", "PT", "31", 31, None, "-PT5S", "1 minute"])
def test_what_is_no_duration_is_refused(emulator: Emulator, duration: str | int | None) -> None:
    assert emulator.api.post("/_emulator/clock", json={"advance": duration}).status_code == 400


def test_controls_need_no_key_and_are_documented(emulator: Emulator) -> None:
    with httpx.Client(base_url=emulator.url, trust_env=False) as anyone:
        manual = anyone.get("/_emulator/")
        reset = anyone.post("/_emulator/reset")

    assert reset.status_code == 204
    assert manual.headers["content-type"].startswith("text/html")
    for word in ("/_emulator/seed", "lose-answer", "/_emulator/webhooks/replay", "pull"):
        assert word in manual.text
