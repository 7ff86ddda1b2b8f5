"""The rules that a whole configuration must keep before it may be sent (REFERENCE 4.5), and what a first one needs.

payments ──needs──▶ sales, invoices not Draft          every selection ∈ its own options
fees ─────needs──▶ payments' card account, a supplier   every offered tax rate has one
sales ────needs──▶ a customer                           every required account has one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from controller.model.observed import Configuration
from controller.model.values import (
    CUSTOMER,
    FREQUENCY,
    START_DATE,
    SUPPLIER,
    Option,
    Values,
    account_key,
    account_path,
    locate,
    tax_rate_key,
)

Violation = tuple[str, str]
"""A field path and the sentence about it."""

PERIOD = "mapping.sales.grouping.period"
STATUS = "mapping.sales.invoiceStatus"
GROUPINGS = ("mapping.sales.grouping.invoice", "mapping.sales.grouping.invoiceLine")


def violations(values: Values, live: Configuration) -> tuple[Violation, ...]:
    """Every rule that the document with these values would break, against live's own options."""
    return tuple(found for rule in RULES for found in rule(values, live))


def lacking(values: Values, live: Configuration) -> tuple[str, ...]:
    """What a first configuration needs and neither the manifest nor live has."""
    needed = [FREQUENCY, START_DATE, STATUS, PERIOD]
    needed += [CUSTOMER] if switched_on(values, "sales") else []
    needed += sorted(path for path in live.required if _enabled_row(values, path))
    needed += sorted(path for path in values if tax_rate_key(path))
    return tuple(path for path in needed if values.get(path) is None)


def switched_on(values: Values, section: str) -> bool:
    return values.get(f"mapping.{section}.sync") is True


def _enabled_row(values: Values, path: str) -> bool:
    parts = account_key(path)
    return parts is not None and switched_on(values, parts[0])


def _chain(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #2, #3, #4: fees lean on payments, payments on sales and on invoices that are not drafts."""
    status = values.get(STATUS)
    if switched_on(values, "payments") and not switched_on(values, "sales"):
        yield "mapping.payments.sync", "payments need sales to be synchronised"
    if switched_on(values, "payments") and isinstance(status, str) and status.lower() == "draft":
        yield STATUS, "payments cannot be synchronised while invoices are drafts"
    card = locate(values, account_path("payments", "card"))
    if switched_on(values, "fees") and (card is None or values.get(card) is None):
        yield account_path("payments", "card"), "fees need a payment account"


def _parties(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #5, #6: sales are billed to somebody, fees are owed to somebody."""
    if switched_on(values, "sales") and values.get(CUSTOMER) is None:
        yield CUSTOMER, "sales need a customer"
    if switched_on(values, "fees") and values.get(SUPPLIER) is None:
        yield SUPPLIER, "fees need a supplier"


def _required(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #7, #12: required accounts and every offered tax rate have a selection."""
    for path in sorted(live.required):
        if _enabled_row(values, path) and values.get(path) is None:
            yield path, "this account is required"
    for path in sorted(values):
        if tax_rate_key(path) and switched_on(values, "sales") and values[path] is None:
            yield path, "every tax rate that is offered needs one"


def _own_options(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #8: a selection is one of its own options, in sections that are off too (REFERENCE 4.5, below the table)."""
    for path, value in values.items():
        if isinstance(value, Option) and all(value.id != option.id for option in live.options.get(path, ())):
            yield path, f"{value.id} is not among this merchant's options"


def _apart(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #9, #10: two pairs of accounts must differ."""
    for one, other in (
        (("sales", "prepaid"), ("payments", "prepaidPayment")),
        (("payments", "card"), ("payments", "payout")),
    ):
        first, second = (values.get(locate(values, account_path(*row)) or "") for row in (one, other))
        if isinstance(first, Option) and isinstance(second, Option) and first.id == second.id:
            yield account_path(*one), f"must not be the account of {account_path(*other)}"


def _words(values: Values, live: Configuration) -> Iterator[Violation]:
    """4.5 #11: frequency, invoice status and grouping are words that live offers; sales that are off need none."""
    for path in (FREQUENCY, STATUS, PERIOD):
        offered, word = live.choices.get(path, ()), values.get(path)
        if word is None and (path == FREQUENCY or switched_on(values, "sales")):
            yield path, "needs a value"
        if isinstance(word, str) and offered and word.lower() not in {each.lower() for each in offered}:
            yield path, f"{word!r} is not one of {', '.join(offered)}"
    for path in GROUPINGS:
        chosen, offered = values.get(path), live.choices.get(path, ())
        strange = [word for word in chosen if word not in offered] if isinstance(chosen, tuple) else []
        if strange:
            yield path, f"{', '.join(strange)} is not offered; these are: {', '.join(offered)}"


RULES: tuple[Callable[[Values, Configuration], Iterator[Violation]], ...] = (
    _chain,
    _parties,
    _required,
    _own_options,
    _apart,
    _words,
)
