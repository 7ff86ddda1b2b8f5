"""Whether what a configuration points at is still active in the books (REFERENCE 4.8, stage S). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.emulator.records import BooksRow

Rows = Callable[[str], Sequence[BooksRow]]
"""The merchant's books now: data type → rows."""

_SWITCHES = {"sales": "syncSales", "payments": "syncPayments", "fees": "syncFees"}
_CAPTIONS = {"sales": "Sales account", "payments": "Payment account", "fees": "Fee account"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a sync cannot start: the friendly text and the raw one."""

    message: str
    raw: str


def fault(configuration: Mapping[str, Any], rows: Rows) -> Fault | None:
    """The first thing that is wrong in an enabled section, in the order of REFERENCE 4.8."""
    return next(_faults(configuration, rows), None)


def unmapped(section: str, key: str) -> Fault:
    """A record needs an account that nobody selected: syncing stops until it is mapped (REFERENCE 4.4)."""
    return Fault("Accounts are not found.", _not_found([(section, key, "")]))


def untaxed(rate: str) -> Fault:
    """A record has a rate of tax that nobody mapped."""
    message = f"The following Tax Rates are invalid: {rate}."
    return Fault(message, message)


def _faults(configuration: Mapping[str, Any], rows: Rows) -> Iterator[Fault]:
    on = [section for section, switch in _SWITCHES.items() if configuration[section][switch]]
    yield from _accounts(configuration, on, rows)
    sales, fees = configuration["sales"], configuration["fees"]
    if "sales" in on:
        yield from _customer(sales["salesCustomer"]["selectedCustomerId"], rows("customers"))
    if "fees" in on:
        yield from _supplier(fees["feesSupplier"]["selectedSupplierId"], rows("suppliers"))
    if "sales" in on:
        taxes = [row.get("selectedTaxRateId") for row in sales["taxRates"].values() if isinstance(row, dict)]
        yield from _taxes([each for each in taxes if isinstance(each, str)], rows("taxRates"))


def selected_accounts(configuration: Mapping[str, Any], section: str) -> dict[str, str]:
    """Account type → selected account id, of one section."""
    accounts = configuration[section]["accounts"].items()
    return {
        key: row["selectedAccountId"]
        for key, row in accounts
        if isinstance(row, dict) and isinstance(row.get("selectedAccountId"), str)
    }


def _accounts(configuration: Mapping[str, Any], on: Sequence[str], rows: Rows) -> Iterator[Fault]:
    by_id = {row["id"]: row for row in rows("chartOfAccounts")}
    chosen = [
        (section, key, account_id)
        for section in on
        for key, account_id in selected_accounts(configuration, section).items()
    ]
    gone = [each for each in chosen if _is_gone(by_id.get(each[2]))]
    if gone:
        yield Fault("Accounts are not found.", _not_found(gone))
    for *_, account_id in chosen:
        if by_id[account_id]["status"] != "Active":
            yield _same(f"Account {account_id} is not in an Active state.")


def _customer(customer_id: str | None, customers: Sequence[BooksRow]) -> Iterator[Fault]:
    row = _find(customers, customer_id)
    if customer_id is None:
        return
    if row is None or _is_gone(row):
        yield _same(f"Customer {customer_id} does not exist.")
    elif row["status"] != "Active":
        yield _same(f"Customer {customer_id} is not in an Active state. ({row['status']})")


def _supplier(supplier_id: str | None, suppliers: Sequence[BooksRow]) -> Iterator[Fault]:
    row = _find(suppliers, supplier_id)
    if supplier_id is None:
        return
    if row is None or _is_gone(row):
        yield _same("Supplier does not exist.")
    elif row["status"] != "Active":
        yield _same("Supplier is not in an Active state.")


def _taxes(chosen: Sequence[str], taxes: Sequence[BooksRow]) -> Iterator[Fault]:
    for tax_id in chosen:
        if _is_gone(_find(taxes, tax_id)):
            yield _same(f"Tax Rate {tax_id} does not exist.")
    active = {row["id"] for row in taxes if row["status"] == "Active"}
    if invalid := [each for each in dict.fromkeys(chosen) if each not in active]:
        yield _same(f"The following Tax Rates are invalid: {', '.join(invalid)}.")


def _find(rows: Sequence[BooksRow], row_id: str | None) -> BooksRow | None:
    return next((row for row in rows if row["id"] == row_id), None)


def _is_gone(row: BooksRow | None) -> bool:
    return row is None or bool(row["metadata"]["isDeleted"])


def _same(message: str) -> Fault:
    return Fault(message, message)


def _not_found(accounts: Sequence[tuple[str, str, str]]) -> str:
    named = ", ".join(f"{_CAPTIONS[section]} {key} - {account_id}" for section, key, account_id in accounts)
    return (
        f"The following account(s) were not found (Payment account - Account Id): {named}. "
        "Please configure your Sync settings to update these accounts."
    )
