"""The rules that a configuration must keep before it may be sent (API notes 4.5), and what a first one needs.

payments ──need──▶ sales, invoices not Draft           every selection ∈ its own options
fees ─────need──▶ payments' card account, a supplier    every offered tax rate has a selection
sales ────need──▶ a customer                            every required account has a selection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from controller.model.field_values import (
    CUSTOMER_PATH,
    FREQUENCY_PATH,
    GROUPING_PERIOD_PATH,
    INVOICE_GROUPING_PATH,
    INVOICE_LINE_GROUPING_PATH,
    INVOICE_STATUS_PATH,
    PAYMENTS_SYNC_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    Option,
    Values,
    account_path,
    parse_tax_rate_path,
    resolve_live_path,
    split_account_path,
)
from controller.model.observed import Configuration

RuleViolation = tuple[str, str]
"""(live's field path, a sentence that says what is wrong there)"""

GROUP_BY_PATHS = (INVOICE_GROUPING_PATH, INVOICE_LINE_GROUPING_PATH)


DIFFERENT_ACCOUNTS = (
    (("sales", "prepaid"), ("payments", "prepaidPayment")),
    (("payments", "card"), ("payments", "payout")),
)
"""Pairs of rows, each as (section, key), of which no account may have both (API notes 4.5 #9, #10)."""


def without_refused_options(path: str, options: Iterable[Option], values: Values) -> tuple[Option, ...]:
    """The options of a row but for the one that another row has, and that Codat would refuse here."""
    rows = [tuple(resolve_live_path(values, account_path(*row)) for row in rows) for rows in DIFFERENT_ACCOUNTS]
    others = [other for one, two in rows for row, other in ((one, two), (two, one)) if row == path and other]
    taken = {chosen.id for other in others if isinstance(chosen := values.get(other), Option)}
    return tuple(option for option in options if option.id not in taken)


def find_violations(values: Values, live: Configuration) -> tuple[RuleViolation, ...]:
    """Every rule that the document with these values would break, against live's own options."""
    return tuple(found for rule in CONFIGURATION_RULES for found in rule(values, live))


def fields_missing_for_first_configuration(values: Values, live: Configuration) -> tuple[str, ...]:
    """Live's paths of what a first configuration needs and these values lack."""
    needed = [FREQUENCY_PATH, START_DATE_PATH, INVOICE_STATUS_PATH, GROUPING_PERIOD_PATH]
    needed += [CUSTOMER_PATH] if is_section_on(values, "sales") else []
    needed += sorted(path for path in live.required_paths if _is_in_enabled_section(values, path))
    needed += sorted(path for path in values if parse_tax_rate_path(path))
    return tuple(path for path in needed if values.get(path) is None)


def is_section_on(values: Values, section: str) -> bool:
    return values.get(f"mapping.{section}.sync") is True


def _is_in_enabled_section(values: Values, path: str) -> bool:
    parts = split_account_path(path)
    return parts is not None and is_section_on(values, parts[0])


def _section_dependency_violations(values: Values, _live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #2, #3, #4: fees need payments, payments need sales, and invoices that are not drafts."""
    status = values.get(INVOICE_STATUS_PATH)
    if is_section_on(values, "payments") and not is_section_on(values, "sales"):
        yield PAYMENTS_SYNC_PATH, "payments need sales to be synchronised"
    if is_section_on(values, "payments") and isinstance(status, str) and status.lower() == "draft":
        yield INVOICE_STATUS_PATH, "payments cannot be synchronised while invoices are drafts"
    card = resolve_live_path(values, account_path("payments", "card"))
    if is_section_on(values, "fees") and (card is None or values.get(card) is None):
        yield account_path("payments", "card"), "fees need a payment account"


def _missing_customer_or_supplier_violations(values: Values, _live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #5, #6: sales need a customer, fees a supplier."""
    if is_section_on(values, "sales") and values.get(CUSTOMER_PATH) is None:
        yield CUSTOMER_PATH, "sales need a customer"
    if is_section_on(values, "fees") and values.get(SUPPLIER_PATH) is None:
        yield SUPPLIER_PATH, "fees need a supplier"


def _missing_selection_violations(values: Values, live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #7, #12: required accounts and every offered tax rate have a selection."""
    for path in sorted(live.required_paths):
        if _is_in_enabled_section(values, path) and values.get(path) is None:
            yield path, "this account is required"
    for path in sorted(values):
        if parse_tax_rate_path(path) and is_section_on(values, "sales") and values[path] is None:
            yield path, "every tax rate that is offered needs one"


def _unoffered_option_violations(values: Values, live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #8: a selection is one of its own options, in sections that are off too (API notes 4.5, below the table)."""
    for path, value in values.items():
        if isinstance(value, Option) and all(value.id != option.id for option in live.options.get(path, ())):
            yield path, f"{value.id} is not among this merchant's options"


def _equal_account_violations(values: Values, _live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #9, #10: two pairs of accounts must differ."""
    for rows in DIFFERENT_ACCOUNTS:
        path, other_path = (resolve_live_path(values, account_path(*row)) or account_path(*row) for row in rows)
        first, second = values.get(path), values.get(other_path)
        if isinstance(first, Option) and isinstance(second, Option) and first.id == second.id:
            account = f"{first.name} ({first.id})" if first.name else first.id
            yield path, f"{account} must not be the account of {other_path} too"


def _missing_or_unoffered_word_violations(values: Values, live: Configuration) -> Iterator[RuleViolation]:
    """4.5 #11: frequency, invoice status and grouping are words that live offers; without sales none are needed."""
    for path in (FREQUENCY_PATH, INVOICE_STATUS_PATH, GROUPING_PERIOD_PATH):
        offered, word = live.allowed_words.get(path, ()), values.get(path)
        if word is None and (path == FREQUENCY_PATH or is_section_on(values, "sales")):
            yield path, "needs a value"
        if isinstance(word, str) and offered and word.lower() not in {option.lower() for option in offered}:
            yield path, f"{word!r} is not one of {', '.join(offered)}"
    for path in GROUP_BY_PATHS:
        chosen, offered = values.get(path), live.allowed_words.get(path, ())
        known = {option.lower() for option in offered}
        unknown = [word for word in chosen if word.lower() not in known] if isinstance(chosen, tuple) else []
        if unknown:
            yield path, f"{', '.join(unknown)} is not offered; these are: {', '.join(offered)}"


def _moving_start_violations(values: Values, live: Configuration) -> Iterator[RuleViolation]:
    """Ours: the hour is written in UTC, which takes the time zone along; a start local to one that we do not know
    would become another instant, though nobody asked for that."""
    start = values.get(START_DATE_PATH)
    takes_zone_along = isinstance(live.values.get(SYNC_HOUR_PATH), str) and isinstance(values.get(SYNC_HOUR_PATH), int)
    if isinstance(start, str) and takes_zone_along:
        yield START_DATE_PATH, f"{start} is in a time zone that is not known here, and would move with the sync hour"


CONFIGURATION_RULES: tuple[Callable[[Values, Configuration], Iterator[RuleViolation]], ...] = (
    _section_dependency_violations,
    _missing_customer_or_supplier_violations,
    _missing_selection_violations,
    _unoffered_option_violations,
    _equal_account_violations,
    _missing_or_unoffered_word_violations,
    _moving_start_violations,
)
