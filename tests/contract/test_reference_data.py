"""Pulls, their status and history, and the cache they fill, over HTTP (API notes 3.8 to 3.10, 5.4, 5.8)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant

SIX = {"chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company"}
LISTS = ["accounts", "taxRates", "customers", "suppliers", "bankAccounts"]


def company_path(merchant: Merchant) -> str:
    return f"/companies/{merchant['companyId']}"


def status(emulator: Emulator, merchant: Merchant) -> Any:
    return emulator.api.get(f"{company_path(merchant)}/dataStatus").json()


def read(emulator: Emulator, merchant: Merchant, name: str, **params: Any) -> httpx.Response:
    return emulator.api.get(f"{company_path(merchant)}/data/{name}", params=params)


def test_nothing_is_listed_before_anything_was_requested(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")

    assert status(emulator, merchant) == {}
    answer = read(emulator, merchant, "accounts")
    assert (answer.status_code, answer.json()["error"]) == (409, "The data set has not been requested.")


def test_consent_pulls_the_six_types_within_a_minute(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)

    begun = status(emulator, merchant)
    assert set(begun) == SIX
    assert all(set(entry) == {"dataType", "currentStatus", "latestSyncId"} for entry in begun.values())
    assert read(emulator, merchant, "customers").status_code == 409

    emulator.advance("PT1M")

    done = status(emulator, merchant)
    assert {entry["currentStatus"] for entry in done.values()} == {"Complete"}
    assert all(entry["latestSyncId"] == entry["latestSuccessfulSyncId"] for entry in done.values())
    company = emulator.api.get(company_path(merchant)).json()
    assert company["lastSync"] == max(entry["lastSuccessfulSync"] for entry in done.values())
    assert company["dataConnections"][1]["lastSync"] == company["lastSync"]
    assert "lastSync" not in company["dataConnections"][0]


def test_a_pull_goes_through_its_stages_with_the_clock(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    pull_id = status(emulator, merchant)["customers"]["latestSyncId"]
    seen = []

    for _ in range(12):
        pull = emulator.api.get(f"/meta{company_path(merchant)}/pull/history/{pull_id}").json()
        seen.append((pull["status"], pull["progress"], pull["isCompleted"], "completed" in pull))
        emulator.advance("PT1S")

    words = [word for word, *_ in seen]
    assert words[0] == "Queued"
    assert [word for word in dict.fromkeys(words) if word != "Complete"] == [
        "Queued",
        "Fetching",
        "MapQueued",
        "Mapping",
        "ValidationQueued",
        "Validating",
        "ProcessingQueued",
        "Processing",
    ]
    assert [progress for _, progress, *_ in seen] == sorted(progress for _, progress, *_ in seen)
    assert seen[-1] == ("Complete", 100, True, True)


def test_a_second_request_while_one_runs_is_409(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    path = f"{company_path(merchant)}/data/queue/customers"
    first = emulator.api.post(path)
    assert (first.status_code, first.json()["status"]) == (200, "Queued")

    again = emulator.api.post(path)

    assert again.status_code == 409
    assert again.json()["error"] == (
        f"DatasetAlreadyInProgressException: Cannot queue customers sync for {merchant['companyId']} "
        f"as previous sync {first.json()['id']} is still in progress"
    )
    emulator.advance("PT1M")
    assert emulator.api.post(path).status_code == 200


def test_while_a_refresh_runs_the_last_pull_is_still_read(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    emulator.api.post(f"{company_path(merchant)}/data/all")

    assert read(emulator, merchant, "accounts").status_code == 200
    entry = status(emulator, merchant)["chartOfAccounts"]
    assert entry["currentStatus"] == "Queued"
    assert entry["latestSyncId"] != entry["latestSuccessfulSyncId"]


@pytest.mark.parametrize("path", ["data/all", "data/queue/all"])
def test_refreshing_all_queues_the_six_types(emulator: Emulator, path: str) -> None:
    (merchant,) = emulator.seed(1, "linked")

    answer = emulator.api.post(f"{company_path(merchant)}/{path}")

    assert (answer.status_code, answer.content) == (204, b"")
    running = {name for name, entry in status(emulator, merchant).items() if entry["currentStatus"] == "Queued"}
    assert running == SIX


def test_a_type_that_no_linked_platform_has_is_404(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")

    answer = emulator.api.post(f"{company_path(merchant)}/data/queue/banking-accounts")

    assert answer.status_code == 404
    assert answer.json()["error"] == ("Datatype banking-accounts not supported by platform(s) PlatformCommerce, Xero")


def test_a_refresh_needs_a_linked_connection(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    emulator.deauthorize(merchant)

    assert emulator.api.post(f"{company_path(merchant)}/data/queue/customers").status_code == 400


def test_a_pull_may_be_limited_to_one_connection(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    path = f"{company_path(merchant)}/data/queue/customers"

    made = emulator.api.post(path, params={"connectionId": merchant["accountingConnectionId"]})
    wrong = emulator.api.post(path, params={"connectionId": merchant["commerceConnectionId"]})

    assert made.json()["connectionId"] == merchant["accountingConnectionId"]
    assert wrong.status_code == 404


@pytest.mark.parametrize(("severing", "outcome"), [("deauthorize", "AuthError"), ("unlink", "Cancelled")])
def test_severing_ends_running_pulls(emulator: Emulator, severing: str, outcome: str) -> None:
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    if severing == "deauthorize":
        emulator.deauthorize(merchant)
    else:
        path = f"/meta{company_path(merchant)}/connections/{merchant['accountingConnectionId']}"
        emulator.api.patch(path, json={"status": "Unlinked"})

    assert {entry["currentStatus"] for entry in status(emulator, merchant).values()} == {outcome}
    emulator.advance("PT1M")
    assert {entry["currentStatus"] for entry in status(emulator, merchant).values()} == {outcome}
    missing = read(emulator, merchant, "accounts")
    assert (missing.status_code, missing.json()["error"]) == (
        404,
        f"No data available for chartOfAccounts for ID {merchant['companyId']}",
    )


def test_a_failed_pull_after_a_success_shows_both(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    emulator.control("POST", f"{company_path(merchant)}/data/suppliers/fail", {"status": "RateLimitError"})

    entry = status(emulator, merchant)["suppliers"]

    assert entry["currentStatus"] == "RateLimitError"
    assert entry["latestSyncId"] != entry["latestSuccessfulSyncId"]
    pull = emulator.api.get(f"{company_path(merchant)}/data/history/{entry['latestSyncId']}").json()
    assert (pull["isErrored"], pull["isCompleted"]) == (True, False)
    assert pull["errorMessage"]
    assert read(emulator, merchant, "suppliers").status_code == 200


@pytest.mark.parametrize(
    "spelling",
    ["/meta/companies/{}/pull/history/", "/meta/companies/{}/pull/history", "/companies/{}/data/history"],
)
def test_pull_history_is_the_same_in_every_spelling(emulator: Emulator, spelling: str) -> None:
    (merchant,) = emulator.seed(1, "linked")
    emulator.api.post(f"{company_path(merchant)}/data/queue/taxRates")

    page = emulator.api.get(spelling.format(merchant["companyId"]), params={"query": "dataType=taxRates"}).json()

    assert page["totalResults"] == 2
    assert [each["status"] for each in page["results"]] == ["Queued", "Complete"]
    assert page["_links"]["self"]["href"] == f"{company_path(merchant)}/data/history"


def test_an_unknown_pull_is_404(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    unknown = "6f87fad8-862b-4e6d-ab67-1c8d49ebb5ee"

    assert emulator.api.get(f"{company_path(merchant)}/data/history/{unknown}").status_code == 404


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_paged_and_each_row_can_be_read_by_its_id(emulator: Emulator, name: str) -> None:
    (merchant,) = emulator.seed(1, "linked")
    prefix = company_path(merchant)
    if name == "bankAccounts":
        prefix += f"/connections/{merchant['accountingConnectionId']}"

    page = emulator.api.get(f"{prefix}/data/{name}", params={"page": 1, "pageSize": 1}).json()

    (row,) = page["results"]
    assert page["_links"]["self"]["href"] == f"{prefix}/data/{name}"
    assert emulator.api.get(f"{prefix}/data/{name}/{row['id']}").json() == row
    assert row["status"] == "Active"
    assert row["metadata"] == {"isDeleted": False}
    assert row["modifiedDate"]
    missing = emulator.api.get(f"{prefix}/data/{name}/nope")
    assert missing.status_code == 404


def test_bank_accounts_have_the_ids_of_their_accounts(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    path = f"{company_path(merchant)}/connections/{merchant['accountingConnectionId']}/data/bankAccounts"

    (bank,) = emulator.api.get(path).json()["results"]

    account = read(emulator, merchant, f"accounts/{bank['id']}").json()
    assert (bank["accountName"], account["isBankAccount"]) == ("Business current account", True)
    assert read(emulator, merchant, "bankAccounts").json()["results"] == [bank]


def test_company_info_is_one_object_and_its_post_queues_a_pull(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked", platform="qhyg")

    info = read(emulator, merchant, "info").json()

    assert (info["companyName"], info["baseCurrency"]) == ("Harbour Street Deli (QBO)", "USD")
    queued = emulator.api.post(f"{company_path(merchant)}/data/info").json()
    assert (queued["dataType"], queued["status"]) == ("company", "Queued")


def test_records_can_be_queried_and_ordered(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")

    liabilities = read(emulator, merchant, "accounts", query="type=Liability", orderBy="-nominalCode").json()

    assert [each["nominalCode"] for each in liabilities["results"]] == ["830", "825"]
    assert read(emulator, merchant, "accounts", query="nope=1").status_code == 400


def test_the_service_knows_an_edit_of_the_books_only_after_a_pull(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    (account, *_) = read(emulator, merchant, "accounts").json()["results"]
    emulator.control("PATCH", f"{company_path(merchant)}/accounts/{account['id']}?pull=false", {"name": "Takings"})
    assert read(emulator, merchant, f"accounts/{account['id']}").json() == account

    emulator.api.post(f"{company_path(merchant)}/data/queue/chartOfAccounts")
    emulator.advance("PT1M")

    renamed = read(emulator, merchant, f"accounts/{account['id']}").json()
    assert renamed["name"] == "Takings"
    assert renamed["fullyQualifiedName"] == "Income.Revenue.Takings"
    assert renamed["modifiedDate"] > account["modifiedDate"]
    assert renamed["sourceModifiedDate"] > account["sourceModifiedDate"]
    other = read(emulator, merchant, "accounts").json()["results"][1]
    assert other["modifiedDate"] == account["modifiedDate"]
