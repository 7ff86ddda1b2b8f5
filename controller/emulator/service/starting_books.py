"""The accounting books a merchant starts with, by platform: tables after API notes 4.9 and 4.10.

A row's last element but for text is its **number**: the tail of its id. On platforms with UUIDs the id is
a per-company prefix and that number (`5f0c1a7e-2b64-4c9f-8a51-7d3e6b9f1001`), on QuickBooks Online a
per-company whole number that ends in it (`5234179`). Tax rates keep the platform's own codes.
What is returned is shared by all companies: a row is a value and is never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

BOOKS_COMPANY_NAME = "Harbour Street Deli Ltd"
_SOURCE_MODIFIED = "2022-05-17T11:10:49"

PAYMENT_LINKS = ("Payment.AccountRef.Id", "BillPayment.AccountRef.Id")
INVOICE_LINKS = ("Invoice.LineItems.AccountRef.Id", "CreditNote.LineItems.AccountRef.Id")
BILL_LINKS = ("Bill.LineItems.AccountRef.Id",)

# number, nominal code, name, description, category, where it may be referenced, balance
AccountLine = tuple[str, str | None, str, str, str, tuple[str, ...], float]
_XERO_ACCOUNTS: tuple[AccountLine, ...] = (
    ("1001", "200", "Sales", "Takings before tax", "Income.Revenue", INVOICE_LINKS, 0.0),
    ("1002", "205", "Sales returns", "Money returned", "Income.Revenue", INVOICE_LINKS, 0.0),
    ("1003", "825", "Tips payable", "Tips owed to staff", "Liability.Current", INVOICE_LINKS, 312.4),
    ("1004", "830", "Gift cards outstanding", "Sold, unspent", "Liability.Current", INVOICE_LINKS, 1250.0),
    ("1005", "404", "Merchant fees", "Processing charges", "Expense.Expense", BILL_LINKS, 87.15),
    ("1009", "612", "Gift card redemptions", "Gift cards spent", "Asset.Current", PAYMENT_LINKS, 0.0),
    ("1006", "610", "POS card clearing", "Card takings", "Asset.Current", PAYMENT_LINKS, 0.0),
    ("1007", "611", "Till cash", "Cash takings", "Asset.Current", PAYMENT_LINKS, 150.0),
    ("1008", "090", "Business current account", "", "Asset.Bank", PAYMENT_LINKS, 924.25),
)
_QUICKBOOKS_ACCOUNTS: tuple[AccountLine, ...] = (
    ("79", None, "Sales of Product Income", "", "Income.Income.SalesOfProductIncome", INVOICE_LINKS, 0.0),
    ("80", None, "Refunds and allowances", "", "Income.Income.DiscountsRefundsGiven", INVOICE_LINKS, 0.0),
    (
        "81",
        None,
        "Tips payable",
        "",
        "Liability.Other Current Liability.OtherCurrentLiabilities",
        INVOICE_LINKS,
        312.4,
    ),
    (
        "82",
        None,
        "Gift cards outstanding",
        "",
        "Liability.Other Current Liability.OtherCurrentLiabilities",
        INVOICE_LINKS,
        1250.0,
    ),
    ("83", None, "Merchant fees", "", "Expense.Expense.BankCharges", BILL_LINKS, 87.15),
    ("86", None, "Gift card redemptions", "", "Asset.Bank.CashOnHand", PAYMENT_LINKS, 0.0),
    ("84", None, "POS card clearing", "", "Asset.Bank.CashOnHand", PAYMENT_LINKS, 0.0),
    ("85", None, "Till cash", "", "Asset.Bank.CashOnHand", PAYMENT_LINKS, 150.0),
    ("35", None, "Checking", "", "Asset.Bank.Checking", PAYMENT_LINKS, 924.25),
)

# id, name, rate; None as rate: outside the scope of the tax, so without a component
TaxLine = tuple[str, str, float | None]
_UK_TAXES: tuple[TaxLine, ...] = (
    ("NONE", "No VAT", None),
    ("ZERORATEDOUTPUT", "Zero rated income", 0.0),
    ("RROUTPUT", "5% (VAT on income)", 5.0),
    ("OUTPUT2", "20% (VAT on income)", 20.0),
)
_NEW_YORK_TAXES: tuple[TaxLine, ...] = (
    ("10_Invoices", "0% Z", 0.0),
    ("11_Invoices", "8.875% NY", 8.875),
)
_GENERIC_TAXES: tuple[TaxLine, ...] = (
    ("NONE", "No tax", None),
    ("ZERO", "Zero rated income", 0.0),
    ("LOWER", "5% (tax on income)", 5.0),
    ("REDUCED", "10% (tax on income)", 10.0),
    ("STANDARD", "20% (tax on income)", 20.0),
)

# number, name
PartyLine = tuple[str, str]
_CUSTOMERS = (("2001", "POS daily takings"), ("2002", "Walk-in customers"))
_SUPPLIERS = (("3001", "Card processor"),)


@dataclass(frozen=True, slots=True)
class StartingBooks:
    """One platform's books as a merchant starts with them, and the tax-rate keys it is asked to map."""

    company_name: str
    currency: str
    accounts: tuple[AccountLine, ...]
    taxes: tuple[TaxLine, ...]
    customers: tuple[PartyLine, ...]
    suppliers: tuple[PartyLine, ...]
    offered_rates: tuple[str, ...]
    whole_number_ids: bool = False
    """Record ids are short whole numbers instead of UUIDs."""
    links_make_payment_accounts: bool = False
    """An asset or liability may take payments if its links say so, not only a bank account (Xero)."""


