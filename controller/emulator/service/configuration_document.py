"""The configuration document as GET shows it: all options and the selections (API notes 4.1 to 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from controller.emulator.service import cached_books, connections, starting_books
from controller.emulator.service.company_records import BooksRow, CompanyRecord, ConnectionRecord

Document = dict[str, Any]
OptionsByGroup = dict[str, list[Document]]

UNSET_START = "0001-01-01T00:00:00"
"""What a date that cannot be null holds before anybody set it (API notes 8 #5)."""
FREQUENCIES = ("Daily", "Monthly")
GROUPING_PERIODS = ("Daily",)
GROUP_BY = ("Location", "Country")
INVOICE_STATUSES = ("Submitted", "Draft")
_DEFAULT_RATES = ("0", "5", "10", "20")
_PAYMENT_LINK = "Payment.AccountRef.Id"

# By section: its key, caption and description, and whether it is required.
_SALES_ROWS = (
    ("sales", "Sales", "Takings before tax", True),
    ("refund", "Refunds", "Money returned to shoppers", True),
    ("gratuity", "Gratuity", "Tips collected at payment", False),
    ("prepaid", "Prepaid", "Gift cards sold", False),
)
_PAYMENT_ROWS = (
    ("card", "Card", "Card takings", True),
    ("cash", "Cash", "Cash takings", False),
    ("payout", "Payout", "Transfers to the merchant's bank", False),
    ("prepaidPayment", "Prepaid payment", "Gift cards redeemed", False),
)
_FEE_ROWS = (
    ("paymentFee", "Payment fee", "Processing charges", False),
    ("paymentFeeRefund", "Payment fee refund", "Processing charges handed back", False),
)
_GROUP_BY_ROW = {
    "sales": "income",
    "refund": "income",
    "gratuity": "tips",
    "prepaid": "liability",
    "paymentFee": "fees",
    "paymentFeeRefund": "fees",
}
"""Rows that offer the same accounts; every other row takes payments."""

_READ_ONLY = frozenset(
    ("companyId", "accountingSoftwareCompanyName", "configured", "labelText", "descriptionText", "required")
)


def is_read_only(field: str) -> bool:
    """Whether the server alone decides a field: computed ones, captions and lists of options."""
    return field in _READ_ONLY or (field.endswith("Options") and not field.startswith("selected"))


def accounting_connection(company: CompanyRecord) -> ConnectionRecord | None:
    """The connection whose data fill the options: the linked one, else one that once was, else any; None: no such."""

    def priority(connection: ConnectionRecord) -> tuple[bool, bool, bool]:
        return connection.status == "Linked", bool(connection.pulled), connection.status != "PendingAuth"

    # `max` returns the first of equal ones, which is the oldest connection.
    return max(connections.list_of_type(company, "Accounting"), key=priority, default=None)


def to_json(company: CompanyRecord) -> Document:
    """The complete document: the empty one, overlaid with the selections, overlaid with values of portal edits."""
    whole = empty_document(company)
    _overlay(whole, company.chosen or {})
    _overlay(whole, company.pinned)
    return whole


def empty_document(company: CompanyRecord) -> Document:
    """The document before anybody chose anything. Options are None until their data was pulled."""
    connection = accounting_connection(company)
    account_options = _account_options(company, connection)
    info = cached_books.cached_rows(company, connection, "company") if connection else None
    return {
        "companyId": company.id,
        "accountingSoftwareCompanyName": info[0]["companyName"] if info else None,
        "enabled": False,
        "configured": company.configured,
        "schedule": {
            "selectedFrequency": None,
            "frequencyOptions": list(FREQUENCIES),
            "startDate": UNSET_START,
            "syncHourUtc": 0,
            "timeZone": None,
        },
        "configuration": {
            "sales": _sales_section(company, connection, account_options),
            "payments": {
                "syncPayments": False,
                "accounts": _account_rows(_PAYMENT_ROWS, account_options),
            },
            "newPayments": {"syncPayments": False, "accounts": {}},
            "fees": {
                "feesSupplier": {
                    "selectedSupplierId": None,
                    "supplierOptions": _options(_selectable_rows(company, connection, "suppliers"), "supplierName"),
                },
                "syncFees": False,
                "accounts": _account_rows(_FEE_ROWS, account_options),
            },
        },
    }


def _sales_section(
    company: CompanyRecord, connection: ConnectionRecord | None, account_options: OptionsByGroup
) -> Document:
    taxes = _selectable_rows(company, connection, "taxRates")
    rates = starting_books.starting_books_of(connection.platform).offered_rates if connection else _DEFAULT_RATES
    zero_rated = None if taxes is None else [tax for tax in taxes if _is_zero_rated(tax)]
    return {
        "syncSales": False,
        "accounts": _account_rows(_product_category_rows(company), account_options, "income")
        | _account_rows(_SALES_ROWS, account_options),
        "invoiceStatus": {
            "selectedInvoiceStatus": None,
            "invoiceStatusOptions": list(INVOICE_STATUSES),
        },
        "salesCustomer": {
            "selectedCustomerId": None,
            "customerOptions": _options(_selectable_rows(company, connection, "customers"), "customerName"),
        },
        "taxRates": {rate: {"selectedTaxRateId": None, "taxRateOptions": _options(taxes, "name")} for rate in rates},
        "newTaxRates": {
            "accountingTaxRateOptions": _options(taxes, "name"),
            "commerceTaxRateOptions": [],
            "taxRateMappings": [],
            "selectedDefaultZeroTaxRateId": None,
            "defaultZeroTaxRateOptions": _options(zero_rated, "name"),
        },
        "grouping": {
            "groupingPeriod": {
                "selectedGroupingPeriod": None,
                "groupingPeriodOptions": list(GROUPING_PERIODS),
            },
            "groupingLevels": {
                "invoiceLevel": {"selectedGroupByOptions": [], "groupByOptions": list(GROUP_BY)},
                "invoiceLineLevel": {"selectedGroupByOptions": [], "groupByOptions": list(GROUP_BY)},
            },
        },
    }


def _product_category_rows(company: CompanyRecord) -> Iterator[tuple[str, str, str, bool]]:
    """A row for each product category and one for all other sales, where categories were taken over."""
    for category in company.categories:
        yield category["id"], category["name"], f"Sales of {category['name']}", False
    if company.categories:
        yield "sales-other", "Other sales", "Sales outside the product categories", False


def _account_rows(
    rows: Iterable[tuple[str, str, str, bool]], options: OptionsByGroup, usual_group: str = "payments"
) -> Document:
    return {
        key: {
            "labelText": caption,
            "descriptionText": description,
            "selectedAccountId": None,
            "required": required,
            "accountOptions": options.get(_GROUP_BY_ROW.get(key, usual_group)),
        }
        for key, caption, description, required in rows
    }


def _account_options(company: CompanyRecord, connection: ConnectionRecord | None) -> OptionsByGroup:
    """The accounts on offer, by group of rows; no group at all before the chart was pulled."""
    accounts = _selectable_rows(company, connection, "chartOfAccounts")
    if accounts is None or connection is None:
        return {}
    by_links = starting_books.starting_books_of(connection.platform).links_make_payment_accounts
    offered: OptionsByGroup = {"income": [], "tips": [], "liability": [], "fees": [], "payments": []}
    for account in accounts:
        option = {
            "name": account["name"],
            "id": account["id"],
            "nominalCode": account["nominalCode"],
            "classification": "Bank" if account["isBankAccount"] else "Nominal",
        }
        for group in _qualifying_groups(account, by_links):
            offered[group].append(option)
    return offered


def _qualifying_groups(account: BooksRow, links_make_payment_accounts: bool) -> Iterator[str]:
    """For which rows an account qualifies (API notes 8 #24)."""
    account_type, is_bank = account["type"], account["isBankAccount"]
    if account_type == "Income":
        yield "income"
    if account_type in ("Income", "Liability"):
        yield "tips"
    if account_type == "Liability":
        yield "liability"
    if account_type == "Expense" or is_bank:
        yield "fees"
    if is_bank or (links_make_payment_accounts and account_type in ("Asset", "Liability") and _takes_payments(account)):
        yield "payments"


def _takes_payments(account: BooksRow) -> bool:
    return any(_PAYMENT_LINK in link["links"] for link in account["validDatatypeLinks"] or ())


def _is_zero_rated(tax: BooksRow) -> bool:
    """Whether it is a zero rate, rather than «no tax», which has no component at all."""
    return bool(tax["components"]) and tax["effectiveTaxRate"] == 0


def _selectable_rows(
    company: CompanyRecord, connection: ConnectionRecord | None, data_type: str
) -> list[BooksRow] | None:
    """The cached rows that may be chosen: active and not deleted. None when never pulled."""
    if connection is None or data_type not in connection.pulled:
        return None
    return [
        row
        for row in cached_books.cached_rows(company, connection, data_type)
        if row["status"] == "Active" and not row["metadata"]["isDeleted"]
    ]


def _options(rows: list[BooksRow] | None, name_field: str) -> list[Document] | None:
    if rows is None:
        return None
    return [{"name": row[name_field], "id": row["id"]} for row in rows]


def _overlay(base: Document, overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        current = base.get(key)
        if isinstance(value, dict) and isinstance(current, dict):
            _overlay(current, value)
        else:
            base[key] = value
