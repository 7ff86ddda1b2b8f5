"""The configuration over HTTP: shape, options, what a POST takes and what it keeps (API notes 3.3, 4)."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant


def options(emulator: Emulator, merchant: Merchant, section: str, row: str) -> list[str] | None:
    offered = emulator.configuration(merchant)["configuration"][section]["accounts"][row]["accountOptions"]
    return None if offered is None else [each["name"] for each in offered]


def ids(document: dict[str, Any], section: str, row: str) -> dict[str, Any]:
    chosen = document["configuration"][section]["accounts"][row]
    return {each["name"]: each["id"] for each in chosen["accountOptions"]}


def connection_path(merchant: Merchant) -> str:
    return f"/meta/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"


def errors(answer: httpx.Response) -> list[Any]:
    return [each["message"] for each in answer.json()["validation"]["errors"]]


def test_before_consent_there_is_a_skeleton_without_options(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")

    document = emulator.configuration(merchant)

    assert document["companyId"] == merchant["companyId"]
    assert document["accountingSoftwareCompanyName"] is None
    assert (document["enabled"], document["configured"]) == (False, False)
    assert document["schedule"]["startDate"] == "0001-01-01T00:00:00"
    assert document["schedule"]["frequencyOptions"] == ["Daily", "Monthly"]
    sales = document["configuration"]["sales"]
    assert sales["accounts"]["sales"] == {
        "labelText": "Sales",
        "descriptionText": "Takings before tax",
        "selectedAccountId": None,
        "required": True,
        "accountOptions": None,
    }
    assert sales["salesCustomer"] == {"selectedCustomerId": None, "customerOptions": None}
    assert sales["taxRates"]["20"] == {"selectedTaxRateId": None, "taxRateOptions": None}
    assert document["configuration"]["fees"]["feesSupplier"]["supplierOptions"] is None


def test_options_appear_when_their_data_is_pulled(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    assert options(emulator, merchant, "sales", "sales") is None

    emulator.advance("PT1M")

    assert options(emulator, merchant, "sales", "sales") == ["Sales", "Sales returns"]
    assert emulator.configuration(merchant)["accountingSoftwareCompanyName"] == "Harbour Street Deli Ltd"
    assert emulator.configuration(merchant)["configured"] is False


@pytest.mark.parametrize(
    ("section", "row", "names"),
    [
        ("sales", "sales", ["Sales", "Sales returns"]),
        ("sales", "refund", ["Sales", "Sales returns"]),
        ("sales", "gratuity", ["Sales", "Sales returns", "Tips payable", "Gift cards outstanding"]),
        ("sales", "prepaid", ["Tips payable", "Gift cards outstanding"]),
        (
            "payments",
            "card",
            ["Gift card redemptions", "POS card clearing", "Till cash", "Business current account"],
        ),
        ("fees", "paymentFee", ["Merchant fees", "Business current account"]),
    ],
)
def test_each_row_offers_the_accounts_that_qualify_in_xero(
    emulator: Emulator, section: str, row: str, names: list[str]
) -> None:
    (merchant,) = emulator.seed(1, "linked")

    assert options(emulator, merchant, section, row) == names


def test_quickbooks_takes_payments_in_bank_accounts_only(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked", platform="qhyg")

    document = emulator.configuration(merchant)

    card = document["configuration"]["payments"]["accounts"]["card"]["accountOptions"]
    assert [each["name"] for each in card] == [
        "Gift card redemptions",
        "POS card clearing",
        "Till cash",
        "Checking",
    ]
    assert {each["classification"] for each in card} == {"Bank"}
    assert {each["nominalCode"] for each in card} == {None}
    assert all(each["id"].isdigit() for each in card)
    assert list(document["configuration"]["sales"]["taxRates"]) == ["0", "8.875"]


@pytest.mark.parametrize(
    ("platform", "keys"), [("gbol", ["0", "5", "20"]), ("fbrh", ["0", "5", "20"]), ("qhyg", ["0", "8.875"])]
)
def test_tax_keys_follow_the_platform(emulator: Emulator, platform: str, keys: list[str]) -> None:
    (merchant,) = emulator.seed(1, "linked", platform=platform)

    assert list(emulator.configuration(merchant)["configuration"]["sales"]["taxRates"]) == keys


def test_ids_differ_from_merchant_to_merchant_but_tax_codes_do_not(emulator: Emulator) -> None:
    one, other = (emulator.configuration(each) for each in emulator.seed(2, "linked"))

    assert ids(one, "sales", "sales").keys() == ids(other, "sales", "sales").keys()
    assert not set(ids(one, "sales", "sales").values()) & set(ids(other, "sales", "sales").values())
    for rate in ("0", "5", "20"):
        assert (
            one["configuration"]["sales"]["taxRates"][rate]["taxRateOptions"]
            == other["configuration"]["sales"]["taxRates"][rate]["taxRateOptions"]
        )


@pytest.mark.parametrize("platform", ["gbol", "qhyg", "fbrh", "qudb", "mqjo"])
def test_a_configured_seed_posts_back_unchanged(emulator: Emulator, platform: str) -> None:
    (merchant,) = emulator.seed(1, "configured", platform=platform)
    document = emulator.configuration(merchant)

    answer = emulator.save(merchant, document)

    assert (answer.status_code, answer.json()) == (200, document)
    assert emulator.configuration(merchant) == document


def test_a_configured_seed_has_what_a_configured_merchant_has(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")

    document = emulator.configuration(merchant)

    assert (document["enabled"], document["configured"]) == (True, True)
    assert document["schedule"]["selectedFrequency"] == "Daily"
    assert (document["schedule"]["syncHourUtc"], document["schedule"]["timeZone"]) == (0, None)
    config = document["configuration"]
    selected = {
        (section, row): next(
            each["name"] for each in content["accountOptions"] if each["id"] == content["selectedAccountId"]
        )
        for section in ("sales", "payments", "fees")
        for row, content in config[section]["accounts"].items()
    }
    assert selected == {
        ("sales", "sales"): "Sales",
        ("sales", "refund"): "Sales returns",
        ("sales", "gratuity"): "Tips payable",
        ("sales", "prepaid"): "Gift cards outstanding",
        ("payments", "card"): "POS card clearing",
        ("payments", "cash"): "Till cash",
        ("payments", "payout"): "Business current account",
        ("payments", "prepaidPayment"): "Gift card redemptions",
        ("fees", "paymentFee"): "Merchant fees",
        ("fees", "paymentFeeRefund"): "Merchant fees",
    }
    assert {rate: row["selectedTaxRateId"] for rate, row in config["sales"]["taxRates"].items()} == {
        "0": "ZERORATEDOUTPUT",
        "5": "RROUTPUT",
        "20": "OUTPUT2",
    }


def test_a_first_save_makes_the_merchant_configured(emulator: Emulator) -> None:
    (pattern,) = emulator.seed(1, "configured", prefix="p-")
    (merchant,) = emulator.seed(1, "linked")
    wanted = emulator.configuration(pattern)
    empty = emulator.configuration(merchant)
    for section in ("sales", "payments", "fees"):
        names = {
            row: next(each["name"] for each in c["accountOptions"] if each["id"] == c["selectedAccountId"])
            for row, c in wanted["configuration"][section]["accounts"].items()
        }
        for row, content in empty["configuration"][section]["accounts"].items():
            content["selectedAccountId"] = ids(empty, section, row)[names[row]]
    sales, theirs = empty["configuration"]["sales"], wanted["configuration"]["sales"]
    sales["taxRates"] = theirs["taxRates"]
    sales["invoiceStatus"] = theirs["invoiceStatus"]
    sales["grouping"] = theirs["grouping"]
    sales["salesCustomer"]["selectedCustomerId"] = sales["salesCustomer"]["customerOptions"][0]["id"]
    fees = empty["configuration"]["fees"]["feesSupplier"]
    fees["selectedSupplierId"] = fees["supplierOptions"][0]["id"]
    sales["syncSales"] = True
    empty["configuration"]["payments"]["syncPayments"] = True
    empty["configuration"]["fees"]["syncFees"] = True
    empty["schedule"] = {"selectedFrequency": "Daily", "startDate": "2022-06-15", "syncHour": 3}
    empty["enabled"] = True

    answer = emulator.save(merchant, empty)

    assert answer.status_code == 200, answer.text
    stored = answer.json()
    assert (stored["configured"], stored["enabled"]) == (True, True)
    assert stored["schedule"]["syncHourUtc"] == 3
    assert stored["schedule"]["startDate"].startswith("2022-06-15")


def test_read_only_fields_in_a_body_are_passed_over(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    body = copy.deepcopy(document)
    body["companyId"] = "other"
    body["configured"] = False
    body["accountingSoftwareCompanyName"] = "Other"
    row = body["configuration"]["sales"]["accounts"]["sales"]
    row["labelText"], row["required"], row["accountOptions"] = "Mine", False, []

    assert emulator.save(merchant, body).json() == document


def test_stale_options_in_a_body_do_not_make_a_selection_valid(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    body = emulator.configuration(merchant)
    row = body["configuration"]["sales"]["accounts"]["sales"]
    row["accountOptions"].append({"name": "Ghost", "id": "ghost"})
    row["selectedAccountId"] = "ghost"

    answer = emulator.save(merchant, body)

    assert errors(answer) == ["Selected Account is not a valid option."]


def test_a_post_is_answered_with_what_was_stored(emulator: Emulator) -> None:
    """Whatever the service made of it, or passed over."""
    (merchant,) = emulator.seed(1, "configured")
    emulator.control("PATCH", "/settings", {"lowerWords": True})
    sent = {**emulator.configuration(merchant), "somethingNew": 1}

    stored = emulator.save(merchant, sent).json()

    assert stored == emulator.configuration(merchant)
    assert stored["schedule"]["selectedFrequency"] == "daily"
    assert "somethingNew" not in stored


def test_a_post_replaces_what_it_leaves_out(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    body = emulator.configuration(merchant)
    del body["enabled"]
    del body["configuration"]["sales"]["accounts"]["gratuity"]
    del body["configuration"]["fees"]

    stored = emulator.save(merchant, body).json()

    assert stored["enabled"] is False
    assert stored["configuration"]["sales"]["accounts"]["gratuity"]["selectedAccountId"] is None
    assert stored["configuration"]["fees"]["syncFees"] is False
    assert stored["configuration"]["fees"]["feesSupplier"]["selectedSupplierId"] is None
    assert stored["configuration"]["fees"]["feesSupplier"]["supplierOptions"]


def test_a_partial_post_is_refused_and_stores_nothing(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)

    answer = emulator.save(merchant, {"enabled": False})

    assert answer.status_code == 400
    assert emulator.configuration(merchant) == before


def test_merge_mode_keeps_what_a_post_leaves_out(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"merge": True})
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)

    answer = emulator.save(merchant, {"enabled": False})

    assert answer.json() == {**before, "enabled": False}


@pytest.mark.parametrize("content", [b"", b"  ", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"enabled": "yes"}'])
def test_an_empty_or_unreadable_post_is_refused(emulator: Emulator, content: bytes) -> None:
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)

    path = f"/config/companies/{merchant['companyId']}/sync/commerce"
    answer = emulator.api.post(path, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert emulator.configuration(merchant) == before


def test_unknown_fields_are_passed_over_unless_strict(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    body = {**document, "colour": "blue"}

    assert emulator.save(merchant, body).json() == document
    emulator.control("PATCH", "/settings", {"strict": True})
    assert emulator.save(merchant, document).status_code == 200
    assert emulator.save(merchant, body).status_code == 400


def test_unknown_map_keys_are_passed_over(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    body = copy.deepcopy(document)
    body["configuration"]["payments"]["accounts"]["barter"] = {"selectedAccountId": "x"}
    body["configuration"]["sales"]["taxRates"]["7"] = {"selectedTaxRateId": "x"}

    assert emulator.save(merchant, body).json() == document


def test_fields_of_a_newer_service_survive_a_post_that_sends_them_back_and_no_other(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    path = f"/companies/{merchant['companyId']}/configuration"
    patch = {
        "countryCode": "GB",
        "configuration": {
            "mapSettings": {"outputFormat": "JournalEntry"},
            "sales": {
                "accounts": {"swish": {"selectedAccountId": "s", "note": 1}},
                "taxRates": {"17": {"a": []}},
            },
        },
    }
    emulator.control("PATCH", path, patch)
    document = emulator.configuration(merchant)
    assert document["countryCode"] == "GB"
    assert document["configuration"]["sales"]["accounts"]["swish"] == {"selectedAccountId": "s", "note": 1}

    assert emulator.save(merchant, document).json() == document

    del document["configuration"]["mapSettings"]
    stored = emulator.save(merchant, document).json()
    assert "mapSettings" not in stored["configuration"]
    assert stored["countryCode"] == "GB"


def test_a_portal_edit_is_a_merge_patch_that_nobody_validates(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    path = f"/companies/{merchant['companyId']}/configuration"
    before = emulator.configuration(merchant)

    emulator.control(
        "PATCH",
        path,
        {
            "enabled": False,
            "configuration": {
                "sales": {
                    "accounts": {
                        "sales": {"selectedAccountId": "gone"},
                        "gratuity": {"selectedAccountId": None},
                    }
                },
                "payments": {"accounts": {"cash": {"required": True}}},
            },
        },
    )

    document = emulator.configuration(merchant)
    assert document["enabled"] is False
    accounts = document["configuration"]["sales"]["accounts"]
    assert accounts["sales"]["selectedAccountId"] == "gone"
    assert accounts["gratuity"]["selectedAccountId"] is None
    assert accounts["refund"] == before["configuration"]["sales"]["accounts"]["refund"]
    assert document["configuration"]["payments"]["accounts"]["cash"]["required"] is True
    document["configuration"]["payments"]["accounts"]["cash"]["selectedAccountId"] = None
    accounts["sales"]["selectedAccountId"] = None
    assert set(errors(emulator.save(merchant, document))) == {"Config contains required accounts without selections."}


def test_saving_waits_for_consent_and_for_the_reference_data(emulator: Emulator) -> None:
    (pattern,) = emulator.seed(1, "configured")
    merchant = emulator.merchant("acme")
    body = emulator.configuration(pattern)
    pending = emulator.save(merchant, body)
    assert (pending.status_code, errors(pending)) == (
        400,
        ["Company needs to have two valid data connections."],
    )

    emulator.authorize(merchant)
    loading = emulator.save(merchant, body)

    assert (loading.status_code, loading.json()["error"]) == (409, "The data set has not been requested.")


@pytest.mark.parametrize("severing", ["unlink", "deauthorize", "commerce"])
def test_a_severed_merchant_cannot_be_configured(emulator: Emulator, severing: str) -> None:
    (merchant,) = emulator.seed(1, "configured")
    body = emulator.configuration(merchant)
    if severing == "unlink":
        emulator.api.patch(connection_path(merchant), json={"status": "Unlinked"})
    elif severing == "commerce":
        commerce = {**merchant, "accountingConnectionId": merchant["commerceConnectionId"]}
        emulator.api.patch(connection_path(commerce), json={"status": "Unlinked"})
    else:
        emulator.deauthorize(merchant)

    answer = emulator.save(merchant, body)

    assert errors(answer) == ["Company needs to have two valid data connections."]


def test_the_start_may_be_in_the_past_at_first_and_later_only_move_on(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    start = document["schedule"]["startDate"]

    for text, code in [
        ("2001-01-01T00:00:00Z", 400),
        (start, 200),
        (start.replace("Z", "+00:00"), 200),
        (start.replace("Z", "+01:00"), 400),
        ("2031-05-01", 200),
        ("2031-04-30T23:59:59", 400),
        ("2031-05-01T00:00:00-05:00", 200),
        ("2031-05-01T00:00:00Z", 400),
        ("soon", 400),
        (None, 400),
        (5, 400),
    ]:
        document["schedule"]["startDate"] = text
        assert emulator.save(merchant, document).status_code == code, text


@pytest.mark.parametrize("garbage", [{"startDate": 5}, {"startDate": "soon"}, {"timeZone": "Mars/Base"}, "broken"])
def test_a_schedule_that_a_portal_edit_spoiled_can_be_put_right(
    emulator: Emulator, garbage: str | dict[str, Any]
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", {"schedule": garbage})

    assert emulator.save(merchant, document).json() == document


def test_a_first_configuration_may_begin_before_what_the_portal_had(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    later = {"configured": False, "schedule": {"startDate": "2031-05-01T00:00:00Z"}}
    emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", later)
    assert emulator.save(merchant, document).status_code == 200


def test_a_start_without_an_offset_is_local_to_the_time_zone(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    document["schedule"] |= {"startDate": "2031-05-01T00:00:00Z"}
    assert emulator.save(merchant, document).status_code == 200

    document["schedule"] |= {"startDate": "2031-05-01T00:00:00", "timeZone": "Asia/Tokyo"}
    assert emulator.save(merchant, document).status_code == 400
    document["schedule"] |= {"timeZone": "America/New_York"}
    assert emulator.save(merchant, document).status_code == 200


@pytest.mark.parametrize(
    "schedule",
    [{"syncHourUtc": hour} for hour in (-1, 24, 1.5, "3", True, None)]
    + [{"timeZone": zone} for zone in ("Mars/Base", "", 5, "../etc/passwd")],
)
def test_a_schedule_of_the_wrong_kind_is_refused(emulator: Emulator, schedule: dict[str, Any]) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    document["schedule"] |= schedule

    assert emulator.save(merchant, document).status_code == 400


def test_an_unknown_company_has_no_configuration(emulator: Emulator) -> None:
    path = "/config/companies/7d0b6d0e-6f0a-4c57-9a53-2f3f0e6a1b11/sync/commerce"

    assert emulator.api.get(path).status_code == 404
    assert emulator.api.post(path, json={}).status_code == 404