_XERO_BOOKS = StartingBooks(
    BOOKS_COMPANY_NAME,
    "GBP",
    _XERO_ACCOUNTS,
    _UK_TAXES,
    _CUSTOMERS,
    _SUPPLIERS,
    ("0", "5", "20"),
    links_make_payment_accounts=True,
)
_QUICKBOOKS_BOOKS = StartingBooks(
    "Harbour Street Deli (QBO)",
    "USD",
    _QUICKBOOKS_ACCOUNTS,
    _NEW_YORK_TAXES,
    (("58", "POS daily takings"), ("59", "Walk-in customers")),
    (("91", "Card processor"),),
    ("0", "8.875"),
    whole_number_ids=True,
)
_OTHER_BOOKS = StartingBooks(
    BOOKS_COMPANY_NAME,
    "GBP",
    _XERO_ACCOUNTS,
    _GENERIC_TAXES,
    _CUSTOMERS,
    _SUPPLIERS,
    ("0", "5", "10", "20"),
    links_make_payment_accounts=True,
)
_BOOKS_BY_PLATFORM: Mapping[str, StartingBooks] = {
    "gbol": _XERO_BOOKS,
    "fbrh": _XERO_BOOKS,
    "qhyg": _QUICKBOOKS_BOOKS,
    "ndsk": _QUICKBOOKS_BOOKS,
}


def starting_books_of(platform_key: str) -> StartingBooks:
    """The starting books of a platform; those without an example of their own share one."""
    return _BOOKS_BY_PLATFORM.get(platform_key, _OTHER_BOOKS)


@cache
def account_fields(line: AccountLine, currency: str) -> dict[str, Any]:
    """A line as `/data/accounts` shows it, but for its id."""
    _, code, name, description, category, links, balance = line
    return {
        "nominalCode": code,
        "name": name,
        "description": description,
        "fullyQualifiedCategory": category,
        "fullyQualifiedName": f"{category}.{name}",
        "currency": currency,
        "currentBalance": balance,
        "type": category.split(".")[0],
        "status": "Active",
        "isBankAccount": category.startswith("Asset.Bank"),
        "validDatatypeLinks": [{"property": "Id", "links": list(links)}],
        "metadata": {"isDeleted": False},
        "sourceModifiedDate": _SOURCE_MODIFIED,
    }


@cache
def tax_row(line: TaxLine) -> dict[str, Any]:
    """A line as `/data/taxRates` shows it."""
    code, name, rate = line
    return {
        "id": code,
        "name": name,
        "code": code,
        "status": "Active",
        "effectiveTaxRate": rate or 0.0,
        "totalTaxRate": rate or 0.0,
        "components": [] if rate is None else [{"name": name, "rate": rate, "isCompound": False}],
        "validDatatypeLinks": [{"property": "Id", "links": ["Invoice.LineItems.TaxRateRef.Id"]}],
        "metadata": {"isDeleted": False},
        "sourceModifiedDate": _SOURCE_MODIFIED,
    }


@cache
def party_fields(name_field: str, name: str, currency: str) -> dict[str, Any]:
    """A customer or supplier as `/data/...` shows it, but for its id."""
    return {
        name_field: name,
        "contactName": None,
        "emailAddress": None,
        "defaultCurrency": currency,
        "phone": None,
        "addresses": [],
        **({"contacts": []} if name_field == "customerName" else {}),
        "registrationNumber": None,
        "taxNumber": None,
        "status": "Active",
        "metadata": {"isDeleted": False},
        "sourceModifiedDate": _SOURCE_MODIFIED,
    }


def company_info_fields(books: StartingBooks) -> dict[str, Any]:
    """The company info of API notes 3.10, but for what names the merchant's own books."""
    return {
        "companyName": books.company_name,
        "companyLegalName": books.company_name,
        "addresses": [],
        "phoneNumbers": [],
        "webLinks": [],
        "registrationNumber": None,
        "taxNumber": None,
        "financialYearStartDate": "2022-04-01T00:00:00",
        "baseCurrency": books.currency,
        "sourceUrls": {},
        "createdDate": "2020-01-06T09:00:00",
    }
