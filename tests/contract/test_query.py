"""`query`, `orderBy` and paging on the lists of Codat (API notes 1.6 to 1.8)."""

from __future__ import annotations

import httpx
import pytest

from tests.emulator import Emulator


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["results"]]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_companies_are_filtered_by_the_status_of_their_connections(emulator: Emulator) -> None:
    emulator.seed(2, "pending", prefix="p-")
    emulator.seed(1, "linked", prefix="l-")
    query = "dataConnections.status=PendingAuth"
    assert names(emulator.api.get("/meta/companies", params={"query": query})) == ["p-00000", "p-00001"]


def test_companies_without_any_connection_are_found_by_the_published_chain(emulator: Emulator) -> None:
    emulator.seed(1, "pending")
    emulator.api.post("/companies", json={"name": "bare"})
    chain = "&&".join(
        f"dataConnections.status!={status}" for status in ("PendingAuth", "Linked", "Deauthorized", "Unlinked")
    )
    assert names(emulator.api.get("/companies", params={"query": chain})) == ["bare"]


@pytest.mark.parametrize(
    ("expression", "found"),
    [("region=uk", ["a"]), ("region!=uk", ["b", "c"]), ("region~u", ["a", "b"]), ("region=uk||tier=gold", ["a", "c"])],
)
def test_later_companies_are_filtered_by_their_tags(emulator: Emulator, expression: str, found: list[str]) -> None:
    for name, tags in (("a", {"region": "uk"}), ("b", {"region": "us"}), ("c", {"tier": "gold"})):
        emulator.api.post("/companies", json={"name": name, "tags": tags})
    assert names(emulator.api.get("/companies", params={"tags": expression})) == found


def test_a_company_is_found_by_its_id(emulator: Emulator) -> None:
    first, _ = emulator.seed(2)
    answer = emulator.api.get("/companies", params={"query": f"id={first['companyId']}"})
    assert names(answer) == [first["name"]]


def test_integrations_are_filtered_by_enabled_even_when_encoded_twice(emulator: Emulator) -> None:
    for url in (
        "/config/integrations?query=enabled=false",
        "/config/integrations?query=enabled%3Dfalse",
        "/config/integrations?query=enabled%253Dfalse",
    ):
        rows = emulator.api.get(url).json()["results"]
        assert rows
        assert not any(row["enabled"] for row in rows)


@pytest.mark.parametrize("value", ["accounting", "Accounting"])
def test_values_are_compared_without_regard_to_case(emulator: Emulator, value: str) -> None:
    rows = emulator.api.get("/integrations", params={"query": f"sourceType={value}"}).json()["results"]
    assert {row["sourceType"] for row in rows} == {"Accounting"}


def test_pull_history_is_filtered_by_type_and_not_by_is_completed(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    path = f"/meta/companies/{merchant['companyId']}/pull/history/"
    rows = emulator.api.get(path, params={"query": "dataType=bankAccounts"}).json()["results"]
    assert [row["dataType"] for row in rows] == ["bankAccounts"]
    assert refusal(emulator.api.get(path, params={"query": "isCompleted=true"})) == (
        400,
        "Error parsing query - Could not resolve property isCompleted on Dataset",
    )


def test_accounts_are_filtered_by_deletion_and_ordered_downwards(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    company = merchant["companyId"]
    path = f"/companies/{company}/data/accounts"
    rows = emulator.api.get(path).json()["results"]
    emulator.control("DELETE", f"/companies/{company}/accounts/{rows[0]['id']}")
    answer = emulator.api.get(path, params={"query": "metadata.isDeleted!=true", "orderBy": "-nominalCode"})
    kept = [row["nominalCode"] for row in answer.json()["results"]]
    assert kept == sorted((row["nominalCode"] for row in rows[1:]), reverse=True)


def test_a_malformed_query_is_refused_in_the_documented_words(emulator: Emulator) -> None:
    for query in ("name", "name=a &&", "{name=a"):
        answer = emulator.api.get("/meta/companies", params={"query": query})
        assert refusal(answer) == (400, "Error parsing query - Malformed query.")
        assert answer.json()["service"] == "ClientsApi"


def test_an_expression_of_2048_characters_is_too_long(emulator: Emulator) -> None:
    answer = emulator.api.get("/companies", params={"query": "name=" + "x" * 2043})
    assert answer.status_code == 400
    assert emulator.api.get("/companies", params={"query": "name=" + "x" * 2042}).status_code == 200


@pytest.mark.parametrize("params", ["pageSize=5001", "pageSize=0", "page=0", "page=x", "page=-1"])
def test_paging_out_of_range_is_refused(emulator: Emulator, params: str) -> None:
    assert emulator.api.get(f"/meta/companies?{params}").status_code == 400


def test_five_thousand_companies_come_in_one_page(emulator: Emulator) -> None:
    emulator.seed(5001)
    page = emulator.api.get("/meta/companies?page=1&pageSize=5000").json()
    assert (len(page["results"]), page["totalResults"], page["pageSize"]) == (5000, 5001, 5000)
    assert page["_links"]["next"] == {"href": "/companies?page=2&pageSize=5000"}


def test_links_are_relative_and_name_the_canonical_path(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    company = merchant["companyId"]
    links = emulator.api.get(f"/meta/companies/{company}/connections?page=2&pageSize=1").json()["_links"]
    assert links == {
        "self": {"href": f"/companies/{company}/connections"},
        "current": {"href": f"/companies/{company}/connections?page=2&pageSize=1"},
        "previous": {"href": f"/companies/{company}/connections?page=1&pageSize=1"},
    }
    assert emulator.api.get("/config/integrations").json()["_links"]["self"] == {"href": "/integrations"}


def test_companies_in_the_order_of_creation_keep_it_when_they_are_renamed_or_deleted(emulator: Emulator) -> None:
    """What is new stands at the end: pages that are asked for in this order shift only where a company is deleted."""
    ids = [emulator.merchant(f"m-{number}")["companyId"] for number in range(6)]
    emulator.api.patch(f"/companies/{ids[4]}", json={"name": "a-first"}).raise_for_status()
    emulator.api.delete(f"/companies/{ids[0]}").raise_for_status()
    ids.append(emulator.merchant("a-last")["companyId"])
    seen = []
    for number in (1, 2, 3):
        page = emulator.api.get("/meta/companies", params={"page": number, "pageSize": 2, "orderBy": "created"}).json()
        seen += [company["id"] for company in page["results"]]
    assert seen == ids[1:]
