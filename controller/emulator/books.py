"""A merchant's own accounting books, which people edit at the platform (REFERENCE 3.10).

Books belong to a company at a platform: whoever links again finds the same ones. They start as
`starting_books` says, and only what somebody edited is kept. What the service knows of them is in `cache`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from controller.emulator import starting_books as starting
from controller.emulator.clock import stamp
from controller.emulator.errors import ApiError
from controller.emulator.records import BooksRow, Company
from controller.emulator.world import World


@dataclass(frozen=True, slots=True)
class Kind:
    """One list of the books: its word in paths, its data type, the noun of error texts."""

    path: str
    data_type: str
    noun: str


KINDS: Mapping[str, Kind] = {
    kind.data_type: kind
    for kind in (
        Kind("accounts", "chartOfAccounts", "Account"),
        Kind("taxRates", "taxRates", "TaxRate"),
        Kind("customers", "customers", "Customer"),
        Kind("suppliers", "suppliers", "Supplier"),
        Kind("bankAccounts", "bankAccounts", "BankAccount"),
        Kind("info", "company", "Company"),
    )
}
"""By data type."""
EDITABLE = ("chartOfAccounts", "taxRates", "customers", "suppliers")
_ARCHIVED_WHEN_DELETED = ("taxRates", "customers", "suppliers")
_KIND = ("type", "fullyQualifiedCategory", "isBankAccount", "validDatatypeLinks")
"""The fields of an account that say of what kind it is."""
Edited = Mapping[str, tuple[BooksRow, ...]]
"""The lists of some books that are no longer as they started, by data type."""


def rows(company: Company, platform: str, data_type: str) -> tuple[BooksRow, ...]:
    """The merchant's own rows of one type, as they are at the platform now; deleted ones are marked."""
    return rows_of(company.id, platform, company.books.get(platform, {}), data_type)


def row(world: World, company_id: str, platform: str, data_type: str, row_id: str) -> BooksRow:
    """One row of the books. Raises ApiError 404."""
    for each in rows(world.companies[company_id], platform, data_type):
        if each["id"] == row_id:
            return each
    raise ApiError(404, f"No data available for {data_type} for ID {row_id}")


def edit(
    world: World, company_id: str, platform: str, data_type: str, row_id: str, changes: Mapping[str, Any]
) -> BooksRow:
    """Somebody changes a row of the books. The cache does not know before the next pull. ApiError 404."""
    old = row(world, company_id, platform, data_type, row_id)
    new = {**old, **changes, "id": row_id, "sourceModifiedDate": stamp(world.now())}
    if data_type == "chartOfAccounts" and "fullyQualifiedName" not in changes:
        new["fullyQualifiedName"] = f"{new['fullyQualifiedCategory']}.{new['name']}"
    company = world.companies[company_id]
    kept = tuple(new if each["id"] == row_id else each for each in rows(company, platform, data_type))
    _put(world, company, platform, data_type, kept)
    return new


def delete(world: World, company_id: str, platform: str, data_type: str, row_id: str) -> None:
    """Somebody deletes a row. Once pulled it stays in the cache, marked (REFERENCE 3.10). ApiError 404."""
    changes: dict[str, Any] = {"metadata": {"isDeleted": True}}
    if data_type in _ARCHIVED_WHEN_DELETED:
        changes["status"] = "Archived"
    edit(world, company_id, platform, data_type, row_id, changes)


def add(world: World, company_id: str, platform: str, data_type: str, fields: Mapping[str, Any]) -> BooksRow:
    """Somebody adds a row: `fields` over what such a row usually has. ApiError 400: the id is taken."""
    company = world.companies[company_id]
    present = rows(company, platform, data_type)
    row_id = str(fields.get("id") or _next_id(platform, present))
    now = {"metadata": {"isDeleted": False}, "sourceModifiedDate": stamp(world.now())}
    said = {**_as_before(present, data_type, fields), **fields}
    new = {"id": row_id, **_usual(platform, data_type, said), **said, **now}
    new["id"] = row_id
    if any(each["id"] == row_id for each in present):
        raise ApiError(400, f"There is a row of {data_type} with ID {row_id} already.")
    _put(world, company, platform, data_type, (*present, new))
    return new


