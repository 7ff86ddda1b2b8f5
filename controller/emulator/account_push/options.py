"""What an account must have to be created on each platform (API notes 3.11 #34). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.emulator.service.errors import ValidationItem

# We know 9 of the 276 categories of QuickBooks Online; those are offered here.
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
class PrototypeField:
    """One property of the account prototype: how long a text may be, or which ones there are."""

    name: str
    caption: str
    required: bool
    shortest: int = 0
    longest: int | None = None
    choices: tuple[str, ...] = ()


_CATEGORY_CAPTION = "Fully qualified category"
_XERO_PROTOTYPE = (
    PrototypeField("nominalCode", "Nominal code", True, longest=10),
    PrototypeField("name", "Name", True),
    PrototypeField("description", "Description", False),
    PrototypeField("fullyQualifiedCategory", _CATEGORY_CAPTION, True, choices=tuple(_XERO_CATEGORIES.split())),
)
_QUICKBOOKS_PROTOTYPE = (
    PrototypeField("nominalCode", "Nominal code", False, shortest=1, longest=7),
    PrototypeField("name", "Name", True, shortest=1, longest=100),
    PrototypeField("currency", "Currency", False),
    PrototypeField("fullyQualifiedCategory", _CATEGORY_CAPTION, True, choices=_QUICKBOOKS_CATEGORIES),
)
_PROTOTYPE_BY_PLATFORM: Mapping[str, tuple[PrototypeField, ...]] = {
    "qhyg": _QUICKBOOKS_PROTOTYPE,
    "ndsk": _QUICKBOOKS_PROTOTYPE,
}


def prototype_fields(platform_key: str) -> tuple[PrototypeField, ...]:
    """The prototype's fields on a platform; those without a table of their own share that of Xero."""
    return _PROTOTYPE_BY_PLATFORM.get(platform_key, _XERO_PROTOTYPE)


def options_json(platform_key: str) -> dict[str, Any]:
    """The answer of endpoint 34."""
    return {
        "type": "Object",
        "displayName": "Nominal Account",
        "description": "Nominal accounts are the categories a business uses to record transactions.",
        "properties": {field.name: _property_json(field) for field in prototype_fields(platform_key)},
        "required": True,
    }


def validate_account(platform_key: str, account: Mapping[str, Any]) -> list[ValidationItem]:
    """Everything that is wrong with a prototype, in the platform's words."""
    errors_by_field = [
        (field, _field_error(field, account.get(field.name))) for field in prototype_fields(platform_key)
    ]
    return [
        ValidationItem(_item_id(field), f"Failed to push to Account as {_item_id(field)} {error}", "Account")
        for field, error in errors_by_field
        if error
    ]


def _item_id(field: PrototypeField) -> str:
    return field.name[0].upper() + field.name[1:]


def _field_error(field: PrototypeField, value: Any) -> str | None:
    if value is None or value == "":
        return "is required." if field.required else None
    if not isinstance(value, str):
        return "must be text."
    if field.longest is not None and len(value) > field.longest:
        return f"must not be longer than {field.longest} characters long."
    if field.choices and value not in field.choices:
        return f"must be one of the offered options, not {value}."
    return None


def _property_json(field: PrototypeField) -> dict[str, Any]:
    property_json: dict[str, Any] = {
        "type": "String",
        "displayName": field.caption,
        "description": f"{field.caption} of the account.",
        "required": field.required,
    }
    if field.choices:
        property_json["options"] = [
            {"value": choice, "type": "String", "displayName": choice, "required": False} for choice in field.choices
        ]
    length_text = _length_text(field)
    if length_text:
        property_json["validation"] = {"warnings": [{"field": field.name, "details": length_text}], "information": []}
    return property_json


def _length_text(field: PrototypeField) -> str:
    if field.longest is None:
        return ""
    minimum = f"at least {field.shortest} and " if field.shortest else ""
    return f"Must be {minimum}at most {field.longest} characters long."
