"""Companies over HTTP, as API notes 3.1 describes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator import Emulator


def test_a_company_comes_with_a_linked_commerce_connection(emulator: Emulator) -> None:
    answer = emulator.api.post("/meta/companies/sync", json={"name": "acme"})

    assert answer.status_code == 200
    (connection,) = answer.json()["dataConnections"]
    assert (connection["integrationKey"], connection["sourceType"]) == ("lqai", "Commerce")
    assert (connection["status"], connection["platformName"]) == ("Linked", "PlatformCommerce")
    assert answer.json()["platform"] == ""
    assert "lastSync" not in answer.json()


def test_a_plain_company_has_no_connection(emulator: Emulator) -> None:
    answer = emulator.api.post("/companies", json={"name": "acme", "platformType": "gbol"})

    assert answer.status_code == 200
    assert answer.json()["dataConnections"] == []


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("Acme Foods (Branch[2])", "Acme Foods Branch2"),
        ("merchant_123", "merchant123"),
        ("Café", "Caf"),
        ("a-b'c&d@e.f,g?h!", "a-b'c&d@e.f,g?h!"),
        ("  two  spaces ", "  two  spaces "),
    ],
)
def test_forbidden_characters_are_silently_removed(emulator: Emulator, wanted: str, stored: str) -> None:
    assert emulator.api.post("/meta/companies/sync", json={"name": wanted}).json()["name"] == stored


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "((("}, {"name": 5}, {"name": None}, {}, [], "acme"])
def test_a_company_without_a_usable_name_is_refused(emulator: Emulator, body: dict[str, Any] | list[Any] | str) -> None:
    answer = emulator.api.post("/meta/companies/sync", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == "Error processing request - not valid."


def test_names_need_not_be_unique(emulator: Emulator) -> None:
    ids = {emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()["id"] for _ in range(3)}

    assert len(ids) == 3


def test_the_list_embeds_connections_in_order_of_creation(emulator: Emulator) -> None:
    merchants = emulator.seed(5)

    page = emulator.api.get("/meta/companies", params={"page": 1, "pageSize": 3}).json()

    assert [company["name"] for company in page["results"]] == ["m-00000", "m-00001", "m-00002"]
    assert (page["totalResults"], page["pageNumber"], page["pageSize"]) == (5, 1, 3)
    assert page["_links"]["next"]["href"] == "/companies?page=2&pageSize=3"
    assert [each["id"] for each in page["results"][0]["dataConnections"]] == [
        merchants[0]["commerceConnectionId"],
        merchants[0]["accountingConnectionId"],
    ]


def test_both_spellings_reach_the_same_company(emulator: Emulator) -> None:
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    for prefix in ("/companies", "/meta/companies"):
        assert emulator.api.get(f"{prefix}/{company['id']}").json() == company
        assert emulator.api.get(prefix).json()["results"] == [company]


def test_put_replaces_and_clears_what_it_does_not_name(emulator: Emulator) -> None:
    company = emulator.api.post(
        "/meta/companies/sync", json={"name": "acme", "description": "Shop", "tags": {"region": "uk"}}
    ).json()

    renamed = emulator.api.put(f"/companies/{company['id']}", json={"name": "acme (2)"}).json()

    assert renamed["name"] == "acme 2"
    assert "description" not in renamed
    assert "tags" not in renamed
    assert renamed["dataConnections"] == company["dataConnections"]


def test_patch_changes_only_what_it_names(emulator: Emulator) -> None:
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme", "description": "Shop"}).json()

    changed = emulator.api.patch(f"/companies/{company['id']}", json={"name": "other"}).json()

    assert (changed["name"], changed["description"]) == ("other", "Shop")


def test_a_deleted_company_is_gone_for_every_call(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    company_id = merchant["companyId"]

    deleted = emulator.api.delete(f"/companies/{company_id}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    for path in ("", "/connections", "/dataStatus", "/data/accounts"):
        answer = emulator.api.get(f"/companies/{company_id}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"] == f"No company was found with ID {company_id}"
    assert emulator.api.get(f"/config/companies/{company_id}/sync/commerce").status_code == 404
    assert emulator.api.delete(f"/companies/{company_id}").status_code == 404
    assert emulator.api.get("/companies").json()["totalResults"] == 0


def test_a_company_beyond_the_limit_is_402(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"companyLimit": 1})
    emulator.api.post("/meta/companies/sync", json={"name": "one"})

    answer = emulator.api.post("/meta/companies/sync", json={"name": "two"})

    assert answer.status_code == 402
    assert answer.json()["error"] == "CompanyValidationException: Company limit exceeded"
    assert answer.json()["validation"]["errors"] == [
        {"itemId": "Company", "message": "Company limit exceeded.", "validatorName": "CreateCompany"}
    ]


def test_tags_beyond_their_bounds_are_refused(emulator: Emulator) -> None:
    for tags in ({"k" * 28: "v"}, {"k": "v" * 101}, {f"k{n}": "v" for n in range(11)}, ["a"]):
        answer = emulator.api.post("/meta/companies/sync", json={"name": "acme", "tags": tags})
        assert answer.status_code == 400