def rename_company(world: World, company_id: str, platform: str, name: str) -> None:
    """The merchant's books are those of another company name."""
    company = world.companies[company_id]
    info = {**rows(company, platform, "company")[0], "companyName": name, "companyLegalName": name}
    _put(world, company, platform, "company", (info,))


def rows_of(company_id: str, platform: str, edited: Edited, data_type: str) -> tuple[BooksRow, ...]:
    if data_type in edited:
        return edited[data_type]
    if data_type == "bankAccounts":
        accounts = rows_of(company_id, platform, edited, "chartOfAccounts")
        return tuple(_as_bank_account(each) for each in accounts if each["isBankAccount"])
    return tuple(_untouched(company_id, platform, data_type))


def is_edited(edited: Edited, data_type: str) -> bool:
    return data_type in edited or (data_type == "bankAccounts" and "chartOfAccounts" in edited)


def _untouched(company_id: str, platform: str, data_type: str) -> Iterator[BooksRow]:
    start = starting.of(platform)
    if data_type == "taxRates":
        yield from map(starting.tax_row, start.taxes)
    elif data_type == "company":
        yield {"id": company_id, **starting.info_fields(start), "metadata": {"isDeleted": False}}
    else:
        prefix = id_prefix(company_id, platform)
        for line in _lines(start, data_type):
            yield {"id": prefix + line[0], **_fields(start, data_type, line)}


def _lines(start: starting.StartingBooks, data_type: str) -> tuple[Any, ...]:
    return {"chartOfAccounts": start.accounts, "customers": start.customers, "suppliers": start.suppliers}[data_type]


def _fields(start: starting.StartingBooks, data_type: str, line: Any) -> dict[str, Any]:
    if data_type == "chartOfAccounts":
        return starting.account_fields(line, start.currency)
    name_field = "customerName" if data_type == "customers" else "supplierName"
    return starting.party_fields(name_field, line[1], start.currency)


def id_prefix(company_id: str, platform: str) -> str:
    """What all record ids of these books begin with: they differ from company to company."""
    digest = blake2b(f"{platform} {company_id}".encode(), digest_size=16)
    if starting.of(platform).whole_number_ids:
        return str(int.from_bytes(digest.digest()[:4], "big") % 10_000_000 + 1)
    text = digest.hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:28]}"


def _next_id(platform: str, present: tuple[BooksRow, ...]) -> str:
    if not starting.of(platform).whole_number_ids:
        return str(uuid4())
    return str(max((int(each["id"]) for each in present if each["id"].isdigit()), default=0) + 1)


def _usual(platform: str, data_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    start = starting.of(platform)
    name = str(fields.get("name") or fields.get("customerName") or fields.get("supplierName") or "New")
    if data_type == "taxRates":
        rate = fields.get("effectiveTaxRate", 0.0)
        return starting.tax_row((str(fields.get("id") or name.upper().replace(" ", "")), name, rate))
    if data_type == "chartOfAccounts":
        category = str(fields.get("fullyQualifiedCategory") or _category(fields))
        return starting.account_fields(
            ("", fields.get("nominalCode"), name, "", category, _links(category), 0.0), start.currency
        )
    return _fields(start, data_type, ("", name))


def _as_before(present: tuple[BooksRow, ...], data_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The kind of account that the books knew by this code or name: made anew, it is of that again."""
    if data_type != "chartOfAccounts" or any(key in fields for key in _KIND):
        return {}
    words = [word for word in ("nominalCode", "name") if fields.get(word)]
    before = [each for each in present if any(each[word] == fields[word] for word in words)]
    return {key: before[-1][key] for key in _KIND} if before else {}


def _category(fields: Mapping[str, Any]) -> str:
    if fields.get("isBankAccount"):
        return "Asset.Bank"
    return {
        "Income": "Income.Revenue",
        "Expense": "Expense.Expense",
        "Liability": "Liability.Current",
        "Asset": "Asset.Current",
        "Equity": "Equity.Equity",
    }.get(str(fields.get("type")), "Income.Revenue")


def _links(category: str) -> tuple[str, ...]:
    return starting.PAYMENT_LINKS if category.startswith("Asset") else starting.INVOICE_LINKS


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


def _put(world: World, company: Company, platform: str, data_type: str, kept: tuple[BooksRow, ...]) -> None:
    own = {**company.books.get(platform, {}), data_type: kept}
    world.companies[company.id] = replace(company, books={**company.books, platform: own})
