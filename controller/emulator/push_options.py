"""What an account must have to be created on each platform (REFERENCE 3.11 #34). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.emulator.errors import Complaint

# The reference names 9 of the 276 categories of QuickBooks Online; those are offered here.
_XERO_CATEGORIES = (
    "Asset.Current Asset.Fixed Asset.Inventory Asset.NonCurrent Asset.Prepayment Expense.DirectCosts "
    "Expense.Expense Expense.Overhead Expense.Superannuation Expense.Wages Income.Sales Income.Revenue "
    "Income.Other Liability.Current Liability.Depreciation Liability.Liability Liability.NonCurrent "
    "Liability.PayAsYouGo Liability.Superannuation Liability.WagesPayable Equity.Equity"
)
_QUICKBOOKS_CATEGORIES = (
    "Income.Income.SalesOfProductIncome",
    "Income.Income.ServiceFeeIncome",
    "Income.Income.DiscountsRefundsGiven",
    "Expense.Expense.BankCharges",
    "Expense.Expense.CommissionsAndFees",
    "Asset.Bank.Checking",
    "Asset.Bank.CashOnHand",
    "Asset.Other Current Asset.UndepositedFunds",
    "Liability.Other Current Liability.OtherCurrentLiabilities",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One property of the account prototype: how long a text may be, or which ones there are."""

    name: str
    caption: str
    required: bool
    shortest: int = 0
    longest: int | None = None
    choices: tuple[str, ...] = ()


_CATEGORY = "Fully qualified category"
_XERO = (
    Field("nominalCode", "Nominal code", True, longest=10),
    Field("name", "Name", True),
    Field("description", "Description", False),
    Field("fullyQualifiedCategory", _CATEGORY, True, choices=tuple(_XERO_CATEGORIES.split())),
)
_QUICKBOOKS = (
    Field("nominalCode", "Nominal code", False, shortest=1, longest=7),
    Field("name", "Name", True, shortest=1, longest=100),
    Field("currency", "Currency", False),
    Field("fullyQualifiedCategory", _CATEGORY, True, choices=_QUICKBOOKS_CATEGORIES),
)
_BY_PLATFORM: Mapping[str, tuple[Field, ...]] = {"qhyg": _QUICKBOOKS, "ndsk": _QUICKBOOKS}


def fields_of(platform_key: str) -> tuple[Field, ...]:
    """The prototype's fields on a platform; those without a table of their own share that of Xero."""
    return _BY_PLATFORM.get(platform_key, _XERO)


def options(platform_key: str) -> dict[str, Any]:
    """The answer of endpoint 34."""
    return {
        "type": "Object",
        "displayName": "Nominal Account",
        "description": "Nominal accounts are the categories a business uses to record transactions.",
        "properties": {field.name: _property(field) for field in fields_of(platform_key)},
        "required": True,
    }


def complaints(platform_key: str, account: Mapping[str, Any]) -> list[Complaint]:
    """Everything that is wrong with a prototype, in the platform's words."""
    found = [(field, _fault(field, account.get(field.name))) for field in fields_of(platform_key)]
    return [
        Complaint(_item(field), f"Failed to push to Account as {_item(field)} {fault}", "Account")
        for field, fault in found
        if fault
    ]


def _item(field: Field) -> str:
    return field.name[0].upper() + field.name[1:]


def _fault(field: Field, value: Any) -> str | None:
    if value is None or value == "":
        return "is required." if field.required else None
    if not isinstance(value, str):
        return "must be text."
    if field.longest is not None and len(value) > field.longest:
        return f"must not be longer than {field.longest} characters long."
    if field.choices and value not in field.choices:
        return f"must be one of the offered options, not {value}."
    return None


def _property(field: Field) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "String",
        "displayName": field.caption,
        "description": f"{field.caption} of the account.",
        "required": field.required,
    }
    if field.choices:
        shown["options"] = [
            {"value": choice, "type": "String", "displayName": choice, "required": False} for choice in field.choices
        ]
    limits = _limits(field)
    if limits:
        shown["validation"] = {"warnings": [{"field": field.name, "details": limits}], "information": []}
    return shown


def _limits(field: Field) -> str:
    if field.longest is None:
        return ""
    least = f"at least {field.shortest} and " if field.shortest else ""
    return f"Must be {least}at most {field.longest} characters long."
