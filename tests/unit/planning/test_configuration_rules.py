"""The rules that a whole document keeps, one by one (API notes 4.5), on the usual document with one thing wrong."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.field_values import START_DATE_PATH, Option
from controller.model.observed import Configuration
from controller.planning.configuration_rules import fields_missing_for_first_configuration, find_violations
from tests import build

CARD, PAYOUT = "mapping.payments.accounts.card", "mapping.payments.accounts.payout"
GRATUITY = "mapping.sales.accounts.gratuity"
STATUS, PERIOD = "mapping.sales.invoiceStatus", "mapping.sales.grouping.period"
NO_ROW = {"required": False, "selectedAccountId": None}


def broken(values: dict[str, Any] | None = None, live: Configuration | None = None) -> list[str]:
    """The fields about which the rules complain."""
    live = live or build.usual_configuration()
    return [path for path, _ in find_violations({**live.values, **(values or {})}, live)]


def offering(section: str, key: str, **row: Any) -> Configuration:
    return build.usual_configuration({"configuration": {section: {"accounts": {key: row}}}})


def test_the_usual_document_keeps_every_rule() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"mapping.sales.sync": False}, "mapping.payments.sync", id="2-payments-need-sales"),
        pytest.param({STATUS: "Draft"}, STATUS, id="3-no-payments-on-drafts"),
        pytest.param({"mapping.fees.supplier": None}, "mapping.fees.supplier", id="5-fees-need-a-supplier"),
        pytest.param({"mapping.sales.customer": None}, "mapping.sales.customer", id="6-sales-need-a-customer"),
        pytest.param({"mapping.sales.accounts.sales": None}, "mapping.sales.accounts.sales", id="7-a-required-account"),
        pytest.param(
            {"mapping.sales.accounts.gratuity": Option("x")}, "mapping.sales.accounts.gratuity", id="8-account"
        ),
        pytest.param({"mapping.sales.customer": Option("x")}, "mapping.sales.customer", id="8-customer"),
        pytest.param({'mapping.sales.taxRates["0"]': Option("x")}, 'mapping.sales.taxRates["0"]', id="8-tax-rate"),
        pytest.param({CARD: Option("acc-bank")}, CARD, id="10-card-is-not-payout"),
        pytest.param({"schedule.frequency": None}, "schedule.frequency", id="11-no-frequency"),
        pytest.param({"schedule.frequency": "Hourly"}, "schedule.frequency", id="11-strange-frequency"),
        pytest.param({PERIOD: None}, PERIOD, id="11-no-period"),
        pytest.param({PERIOD: "Weekly"}, PERIOD, id="11-strange-period"),
        pytest.param(
            {"mapping.sales.grouping.invoice": ("Location", "Planet")},
            "mapping.sales.grouping.invoice",
            id="11-strange-grouping",
        ),
        pytest.param({'mapping.sales.taxRates["20"]': None}, 'mapping.sales.taxRates["20"]', id="12-tax-rate-missing"),
    ],
)
def test_one_broken_rule_names_its_field(values: dict[str, Any], field: str) -> None:
    assert broken(values) == [field]


def test_fees_need_a_card_account() -> None:
    """Rule 4, where live does not require the card account for itself."""
    live = offering("payments", "card", **NO_ROW)
    assert broken(live=live) == [CARD]


def test_gift_cards_sold_and_redeemed_are_two_accounts() -> None:
    """Rule 9. Each row has its own options, so the same account must be among both."""
    option = {"name": "Gift cards", "id": "acc-gift"}
    row = {"selectedAccountId": "acc-gift", "required": False, "accountOptions": [option]}
    sections = {"sales": {"accounts": {"prepaid": row}}, "payments": {"accounts": {"prepaidPayment": row}}}
    assert broken(live=build.usual_configuration({"configuration": sections})) == ["mapping.sales.accounts.prepaid"]


def test_the_prepaid_account_is_found_in_whichever_section_and_letter_case_live_has_it() -> None:
    option = {"name": "Gift cards", "id": "acc-gift"}
    row = {"selectedAccountId": "acc-gift", "required": False, "accountOptions": [option]}
    live = build.usual_configuration(
        {"configuration": {"payments": {"accounts": {"prePaid": row, "prepaidPayment": row}}}}
    )
    assert broken(live=live) == ["mapping.payments.accounts.prePaid"], "by the name that live has for it"


def test_a_section_that_is_off_needs_nothing() -> None:
    off = {f"mapping.{section}.sync": False for section in ("sales", "payments", "fees")}
    cleared = dict.fromkeys(build.usual_configuration().options) | {STATUS: None, PERIOD: None}
    assert broken(off | cleared) == []


def test_a_dangling_selection_counts_in_a_section_that_is_off_too() -> None:
    off = {f"mapping.{section}.sync": False for section in ("sales", "payments", "fees")}
    assert broken({**off, "mapping.fees.supplier": Option("gone")}) == ["mapping.fees.supplier"]


def test_words_compare_without_letter_case() -> None:
    assert broken({STATUS: "submitted", PERIOD: "daily"}) == []


FIRST = build.usual_configuration(
    {
        "schedule": {"selectedFrequency": None, "startDate": "0001-01-01T00:00:00"},
        "configuration": {
            "sales": {
                "invoiceStatus": {"selectedInvoiceStatus": None},
                "salesCustomer": {"selectedCustomerId": None},
                "accounts": {"sales": {"selectedAccountId": None}, "gratuity": {"selectedAccountId": None}},
                "taxRates": {"20": {"selectedTaxRateId": None}},
                "grouping": {"groupingPeriod": {"selectedGroupingPeriod": None}},
            }
        },
    }
)


def test_a_first_configuration_lacks_what_neither_manifest_nor_live_has() -> None:
    assert fields_missing_for_first_configuration(FIRST.values, FIRST) == (
        "schedule.frequency",
        START_DATE_PATH,
        STATUS,
        PERIOD,
        "mapping.sales.customer",
        "mapping.sales.accounts.sales",
        'mapping.sales.taxRates["20"]',
    )


def test_what_live_has_already_is_not_lacking() -> None:
    live = build.usual_configuration({"configured": False})
    assert fields_missing_for_first_configuration(live.values, live) == ()


def test_without_sales_no_customer_is_lacking() -> None:
    assert "mapping.sales.customer" not in fields_missing_for_first_configuration(
        {**FIRST.values, "mapping.sales.sync": False}, FIRST
    )
