"""Which accounts each platform lets Codat create in the merchant's books (API notes 3.11). Pure.

Known of Xero, all 21 types of it, and of QuickBooks Online, whose 276 types are too many to be listed here: their form
is checked here, and the type itself against what the connection offers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

from controller.model.field_values import NewAccount
from controller.model.platforms import platform_name
from controller.quick_dataclasses import dataclass

XERO, QUICKBOOKS = "gbol", frozenset({"qhyg", "ndsk"})
XERO_TYPES = tuple(
    f"{family}.{kind}"
    for family, kinds in (
        ("Asset", "Current Fixed Inventory NonCurrent Prepayment"),
        ("Expense", "DirectCosts Expense Overhead Superannuation Wages"),
        ("Income", "Sales Revenue Other"),
        ("Liability", "Current Depreciation Liability NonCurrent PayAsYouGo Superannuation WagesPayable"),
        ("Equity", "Equity"),
    )
    for kind in kinds.split()
)
PAYMENTS_SUFFIX = ".PaymentsEnabled"
"""At the end of a name, it has Xero take payments to the account: only then it can be chosen for a payment."""

_QUICKBOOKS_TYPE = re.compile(r"(Asset|Equity|Expense|Income|Liability)\.[^.]+\.[^.]+")
_MAX_XERO_CODE, _MAX_QUICKBOOKS_CODE, _MAX_QUICKBOOKS_NAME = 10, 7, 100


@dataclass(frozen=True, slots=True)
class NewAccountProblem:
    """Why a platform would not take an account, and what to write."""

    what: str
    remedy: str


def new_account_problem(platform: str | None, new: NewAccount) -> NewAccountProblem | None:
    """What can be seen offline to be wrong with it. `platform`: its four-letter key."""
    if platform == XERO:
        return _xero_problem(new)
    if platform in QUICKBOOKS:
        return _quickbooks_problem(new)
    return NewAccountProblem(
        f"of {platform_name(platform or '') or platform} it is not known which accounts can be created "
        "(API notes 3.11)",
        "delete create, and have the account added by hand",
    )


def _xero_problem(new: NewAccount) -> NewAccountProblem | None:
    if new.type.startswith("Asset.Bank"):
        return NewAccountProblem("Xero has no bank accounts created (API notes 3.11)", "write type: Asset.Current")
    if new.type not in XERO_TYPES:
        return NewAccountProblem(f"Xero has no type {new.type!r}", suggest_types_text(new.type, XERO_TYPES))
    if new.code is None:
        return NewAccountProblem("an account of Xero needs a code", "add create: {code: …}")
    if len(new.code) > _MAX_XERO_CODE:
        return NewAccountProblem(f"a code of Xero has at most {_MAX_XERO_CODE} characters", "write a shorter one")
    if new.name.endswith(PAYMENTS_SUFFIX):
        remedy = "delete it: that is said by itself for an account of payments"
        return NewAccountProblem(f"{PAYMENTS_SUFFIX} is no part of the name", remedy)
    return None


def _quickbooks_problem(new: NewAccount) -> NewAccountProblem | None:
    if not _QUICKBOOKS_TYPE.fullmatch(new.type):
        what = f"a type of QuickBooks Online has three parts, and {new.type!r} is none"
        return NewAccountProblem(what, "write it as Asset.Bank.CashOnHand or Income.Income.ServiceFeeIncome")
    if new.code is not None and len(new.code) > _MAX_QUICKBOOKS_CODE:
        what = f"a code of QuickBooks Online has at most {_MAX_QUICKBOOKS_CODE} characters"
        return NewAccountProblem(what, "write a shorter one")
    if len(new.name) > _MAX_QUICKBOOKS_NAME:
        what = f"a name of QuickBooks Online has at most {_MAX_QUICKBOOKS_NAME} characters"
        return NewAccountProblem(what, "write a shorter one")
    if new.description is not None:
        return NewAccountProblem("QuickBooks Online takes no description (API notes 3.11)", "delete it")
    return None


def suggest_types_text(word: str, known: Collection[str]) -> str:
    """`did you mean 'Asset.Current'?`, or the types that there are."""
    by_lower = {each.lower(): each for each in known}
    nearest = get_close_matches(word.lower(), by_lower, n=2, cutoff=0.6)
    if nearest:
        return f"did you mean {' or '.join(repr(by_lower[each]) for each in nearest)}?"
    return f"it has {', '.join(known)}"


def account_name_to_push(platform: str, section: str, new: NewAccount) -> str:
    """The name to send: Xero is told there that an account of `payments` is to take payments."""
    return new.name + (PAYMENTS_SUFFIX if platform == XERO and section == "payments" else "")
