"""Whether what a configuration points at is still active in the books (API notes 4.8, stage S). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.emulator.service.company_records import BooksRow

RowsByType = Callable[[str], Sequence[BooksRow]]
"""The merchant's books now: data type → rows."""

_SWITCH_BY_SECTION = {"sales": "syncSales", "payments": "syncPayments", "fees": "syncFees"}
_CAPTION_BY_SECTION = {"sales": "Sales account", "payments": "Payment account", "fees": "Fee account"}


@dataclass(frozen=True, slots=True)
class MappingFault:
    """Why a sync cannot start: the friendly text and the raw one."""

    message: str
    raw: str


def first_fault(configuration: Mapping[str, Any], rows: RowsByType) -> MappingFault | None:
    """The first thing that is wrong in an enabled section, in the order of API notes 4.8."""
    return next(_faults(configuration, rows), None)


def account_not_mapped(section: str, key: str) -> MappingFault:
    """A record needs an account that nobody selected: syncing stops until it is mapped (API notes 4.4)."""
    return MappingFault("Accounts are not found.", _accounts_not_found_text([(section, key, "")]))


def tax_rate_not_mapped(rate: str) -> MappingFault:
    """A record has a rate of tax that nobody mapped."""
    message = f"The following Tax Rates are invalid: {rate}."
    return MappingFault(message, message)


def _faults(configuration: Mapping[str, Any], rows: RowsByType) -> Iterator[MappingFault]:
    enabled = [section for section, switch in _SWITCH_BY_SECTION.items() if configuration[section][switch]]
    yield from _account_faults(configuration, enabled, rows)
    sales, fees = configuration["sales"], configuration["fees"]
    if "sales" in enabled:
        yield from _customer_faults(sales["salesCustomer"]["selectedCustomerId"], rows("customers"))
    if "fees" in enabled:
        yield from _supplier_faults(fees["feesSupplier"]["selectedSupplierId"], rows("suppliers"))
    if "sales" in enabled:
        taxes = [row.get("selectedTaxRateId") for row in sales["taxRates"].values() if isinstance(row, dict)]
        yield from _tax_rate_faults([tax_id for tax_id in taxes if isinstance(tax_id, str)], rows("taxRates"))


def selected_account_ids(configuration: Mapping[str, Any], section: str) -> dict[str, str]:
    """Account type → selected account id, of one section."""
    accounts = configuration[section]["accounts"].items()
    return {
        key: row["selectedAccountId"]
        for key, row in accounts
        if isinstance(row, dict) and isinstance(row.get("selectedAccountId"), str)
    }


def _account_faults(
    configuration: Mapping[str, Any], enabled_sections: Sequence[str], rows: RowsByType
) -> Iterator[MappingFault]:
    by_id = {row["id"]: row for row in rows("chartOfAccounts")}
    chosen = [
        (section, key, account_id)
        for section in enabled_sections
        for key, account_id in selected_account_ids(configuration, section).items()
    ]
    missing = [selection for selection in chosen if _is_gone(by_id.get(selection[2]))]
    if missing:
        yield MappingFault("Accounts are not found.", _accounts_not_found_text(missing))
    for *_, account_id in chosen:
        if by_id[account_id]["status"] != "Active":
            yield _fault_with_same_texts(f"Account {account_id} is not in an Active state.")


def _customer_faults(customer_id: str | None, customers: Sequence[BooksRow]) -> Iterator[MappingFault]:
    row = _find_row(customers, customer_id)
    if customer_id is None:
        return
    if row is None or _is_gone(row):
        yield _fault_with_same_texts(f"Customer {customer_id} does not exist.")
    elif row["status"] != "Active":
        yield _fault_with_same_texts(f"Customer {customer_id} is not in an Active state. ({row['status']})")


def _supplier_faults(supplier_id: str | None, suppliers: Sequence[BooksRow]) -> Iterator[MappingFault]:
    row = _find_row(suppliers, supplier_id)
    if supplier_id is None:
        return
    if row is None or _is_gone(row):
        yield _fault_with_same_texts("Supplier does not exist.")
    elif row["status"] != "Active":
        yield _fault_with_same_texts("Supplier is not in an Active state.")


def _tax_rate_faults(chosen: Sequence[str], taxes: Sequence[BooksRow]) -> Iterator[MappingFault]:
    for tax_id in chosen:
        if _is_gone(_find_row(taxes, tax_id)):
            yield _fault_with_same_texts(f"Tax Rate {tax_id} does not exist.")
    active = {row["id"] for row in taxes if row["status"] == "Active"}
    if invalid := [tax_id for tax_id in dict.fromkeys(chosen) if tax_id not in active]:
        yield _fault_with_same_texts(f"The following Tax Rates are invalid: {', '.join(invalid)}.")


def _find_row(rows: Sequence[BooksRow], row_id: str | None) -> BooksRow | None:
    return next((row for row in rows if row["id"] == row_id), None)


def _is_gone(row: BooksRow | None) -> bool:
    return row is None or bool(row["metadata"]["isDeleted"])


def _fault_with_same_texts(message: str) -> MappingFault:
    return MappingFault(message, message)


def _accounts_not_found_text(accounts: Sequence[tuple[str, str, str]]) -> str:
    named = ", ".join(f"{_CAPTION_BY_SECTION[section]} {key} - {account_id}" for section, key, account_id in accounts)
    return (
        f"The following account(s) were not found (Payment account - Account Id): {named}. "
        "Please configure your Sync settings to update these accounts."
    )
