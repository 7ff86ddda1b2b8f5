"""Rules of single values in a manifest that a shape cannot say; each returns the value, or raises what is wrong with it
and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic_core import PydanticCustomError

from controller.model.account_settings import ACCOUNT_NAME, REQUIRED_ROWS
from controller.model.field_values import canonical_tax_rate
from controller.model.local_times import time_zone_problem
from controller.model.name_matching import find_invisible_flaw, remove_invisible
from controller.model.platforms import nearest_platforms, platform_key
from controller.model.yaml_snippets import quote_yaml

PLAUSIBLE_YEARS = range(2000, 2100)

ACCOUNT_KEYS = (
    *("sales", "refund", "gratuity", "prepaid", "prePaid"),
    *("card", "cash", "invoice", "onlineCard", "swish", "vipps", "mobile", "storeCredit", "paypal", "paypalQr"),
    *("custom", "manual", "payout", "prepaidPayment"),
    *("paymentFee", "paymentFeeRefund", "loan", "loanPayment", "loanFee", "cashback"),
)
"""The account types that API notes 4.4 lists. Codat may offer more: other words are accepted, too."""

FLOW_ROWS = (
    *sorted(REQUIRED_ROWS),
    *(f"sales-accounts-{key}" for key in ("gratuity", "prepaid", "sales-other")),
    *(f"fees-accounts-{key}" for key in ("paymentFee", "paymentFeeRefund", "loan", "loanPayment", "loanFee")),
    "fees-accounts-cashback",
    *(f"payments-accounts-{key}" for key in ("cash", "invoice", "onlineCard", "payout", "custom", "storeCredit")),
    *(f"payments-accounts-{key}" for key in ("paypal", "paypalQr", "mobile", "vipps", "swish", "prepaidPayment")),
    "payments-accounts-manual",
)
"""The rows of the Sync Flow that API notes 3.7 lists. Other words are accepted, too."""

_TAX_RATE_FORM = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_KNOWN_ACCOUNTS = {key.lower(): key for key in ACCOUNT_KEYS}


def _error(what: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("manifest", "{what}", {"what": what, "remedy": remedy})


def require_valid_reference(reference: Mapping[str, Any]) -> Mapping[str, Any]:
    keys = [key for key in reference if key != "create"]
    if len(keys) != 1:
        given = " and ".join(keys) or "none of them"
        raise _error(f"a reference is exactly one of id, code and name; here: {given}", "keep one")
    if "create" in reference:
        require_valid_new_account(keys[0], reference[keys[0]], reference["create"])
    return reference


def require_valid_new_account(by: str, text: str, new: Mapping[str, Any]) -> None:
    """What is created has to be what the reference finds then, and nothing is said twice."""
    if by == "id":
        raise _error("an account that is to be created has no id yet", "refer to it by code or name")
    if by in new:
        raise _error(f"its {by} stands in the reference already", f"delete it from create: {by} is what is looked up")
    if "name" not in (by, *new):
        raise _error("an account that is to be created needs a name", "add create: {name: …}")
    reject_invisible_flaw(text)


def reject_invisible_flaw(name: Any) -> Any:
    """An invisible character in a name would make a second merchant, or a company that nobody finds again."""
    flaw = find_invisible_flaw(name) if isinstance(name, str) else None
    if not flaw:
        return name
    intended = remove_invisible(name)
    raise _error(f"in the name {name!r} {flaw}", f"write {quote_yaml(intended)}" if intended else "write a name")


def reject_reserved_name(name: str) -> str:
    if name == ACCOUNT_NAME:
        raise _error(f"no merchant can be called {name}", "choose another name: it stands for the account's settings")
    return name


def require_known_platform(word: str) -> str:
    if platform_key(word):
        return word
    raise _error(f"there is no accounting platform {word!r}", f"the nearest: {nearest_platforms(word)}")


def require_known_zone(zone: str) -> str:
    problem = time_zone_problem(zone)
    if problem:
        raise _error(problem, "name a zone of the IANA database, such as Europe/London")
    return zone


def require_plausible_date(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _error(f"there is no date {text}", "write YYYY-MM-DD") from None
    if day.year not in PLAUSIBLE_YEARS:
        raise _error(f"a start in the year {day.year}", "name the first day to sync, such as 2026-12-01")
    return text


def reject_duplicate_accounts(accounts: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: dict[str, str] = {}
    for key in accounts:
        if key.lower() in seen:
            raise _error(f"{seen[key.lower()]!r} and {key!r} are the same account", "keep one of them")
        seen[key.lower()] = key
    return accounts


@cache
def reject_mistyped_account(key: str) -> str:
    """A word this similar to a known account type is a typing error, not a type that only Codat knows."""
    nearest = get_close_matches(key.lower(), _KNOWN_ACCOUNTS, n=1, cutoff=0.85)
    if nearest and nearest[0] != key.lower():
        raise _error(f"there is no account {key!r}", f"did you mean {_KNOWN_ACCOUNTS[nearest[0]]!r}?")
    return key


def reject_mistyped_row(row: str) -> str:
    """A word this similar to a known row is a typing error, not a row that only Codat knows."""
    nearest = get_close_matches(row, FLOW_ROWS, n=1, cutoff=0.9)
    if nearest and nearest[0] != row:
        raise _error(f"the Sync Flow has no row {row!r}", f"did you mean {nearest[0]!r}?")
    return row


def mistyped_word_check(words: Sequence[str], what: str) -> Callable[[str], str]:
    """A check that a word is none that is like a known one and not the same: others only Codat may know."""

    def check(word: str) -> str:
        nearest = get_close_matches(word.lower(), [each.lower() for each in words], n=1, cutoff=0.85)
        known = next((each for each in words if nearest and each.lower() == nearest[0]), word)
        if known != word:
            raise _error(f"there is no {what} {word!r}", f"did you mean {known!r}?")
        return word

    return check


def require_notifier(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    if not (rule.get("webhook") or rule.get("emails")):
        raise _error("a rule that tells nobody", "add webhook, or emails")
    return rule


def require_one_secret_place(secret: Mapping[str, str]) -> Mapping[str, str]:
    if len(secret) != 1:
        raise _error("a secret is in one place: env or file", "keep one")
    return secret


def is_tax_rate(key: str) -> bool:
    """Whether a tax rate may be written like that."""
    return bool(_TAX_RATE_FORM.fullmatch(key))


def require_valid_tax_rate(key: str) -> str:
    if not is_tax_rate(key):
        raise _error(f"{key!r} is not a tax rate", 'write the rate as a decimal number, such as "17.5"')
    return key


def reject_duplicate_tax_rates(rates: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: dict[str, str] = {}
    for key in rates:
        rate = canonical_tax_rate(key)
        if rate in seen:
            raise _error(f"{seen[rate]!r} and {key!r} are the same tax rate", "keep one of them")
        seen[rate] = key
    return rates


def reject_duplicates(words: Sequence[str]) -> Sequence[str]:
    if len(set(words)) < len(words):
        raise _error("an entry stands here twice", "keep one of them")
    return words


def require_possible_live_value(value: Any) -> Any:
    """What a finding can show as live: a plain value, a list of words, a reference."""
    if isinstance(value, dict):
        is_reference = len(value) == 1 and next(iter(value)) in ("id", "code", "name")
        is_possible = is_reference and all(isinstance(text, str) and text for text in value.values())
    else:
        words = value if isinstance(value, list) else ["" if value is None else value]
        is_possible = all(isinstance(word, str | bool | int) for word in words)
    if is_possible:
        return value
    raise _error("that is no live value", "write it as the finding shows it, a reference by one of id, code and name")


def require_valid_replacement(replacement: Any) -> Any:
    """To have a connection deleted, a manifest names the platform that takes its place: no flag can be left behind."""
    if isinstance(replacement, dict):
        return replacement
    raise _error(
        "replaceConnection says to which platform the merchant moves", "write replaceConnection: {to: PLATFORM}"
    )


def require_valid_ignore_rule(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    if ("finding" in rule) == ("field" in rule):
        raise _error("an entry of ignore is about a finding or about a field", "write one of finding and field")
    if "field" in rule and "live" not in rule:
        remedy = "add live, as the finding shows it; null where nothing is set"
        raise _error("it does not say of which live value of the field it is said", remedy)
    return rule
