"""What somebody else does at the very moment of a call, and services that are otherwise than a client hopes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator import Emulator

CREATE = "POST /meta/companies/sync"
CONFIGURATION = "/config/companies/{companyId}/sync/commerce"
EDIT = {"method": "PATCH", "path": "/_emulator/companies/{companyId}/configuration", "body": {"note": "portal"}}


def meanwhile(emulator: Emulator, match: str, *calls: Any, **more: Any) -> None:
    emulator.control("POST", "/meanwhile", {"match": match, "calls": list(calls), **more})


def done(emulator: Emulator) -> list[Any]:
    return [each["status"] for each in emulator.control("GET", "/meanwhile")["done"]]


def pages(emulator: Emulator, size: int, **more: Any) -> tuple[list[Any], int]:
    """Every row of all pages, as a client that counts would gather them."""
    found, number, total = [], 1, 1
    while (number - 1) * size < total:
        page = emulator.api.get("/meta/companies", params={"page": number, "pageSize": size, **more}).json()
        found += [each["name"] for each in page["results"]]
        number, total = number + 1, page["totalResults"]
    return found, total


def test_a_page_shifts_while_the_total_stays(emulator: Emulator) -> None:
    """A row slides to the page that was read already: counts agree, and one company was not seen."""
    first, *_ = emulator.seed(4)
    meanwhile(
        emulator,
        "GET /meta/companies",
        {"method": "DELETE", "path": f"/companies/{first['companyId']}"},
        {"method": "POST", "path": "/meta/companies/sync", "body": {"name": "newcomer"}},
        skip=1,
    )

    found, total = pages(emulator, 2, orderBy="created")

    assert found == ["m-00000", "m-00001", "m-00003", "newcomer"]
    assert total == len(set(found)) == 4
    assert "m-00002" in pages(emulator, 2)[0]
    assert done(emulator) == [204, 200]


@pytest.mark.parametrize(("when", "seen"), [("before", True), ("after", False)])
def test_the_portal_edits_before_a_read_or_after_it(emulator: Emulator, when: str, seen: bool) -> None:
    (merchant,) = emulator.seed(1, "configured")
    meanwhile(emulator, f"GET {CONFIGURATION}", EDIT, when=when)
    assert ("note" in emulator.configuration(merchant)) is seen
    assert emulator.configuration(merchant)["note"] == "portal"


@pytest.mark.parametrize(("when", "kept"), [("before", False), ("after", True)])
def test_an_edit_before_our_post_is_lost_by_it_and_one_after_it_stays(
    emulator: Emulator, when: str, kept: bool
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    meanwhile(emulator, f"POST {CONFIGURATION}", EDIT, when=when)
    answered = emulator.save(merchant, document).json()
    assert "note" not in answered
    assert ("note" in emulator.configuration(merchant)) is kept


def test_a_merchant_consents_at_the_moment_of_a_request(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    address = f"/_emulator/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    meanwhile(emulator, "GET /companies/{companyId}", {"method": "POST", "path": f"{address}/authorize"}, times=1)
    company = emulator.api.get(f"/companies/{merchant['companyId']}").json()
    assert [each["status"] for each in company["dataConnections"]] == ["Linked", "Linked"]


def test_others_are_not_counted_and_are_gone_with_a_reset(emulator: Emulator) -> None:
    emulator.seed(1)
    meanwhile(emulator, "GET /meta/companies", {"method": "GET", "path": "/companies"}, times=9)
    pages(emulator, 5)
    assert emulator.counts() == {"GET /meta/companies": 1}
    emulator.control("POST", "/reset")
    assert emulator.control("GET", "/meanwhile") == {"open": [], "done": []}


def test_a_fault_and_somebody_else_may_meet_at_one_call(emulator: Emulator) -> None:
    other = {"method": "POST", "path": "/meta/companies/sync", "body": {"name": "acme"}}
    emulator.fault(CREATE, "status", code=500, done=True)
    meanwhile(emulator, CREATE, other)
    assert emulator.api.post("/meta/companies/sync", json={"name": "acme"}).status_code == 500
    assert pages(emulator, 5) == (["acme", "acme"], 2)


@pytest.mark.parametrize(
    "order",
    [
        {"match": "GET /nowhere", "calls": [EDIT]},
        {"match": "GET /companies", "calls": []},
        {"match": "GET /companies", "calls": [{"method": "GET", "path": "/nowhere"}]},
        {"match": "GET /companies", "calls": [{"method": "BREW", "path": "/companies"}]},
        {"match": "GET /companies", "calls": [EDIT], "when": "later"},
        {"match": "GET /companies", "calls": [EDIT], "skip": -1},
    ],
)
def test_an_order_that_could_never_be_is_refused(emulator: Emulator, order: dict[str, Any]) -> None:
    assert emulator.api.post("/_emulator/meanwhile", json=order).status_code == 400


def test_pages_are_silently_cut_to_what_the_service_serves(emulator: Emulator) -> None:
    emulator.seed(5)
    emulator.control("POST", "/limits", {"maxPageSize": 2})
    page = emulator.api.get("/meta/companies", params={"page": 2, "pageSize": 5000}).json()
    assert [each["name"] for each in page["results"]] == ["m-00002", "m-00003"]
    assert (page["pageSize"], page["totalResults"]) == (2, 5)
    assert page["_links"]["next"]["href"] == "/companies?page=3&pageSize=2"


@pytest.mark.parametrize(("wish", "names"), [("created", ["a", "b", "c"]), ("-created", ["c", "b", "a"])])
def test_companies_come_in_order_of_creation_where_asked(emulator: Emulator, wish: str, names: list[str]) -> None:
    for name in ("a", "b", "c"):
        emulator.merchant(name)
    assert pages(emulator, 2, orderBy=wish)[0] == names


def test_companies_are_looked_for_by_query_and_in_order(emulator: Emulator) -> None:
    for name in ("a", "b", "c"):
        emulator.merchant(name)
    ordered = {"orderBy": "-created", "query": "dataConnections.status=PendingAuth"}
    assert pages(emulator, 2, **ordered) == (["c", "b", "a"], 3)
    assert pages(emulator, 2, query="name=b") == (["b"], 1)


def test_names_may_be_tidied(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"tidyNames": True})
    made = emulator.api.post("/meta/companies/sync", json={"name": "  acme   coffee "}).json()
    assert made["name"] == "acme coffee"
    renamed = emulator.api.put(f"/companies/{made['id']}", json={"name": " acme  tea"}).json()
    assert renamed["name"] == "acme tea"


def test_lists_and_words_may_be_kept_in_the_services_own_way(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    emulator.control("PATCH", "/settings", {"sortLists": True, "lowerWords": True})
    document = emulator.configuration(merchant)
    levels = document["configuration"]["sales"]["grouping"]["groupingLevels"]
    levels["invoiceLevel"]["selectedGroupByOptions"] = ["Location", "Country"]

    answer = emulator.save(merchant, document)

    kept = answer.json()
    sales = kept["configuration"]["sales"]
    assert kept["schedule"]["selectedFrequency"] == "daily"
    assert sales["invoiceStatus"]["selectedInvoiceStatus"] == "submitted"
    grouping = sales["grouping"]["groupingLevels"]["invoiceLevel"]["selectedGroupByOptions"]
    assert [each.lower() for each in grouping] == ["country", "location"]
    assert emulator.save(merchant, kept).json() == kept, "its own spelling is taken back"
