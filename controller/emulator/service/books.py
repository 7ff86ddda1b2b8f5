"""A merchant's own accounting books, which people edit at the platform (API notes 3.10).

Books belong to a company at a platform: whoever links again finds the same ones. They start as in `starting_books`;
only edited lists are stored. What Codat knows of them is in `cached_books`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from controller.emulator.service import starting_books
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import BooksRow, CompanyRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World


@dataclass(frozen=True, slots=True)
class ListType:
    """One list of the books: its word in paths, its data type, the noun of error texts."""

    path: str
    data_type: str
    noun: str


LIST_TYPES: Mapping[str, ListType] = {
    kind.data_type: kind
    for kind in (
        ListType("accounts", "chartOfAccounts", "Account"),
        ListType("taxRates", "taxRates", "TaxRate"),
        ListType("customers", "customers", "Customer"),
        ListType("suppliers", "suppliers", "Supplier"),
        ListType("bankAccounts", "bankAccounts", "BankAccount"),
        ListType("info", "company", "Company"),
    )
}
"""By data type."""
EDITABLE_TYPES = ("chartOfAccounts", "taxRates", "customers", "suppliers")
_TYPES_ARCHIVED_WHEN_DELETED = ("taxRates", "customers", "suppliers")
_ACCOUNT_KIND_FIELDS = ("type", "fullyQualifiedCategory", "isBankAccount", "validDatatypeLinks")
"""The fields of an account that say of what kind it is."""
EditedRows = Mapping[str, tuple[BooksRow, ...]]
"""The lists of some books that are no longer as they started, by data type."""


def rows(company: CompanyRecord, platform: str, data_type: str) -> tuple[BooksRow, ...]:
    """The merchant's own rows of one type, as they are at the platform now; deleted ones are marked."""
    return rows_with_edits(company.id, platform, company.books.get(platform, {}), data_type)


def find_row(world: World, company_id: str, platform: str, data_type: str, row_id: str) -> BooksRow:
    """One row of the books. Raises ApiError 404."""
    for row in rows(world.companies[company_id], platform, data_type):
        if row["id"] == row_id:
            return row
    raise ApiError(404, f"No data available for {data_type} for ID {row_id}")


def edit_row(
    world: World, company_id: str, platform: str, data_type: str, row_id: str, changes: Mapping[str, Any]
) -> BooksRow:
    """Somebody changes a row of the books. The cache does not know before the next pull. ApiError 404."""
    old = find_row(world, company_id, platform, data_type, row_id)
    new = {**old, **changes, "id": row_id, "sourceModifiedDate": format_timestamp(world.now())}
    if data_type == "chartOfAccounts" and "fullyQualifiedName" not in changes:
        new["fullyQualifiedName"] = f"{new['fullyQualifiedCategory']}.{new['name']}"
    company = world.companies[company_id]
    updated = tuple(new if row["id"] == row_id else row for row in rows(company, platform, data_type))
    _store_rows(world, company, platform, data_type, updated)
    return new


def mark_row_deleted(world: World, company_id: str, platform: str, data_type: str, row_id: str) -> None:
    """Somebody deletes a row. Once pulled it stays in the cache, marked (API notes 3.10). ApiError 404."""
    changes: dict[str, Any] = {"metadata": {"isDeleted": True}}
    if data_type in _TYPES_ARCHIVED_WHEN_DELETED:
        changes["status"] = "Archived"
    edit_row(world, company_id, platform, data_type, row_id, changes)


def add_row(world: World, company_id: str, platform: str, data_type: str, fields: Mapping[str, Any]) -> BooksRow:
    """Somebody adds a row: `fields` over what such a row usually has. ApiError 400: the id is taken."""
    company = world.companies[company_id]
    present = rows(company, platform, data_type)
    row_id = str(fields.get("id") or _next_id(platform, present))
    row_state = {"metadata": {"isDeleted": False}, "sourceModifiedDate": format_timestamp(world.now())}
    given = {**_kind_fields_of_former_account(present, data_type, fields), **fields}
    new = {"id": row_id, **_default_fields(platform, data_type, given), **given, **row_state}
    new["id"] = row_id
    if any(row["id"] == row_id for row in present):
        raise ApiError(400, f"There is a row of {data_type} with ID {row_id} already.")
    _store_rows(world, company, platform, data_type, (*present, new))
    return new


def rename_books(world: World, company_id: str, platform: str, name: str) -> None:
    """The merchant's books are those of another company name."""
    company = world.companies[company_id]
    info = {**rows(company, platform, "company")[0], "companyName": name, "companyLegalName": name}
    _store_rows(world, company, platform, "company", (info,))


