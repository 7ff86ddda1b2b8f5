"""Each message a configuration can be refused with, and the state that causes it (API notes 4.8, stage C)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator import Emulator

Spoil = Callable[[dict[str, Any]], None]
"""One thing made wrong in a document that was right."""


def row(document: dict[str, Any], section: str, key: str) -> Any:
    return document["configuration"][section]["accounts"][key]


def select(section: str, key: str, value: str | None) -> Spoil:
    def spoil(document: dict[str, Any]) -> None:
        row(document, section, key)["selectedAccountId"] = value

    return spoil


def put(path: str, value: bool | list[str] | str | None) -> Spoil:
    *parents, last = path.split("/")

    def spoil(document: dict[str, Any]) -> None:
        at = document
        for step in parents:
            at = at[step]
        at[last] = value

    return spoil


def same_account(one: tuple[str, str], other: tuple[str, str]) -> Spoil:
    def spoil(document: dict[str, Any]) -> None:
        row(document, *one)["selectedAccountId"] = row(document, *other)["selectedAccountId"]
        row(document, *one)["accountOptions"] = []

    return spoil


def prepaid_where_it_is_redeemed(document: dict[str, Any]) -> None:
    """The same account in both sections: only a Liability that takes payments is offered in both."""
    row(document, "payments", "prepaidPayment")["selectedAccountId"] = row(document, "sales", "prepaid")[
        "selectedAccountId"
    ]


def drop(path: str) -> Spoil:
    *parents, last = path.split("/")

    def spoil(document: dict[str, Any]) -> None:
        at = document
        for step in parents:
            at = at[step]
        del at[last]

    return spoil


SALES = "configuration/sales"
LEVELS = f"{SALES}/grouping/groupingLevels"
CASES = [
    ("To sync fees, Payments section needs to exist.", put("configuration/payments", None)),
    ("To sync fees, Payments section needs to exist.", drop("configuration/payments")),
    ("To sync fees, Payments account Id needs to be set.", select("payments", "card", None)),
    (
        "Payments config invalid. Prepaid account should not match prepaid payment account.",
        prepaid_where_it_is_redeemed,
    ),
    (
        "Accounts config invalid. Prepaid account in Sales should not match PrepaidPayment in Payments.",
        prepaid_where_it_is_redeemed,
    ),
    (
        "Payments config invalid. Card Account should not match Payout Account.",
        same_account(("payments", "card"), ("payments", "payout")),
    ),
    ("No sales customer has been configured.", put(f"{SALES}/salesCustomer/selectedCustomerId", None)),
    (
        "Selected customer not present in customer options.",
        put(f"{SALES}/salesCustomer/selectedCustomerId", "gone"),
    ),
    ("Selected Account is not a valid option.", select("fees", "paymentFee", "gone")),
    ("Selected Account is not a valid option.", select("sales", "gratuity", "gone")),
    ("No grouping period selected.", put(f"{SALES}/grouping/groupingPeriod/selectedGroupingPeriod", None)),
    (
        "Grouping period selected not from options.",
        put(f"{SALES}/grouping/groupingPeriod/selectedGroupingPeriod", "Hourly"),
    ),
    (
        "Invalid invoice level grouping selected.",
        put(f"{LEVELS}/invoiceLevel/selectedGroupByOptions", ["Till"]),
    ),
    (
        "Invalid invoice line level grouping selected.",
        put(f"{LEVELS}/invoiceLineLevel/selectedGroupByOptions", ["Location", "Till"]),
    ),
    (
        "Payments cannot be enabled if invoice status is set to 'draft'.",
        put(f"{SALES}/invoiceStatus/selectedInvoiceStatus", "Draft"),
    ),
    ("Config contains required accounts without selections.", select("sales", "refund", None)),
    ("Config contains required accounts without selections.", select("payments", "card", None)),
    ("No schedule selected frequency.", put("schedule/selectedFrequency", None)),
    ("Selected schedule frequency not present in options.", put("schedule/selectedFrequency", "Hourly")),
    ("No selected invoice status.", put(f"{SALES}/invoiceStatus/selectedInvoiceStatus", None)),
    (
        "Invalid invoice status selected (must be submitted or draft).",
        put(f"{SALES}/invoiceStatus/selectedInvoiceStatus", "Paid"),
    ),
    ("Tax rate is missing selected tax rate id.", put(f"{SALES}/taxRates/5/selectedTaxRateId", None)),
    ("Tax rate is missing selected tax rate id.", drop(f"{SALES}/taxRates/5")),
    (
        "Selected tax rate id for 5% tax-rate has no options.",
        put(f"{SALES}/taxRates/5/selectedTaxRateId", "GONE"),
    ),
    (
        "No fees supplier has been configured.",
        put("configuration/fees/feesSupplier/selectedSupplierId", None),
    ),
    (
        "Selected supplier not present in supplier options.",
        put("configuration/fees/feesSupplier/selectedSupplierId", "gone"),
    ),
    ("Payments cannot be enabled if sales are not synced.", put(f"{SALES}/syncSales", False)),
]


@pytest.mark.parametrize(("message", "spoil"), CASES)
def test_a_document_with_this_fault_is_refused_with_this_message(
    emulator: Emulator, message: str, spoil: Spoil
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)
    document = emulator.configuration(merchant)
    spoil(document)

    answer = emulator.save(merchant, document)

    body = answer.json()
    assert answer.status_code == 400
    assert message in [each["message"] for each in body["validation"]["errors"]]
    assert body["error"] == body["validation"]["errors"][0]["message"]
    assert {each["validatorName"] for each in body["validation"]["errors"]} == {"CommerceConfiguration"}
    assert all(each["itemId"] for each in body["validation"]["errors"])
    assert emulator.configuration(merchant) == before


def test_all_faults_are_told_at_once(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    put("schedule/selectedFrequency", None)(document)
    select("sales", "gratuity", "gone")(document)
    select("sales", "sales", "gone")(document)

    errors = emulator.save(merchant, document).json()["validation"]["errors"]

    assert [(each["itemId"], each["message"]) for each in errors] == [
        (
            "configuration.sales.accounts.sales.selectedAccountId",
            "Selected Account is not a valid option.",
        ),
        (
            "configuration.sales.accounts.gratuity.selectedAccountId",
            "Selected Account is not a valid option.",
        ),
        ("schedule.selectedFrequency", "No schedule selected frequency."),
    ]


def test_books_without_an_income_account_have_no_sales_account(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    for option in row(document, "sales", "sales")["accountOptions"]:
        emulator.control("DELETE", f"/companies/{merchant['companyId']}/accounts/{option['id']}")

    errors = emulator.save(merchant, document).json()["validation"]["errors"]

    assert "No Sales Account Present." in [each["message"] for each in errors]


OFF = [f"{SALES}/syncSales", "configuration/payments/syncPayments", "configuration/fees/syncFees"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (select("sales", "sales", None), 200),
        (put(f"{SALES}/salesCustomer/selectedCustomerId", None), 200),
        (put(f"{SALES}/taxRates/5/selectedTaxRateId", None), 200),
        (put(f"{SALES}/invoiceStatus/selectedInvoiceStatus", None), 200),
        (put("configuration/fees/feesSupplier/selectedSupplierId", None), 200),
        (select("sales", "gratuity", "gone"), 400),
        (put(f"{SALES}/salesCustomer/selectedCustomerId", "gone"), 400),
        (put(f"{SALES}/taxRates/5/selectedTaxRateId", "gone"), 400),
        (put("schedule/selectedFrequency", None), 400),
    ],
)
def test_sections_that_are_off_are_only_asked_for_dangling_ids(emulator: Emulator, spoil: Spoil, code: int) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    for switch in OFF:
        put(switch, False)(document)
    spoil(document)

    assert emulator.save(merchant, document).status_code == code


def test_draft_invoices_are_fine_without_payments(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    put("configuration/payments/syncPayments", False)(document)
    put(f"{SALES}/invoiceStatus/selectedInvoiceStatus", "Draft")(document)

    assert emulator.save(merchant, document).status_code == 200
