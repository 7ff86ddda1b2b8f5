"""Endpoints 33 to 35: creating an account in the merchant's books (API notes 3.11, 5.6)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant

ACCOUNT = {"nominalCode": "210", "name": "Online sales", "fullyQualifiedCategory": "Income.Sales"}


@pytest.fixture
def merchant(emulator: Emulator) -> Merchant:
    return emulator.seed(1, "linked")[0]


def connection(merchant: Merchant) -> str:
    return f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"


def push(emulator: Emulator, merchant: Merchant, account: Any, **params: Any) -> httpx.Response:
    return emulator.api.post(f"{connection(merchant)}/push/accounts", json=account, params=params)


def outcome(emulator: Emulator, merchant: Merchant, operation: dict[str, Any]) -> dict[str, Any]:
    key = operation["pushOperationKey"]
    return emulator.api.get(f"/companies/{merchant['companyId']}/push/{key}").json()


def test_the_answer_says_that_the_operation_exists_not_the_account(emulator: Emulator, merchant: Merchant) -> None:
    answer = push(emulator, merchant, ACCOUNT)
    operation = answer.json()
    assert answer.status_code == 200
    assert (operation["status"], operation["statusCode"], operation["changes"]) == ("Pending", 202, [])
    assert operation["dataType"] == "chartOfAccounts"
    assert operation["dataConnectionKey"] == merchant["accountingConnectionId"]
    assert "completedOnUtc" not in operation


def test_a_pushed_account_can_be_selected_only_after_another_pull(emulator: Emulator, merchant: Merchant) -> None:
    operation = push(emulator, merchant, ACCOUNT).json()
    emulator.advance("PT5S")
    done = outcome(emulator, merchant, operation)
    assert (done["status"], done["statusCode"]) == ("Success", 200)
    created = done["changes"][0]["recordRef"]["id"]
    assert done["changes"][0]["type"] == "Created"

    def offered() -> list[str]:
        sales = emulator.configuration(merchant)["configuration"]["sales"]["accounts"]["sales"]
        return [option["id"] for option in sales["accountOptions"]]

    assert created not in offered()
    emulator.api.post(f"/companies/{merchant['companyId']}/data/queue/chartOfAccounts")
    emulator.advance("PT1M")
    assert created in offered()


def test_by_a_switch_it_is_visible_at_once_as_until_2024(emulator: Emulator, merchant: Merchant) -> None:
    emulator.control("PATCH", "/settings", {"pushVisibleAtOnce": True})
    try:
        push(emulator, merchant, ACCOUNT)
        emulator.advance("PT5S")
        rows = emulator.api.get(f"/companies/{merchant['companyId']}/data/accounts").json()["results"]
        assert "Online sales" in [row["name"] for row in rows]
    finally:
        emulator.control("PATCH", "/settings", {"pushVisibleAtOnce": False})


def test_what_the_platform_refuses_fails_with_its_validation(emulator: Emulator, merchant: Merchant) -> None:
    operation = push(emulator, merchant, {**ACCOUNT, "nominalCode": "12345678901"}).json()
    emulator.advance("PT5S")
    failed = outcome(emulator, merchant, operation)
    assert (failed["status"], failed["statusCode"], failed["changes"]) == ("Failed", 400, [])
    assert failed["errorMessage"].endswith("see validation for more information")
    assert failed["validation"]["errors"] == [
        {
            "itemId": "NominalCode",
            "message": "Failed to push to Account as NominalCode must not be longer than 10 characters long.",
            "validatorName": "Account",
        }
    ]


def test_a_severed_connection_lets_the_push_time_out_for_good(emulator: Emulator, merchant: Merchant) -> None:
    operation = push(emulator, merchant, ACCOUNT, timeoutInMinutes=5).json()
    emulator.deauthorize(merchant)
    emulator.advance("PT4M")
    assert outcome(emulator, merchant, operation)["status"] == "Pending"
    emulator.advance("PT2M")
    assert outcome(emulator, merchant, operation)["status"] == "TimedOut"
    emulator.authorize(merchant)
    emulator.advance("PT10M")
    assert outcome(emulator, merchant, operation)["status"] == "TimedOut"


def test_the_history_is_paged_with_the_latest_first(emulator: Emulator, merchant: Merchant) -> None:
    keys = [push(emulator, merchant, ACCOUNT).json()["pushOperationKey"] for _ in range(3)]
    page = emulator.api.get(f"/companies/{merchant['companyId']}/push?page=1&pageSize=2").json()
    assert [each["pushOperationKey"] for each in page["results"]] == [keys[2], keys[1]]
    assert page["totalResults"] == 3
    assert page["_links"]["self"] == {"href": f"/companies/{merchant['companyId']}/push"}


def test_options_differ_by_platform(emulator: Emulator, merchant: Merchant) -> None:
    xero = emulator.api.get(f"{connection(merchant)}/options/chartOfAccounts").json()
    assert xero["properties"]["nominalCode"]["required"] is True
    assert len(xero["properties"]["fullyQualifiedCategory"]["options"]) == 21
    (other,) = emulator.seed(1, "linked", platform="qhyg", prefix="q-")
    quickbooks = emulator.api.get(f"{connection(other)}/dataTypes/accounts/options/POST").json()
    assert quickbooks["properties"]["nominalCode"]["required"] is False
    assert "description" not in quickbooks["properties"]


def test_a_name_may_ask_for_payments_in_xero(emulator: Emulator, merchant: Merchant) -> None:
    account = {**ACCOUNT, "name": "Kiosk.PaymentsEnabled", "fullyQualifiedCategory": "Asset.Current"}
    push(emulator, merchant, account)
    emulator.advance("PT5S")
    emulator.api.post(f"/companies/{merchant['companyId']}/data/queue/chartOfAccounts")
    emulator.advance("PT1M")
    card = emulator.configuration(merchant)["configuration"]["payments"]["accounts"]["card"]
    assert "Kiosk" in [option["name"] for option in card["accountOptions"]]


def test_a_commerce_connection_has_no_accounts_to_push(emulator: Emulator, merchant: Merchant) -> None:
    path = f"/companies/{merchant['companyId']}/connections/{merchant['commerceConnectionId']}"
    answer = emulator.api.post(f"{path}/push/accounts", json=ACCOUNT)
    assert answer.status_code == 404
    assert "not supported by platform(s)" in answer.json()["error"]


def test_an_unknown_operation_and_a_bad_timeout_are_refused(emulator: Emulator, merchant: Merchant) -> None:
    path = f"/companies/{merchant['companyId']}/push/00000000-0000-0000-0000-000000000000"
    assert emulator.api.get(path).status_code == 404
    assert push(emulator, merchant, ACCOUNT, timeoutInMinutes="soon").status_code == 400