def rows_with_edits(company_id: str, platform: str, edited: EditedRows, data_type: str) -> tuple[BooksRow, ...]:
    if data_type in edited:
        return edited[data_type]
    if data_type == "bankAccounts":
        accounts = rows_with_edits(company_id, platform, edited, "chartOfAccounts")
        return tuple(_as_bank_account(account) for account in accounts if account["isBankAccount"])
    return tuple(_starting_rows(company_id, platform, data_type))


def is_edited(edited: EditedRows, data_type: str) -> bool:
    return data_type in edited or (data_type == "bankAccounts" and "chartOfAccounts" in edited)


def _starting_rows(company_id: str, platform: str, data_type: str) -> Iterator[BooksRow]:
    start = starting_books.starting_books_of(platform)
    if data_type == "taxRates":
        yield from map(starting_books.tax_row, start.taxes)
    elif data_type == "company":
        yield {"id": company_id, **starting_books.company_info_fields(start), "metadata": {"isDeleted": False}}
    else:
        prefix = id_prefix(company_id, platform)
        lines: Mapping[str, tuple[Any, ...]] = {
            "chartOfAccounts": start.accounts,
            "customers": start.customers,
            "suppliers": start.suppliers,
        }
        for line in lines[data_type]:
            yield {"id": prefix + line[0], **_row_fields(start, data_type, line)}


def _row_fields(start: starting_books.StartingBooks, data_type: str, line: Any) -> dict[str, Any]:
    if data_type == "chartOfAccounts":
        return starting_books.account_fields(line, start.currency)
    name_field = "customerName" if data_type == "customers" else "supplierName"
    return starting_books.party_fields(name_field, line[1], start.currency)


def id_prefix(company_id: str, platform: str) -> str:
    """What all record ids of these books begin with: they differ from company to company."""
    digest = blake2b(f"{platform} {company_id}".encode(), digest_size=16)
    if starting_books.starting_books_of(platform).whole_number_ids:
        return str(int.from_bytes(digest.digest()[:4], "big") % 10_000_000 + 1)
    text = digest.hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:28]}"


def _next_id(platform: str, present: tuple[BooksRow, ...]) -> str:
    if not starting_books.starting_books_of(platform).whole_number_ids:
        return str(uuid4())
    return str(max((int(row["id"]) for row in present if row["id"].isdigit()), default=0) + 1)


def _default_fields(platform: str, data_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    start = starting_books.starting_books_of(platform)
    name = str(fields.get("name") or fields.get("customerName") or fields.get("supplierName") or "New")
    if data_type == "taxRates":
        rate = fields.get("effectiveTaxRate", 0.0)
        return starting_books.tax_row((str(fields.get("id") or name.upper().replace(" ", "")), name, rate))
    if data_type == "chartOfAccounts":
        category = str(fields.get("fullyQualifiedCategory") or _default_category(fields))
        is_asset = category.startswith("Asset")
        links = starting_books.PAYMENT_LINKS if is_asset else starting_books.INVOICE_LINKS
        line = ("", fields.get("nominalCode"), name, "", category, links, 0.0)
        return starting_books.account_fields(line, start.currency)
    return _row_fields(start, data_type, ("", name))


def _kind_fields_of_former_account(
    present: tuple[BooksRow, ...], data_type: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The kind fields of an account that the books had under this code or name: one added again is of the same kind."""
    if data_type != "chartOfAccounts" or any(key in fields for key in _ACCOUNT_KIND_FIELDS):
        return {}
    given_fields = [field for field in ("nominalCode", "name") if fields.get(field)]
    former = [row for row in present if any(row[field] == fields[field] for field in given_fields)]
    return {key: former[-1][key] for key in _ACCOUNT_KIND_FIELDS} if former else {}


def _default_category(fields: Mapping[str, Any]) -> str:
    if fields.get("isBankAccount"):
        return "Asset.Bank"
    return {
        "Income": "Income.Revenue",
        "Expense": "Expense.Expense",
        "Liability": "Liability.Current",
        "Asset": "Asset.Current",
        "Equity": "Equity.Equity",
    }.get(str(fields.get("type")), "Income.Revenue")


def _as_bank_account(account: BooksRow) -> BooksRow:
    return {
        "id": account["id"],
        "accountName": account["name"],
        "accountType": "Debit",
        "nominalCode": account["nominalCode"],
        "sortCode": None,
        "accountNumber": None,
        "iBan": None,
        "currency": account["currency"],
        "balance": account["currentBalance"],
        "availableBalance": account["currentBalance"],
        "overdraftLimit": None,
        "institution": None,
        "status": account["status"],
        "metadata": account["metadata"],
        "sourceModifiedDate": account["sourceModifiedDate"],
    }


def _store_rows(
    world: World, company: CompanyRecord, platform: str, data_type: str, new_rows: tuple[BooksRow, ...]
) -> None:
    books_at_platform = {**company.books.get(platform, {}), data_type: new_rows}
    world.companies[company.id] = replace(company, books={**company.books, platform: books_at_platform})
