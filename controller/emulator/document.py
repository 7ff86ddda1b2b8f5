"""The configuration document as GET shows it: every option, and what was chosen (REFERENCE 4.1 to 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from controller.emulator import cache, connections, starting_books
from controller.emulator.records import BooksRow, Company, Connection

Document = dict[str, Any]
Offered = dict[str, list[Document]]

UNSET_START = "0001-01-01T00:00:00"
"""What a date that cannot be null holds before anybody set it (REFERENCE 8 #5)."""
FREQUENCIES = ("Daily", "Monthly")
GROUPING_PERIODS = ("Daily",)
GROUP_BY = ("Location", "Country")
INVOICE_STATUSES = ("Submitted", "Draft")
_DEFAULT_RATES = ("0", "5", "10", "20")
_PAYMENT_LINK = "Payment.AccountRef.Id"

# section: (key, caption, description, required)
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
_GROUPS = {
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


def accounting_connection(company: Company) -> Connection | None:
    """The connection whose data fill the options: the linked one, else one that once was, else any."""
    own = connections.of_type(company, "Accounting")
    return max(own, key=_claim, default=None)


def _claim(connection: Connection) -> tuple[bool, bool, bool]:
    """How good a claim to the options it has; of equal ones the oldest wins."""
    return connection.status == "Linked", bool(connection.pulled), connection.status != "PendingAuth"


def shown(company: Company) -> Document:
    """The whole document: the skeleton, over it what was chosen, over it what a portal edit pinned."""
    whole = skeleton(company)
    _lay_over(whole, company.chosen or {})
    _lay_over(whole, company.pinned)
    return whole


def skeleton(company: Company) -> Document:
    """The document before anybody chose anything. Options are None until their data was pulled."""
    connection = accounting_connection(company)
    offered = _account_options(company, connection)
    info = cache.rows(company, connection, "company") if connection else None
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
            "sales": _sales(company, connection, offered),
            "payments": {
                "syncPayments": False,
                "accounts": _rows(_PAYMENT_ROWS, offered),
            },
            "newPayments": {"syncPayments": False, "accounts": {}},
            "fees": {
                "feesSupplier": {
                    "selectedSupplierId": None,
                    "supplierOptions": _options(_usable(company, connection, "suppliers"), "supplierName"),
                },
                "syncFees": False,
                "accounts": _rows(_FEE_ROWS, offered),
            },
        },
    }


def _sales(company: Company, connection: Connection | None, offered: Offered) -> Document:
    taxes = _usable(company, connection, "taxRates")
    rates = starting_books.of(connection.platform).offered_rates if connection else _DEFAULT_RATES
    zero = None if taxes is None else [each for each in taxes if _is_zero_rated(each)]
    return {
        "syncSales": False,
        "accounts": _rows(_category_rows(company), offered, "income") | _rows(_SALES_ROWS, offered),
        "invoiceStatus": {
            "selectedInvoiceStatus": None,
            "invoiceStatusOptions": list(INVOICE_STATUSES),
        },
        "salesCustomer": {
            "selectedCustomerId": None,
            "customerOptions": _options(_usable(company, connection, "customers"), "customerName"),
        },
        "taxRates": {rate: {"selectedTaxRateId": None, "taxRateOptions": _options(taxes, "name")} for rate in rates},
        "newTaxRates": {
            "accountingTaxRateOptions": _options(taxes, "name"),
            "commerceTaxRateOptions": [],
            "taxRateMappings": [],
            "selectedDefaultZeroTaxRateId": None,
            "defaultZeroTaxRateOptions": _options(zero, "name"),
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


def _category_rows(company: Company) -> Iterator[tuple[str, str, str, bool]]:
    """A row for each product category and one for all other sales, where categories were taken over."""
    for category in company.categories:
        yield category["id"], category["name"], f"Sales of {category['name']}", False
    if company.categories:
        yield "sales-other", "Other sales", "Sales outside the product categories", False


def _rows(rows: Iterable[tuple[str, str, str, bool]], offered: Offered, usual_group: str = "payments") -> Document:
    return {
        key: {
            "labelText": caption,
            "descriptionText": description,
            "selectedAccountId": None,
            "required": required,
            "accountOptions": offered.get(_GROUPS.get(key, usual_group)),
        }
        for key, caption, description, required in rows
    }


def _account_options(company: Company, connection: Connection | None) -> Offered:
    """The accounts on offer, by group of rows; no group at all before the chart was pulled."""
    accounts = _usable(company, connection, "chartOfAccounts")
    if accounts is None or connection is None:
        return {}
    by_links = starting_books.of(connection.platform).links_make_payment_accounts
    offered: Offered = {"income": [], "tips": [], "liability": [], "fees": [], "payments": []}
    for account in accounts:
        option = {
            "name": account["name"],
            "id": account["id"],
            "nominalCode": account["nominalCode"],
            "classification": "Bank" if account["isBankAccount"] else "Nominal",
        }
        for group in _groups_of(account, by_links):
            offered[group].append(option)
    return offered


def _groups_of(account: BooksRow, by_links: bool) -> Iterator[str]:
    """For which rows an account qualifies (REFERENCE 8 #24)."""
    kind, is_bank = account["type"], account["isBankAccount"]
    if kind == "Income":
        yield "income"
    if kind in ("Income", "Liability"):
        yield "tips"
    if kind == "Liability":
        yield "liability"
    if kind == "Expense" or is_bank:
        yield "fees"
    if is_bank or (by_links and kind in ("Asset", "Liability") and _takes_payments(account)):
        yield "payments"


def _takes_payments(account: BooksRow) -> bool:
    return any(_PAYMENT_LINK in each["links"] for each in account["validDatatypeLinks"] or ())


def _is_zero_rated(tax: BooksRow) -> bool:
    """A rate of nought, told from «no tax», which has no component at all."""
    return bool(tax["components"]) and tax["effectiveTaxRate"] == 0


def _usable(company: Company, connection: Connection | None, data_type: str) -> list[BooksRow] | None:
    """The cached rows that may be chosen: active and not deleted. None when never pulled."""
    if connection is None or data_type not in connection.pulled:
        return None
    return [
        row
        for row in cache.rows(company, connection, data_type)
        if row["status"] == "Active" and not row["metadata"]["isDeleted"]
    ]


def _options(rows: list[BooksRow] | None, name_field: str) -> list[Document] | None:
    if rows is None:
        return None
    return [{"name": row[name_field], "id": row["id"]} for row in rows]


def _lay_over(below: Document, above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            _lay_over(under, value)
        else:
            below[key] = value
