"""What a sync writes into the books for a stretch of records (REFERENCE 4.10, end). Pure.

A day, a currency, and what the merchant groups invoices by:

    orders        → one sales invoice: a line per tax rate, gratuity, prepaid, a ±0.01 rounding line
    refunds       → one credit note
    payments      → one payment (or refund payment) per payment type
    payouts       → one transfer
    fees          → one bill; spend money where the fee account is a bank account

Line amounts include tax, and orders' totals leave gratuity out. A refund takes the tax rate of its order's
first line: uploads do not say which lines were given back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from controller.emulator.clock import instant
from controller.emulator.syncs import mapping
from controller.emulator.syncs.mapping import Fault
from controller.emulator.syncs.periods import Schedule, business_day

Record = Mapping[str, Any]
Entry = dict[str, Any]

_CENT = Decimal("0.01")
_PAYMENT_KEYS = {
    "Cash": "cash",
    "Card": "card",
    "Invoice": "invoice",
    "OnlineCard": "onlineCard",
    "Swish": "swish",
    "Vipps": "vipps",
    "Mobile": "mobile",
    "StoreCredit": "storeCredit",
    "Paypal": "paypal",
    "Custom": "custom",
    "Prepaid": "prepaidPayment",
    "Unknown": "manual",
}
_FEE_KEYS = {"PaymentFee": "paymentFee", "PaymentFeeRefund": "paymentFeeRefund"}


class CannotBookError(Exception):
    """A record needs something that the mapping does not have."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Books:
    """How records become entries: the configuration, its schedule, and which accounts are banks."""

    configuration: Mapping[str, Any]
    schedule: Schedule
    bank_accounts: frozenset[str] = frozenset()

    def account(self, section: str, key: str) -> str:
        """The selected account of a row. Raises CannotBookError when there is none."""
        account_id = mapping.selected_accounts(self.configuration, section).get(key)
        if account_id is None:
            raise CannotBookError(mapping.unmapped(section, key))
        return account_id

    def tax(self, percentage: Any) -> str:
        """The tax-rate id for a percentage. Raises CannotBookError."""
        rate = _rate(percentage)
        row = self.configuration["sales"]["taxRates"].get(rate)
        tax_id: str | None = row.get("selectedTaxRateId") if isinstance(row, dict) else None
        if tax_id is None:
            raise CannotBookError(mapping.untaxed(rate))
        return tax_id

    def day(self, record: Record) -> date:
        """The business day of a record."""
        return business_day(self.schedule, instant(record["createdDate"]))

    def grouped_by(self, level: str) -> Sequence[str]:
        levels = self.configuration["sales"]["grouping"]["groupingLevels"]
        return levels[level]["selectedGroupByOptions"] or ()


def entries(
    books: Books, orders: Sequence[Record], payments: Sequence[Record], transactions: Sequence[Record]
) -> list[Entry]:
    """Every entry for these records, days in order. Raises CannotBookError."""
    configuration = books.configuration
    written: list[Entry] = []
    if configuration["sales"]["syncSales"]:
        written += _sales(books, orders)
        if configuration["payments"]["syncPayments"]:
            written += _payments(books, payments)
            written += _payouts(books, transactions)
    if configuration["fees"]["syncFees"]:
        written += _fees(books, transactions)
    return sorted(written, key=lambda entry: str(entry["date"]))


def _sales(books: Books, orders: Iterable[Record]) -> Iterator[Entry]:
    grouped: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for order in orders:
        places = tuple(_place(order, option) for option in books.grouped_by("invoiceLevel"))
        grouped[books.day(order), order.get("currency"), places].append(order)
    for (day, currency, places), group in grouped.items():
        common = {"date": str(day), "currency": currency, "groupedBy": list(places)}
        if lines := _invoice_lines(books, group):
            yield {"kind": "invoice", **_header(books), **common, **_total(lines)}
        if lines := _refund_lines(books, group):
            yield {"kind": "creditNote", **_header(books), **common, **_total(lines)}


def _header(books: Books) -> Entry:
    sales = books.configuration["sales"]
    return {
        "customerId": sales["salesCustomer"]["selectedCustomerId"],
        "status": sales["invoiceStatus"]["selectedInvoiceStatus"],
    }


def _invoice_lines(books: Books, orders: Sequence[Record]) -> list[Entry]:
    """Lines per tax rate and line-level group, then gratuity and prepaid, then what rounding left over."""
    amounts: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    gratuity = prepaid = expected = Decimal()
    for order in orders:
        places = tuple(_place(order, option) for option in books.grouped_by("invoiceLineLevel"))
        for percentage, amount in _taxed(order):
            amounts[_rate(percentage), places] += amount
        gratuity += _money(order.get("totalGratuity"))
        prepaid += sum((_money(each.get("totalAmount")) for each in _overpaid(order)), Decimal())
        expected += _money(order.get("totalAmount"))
    lines = [
        _line(books.account("sales", "sales"), f"Sales {rate}%", amount, books.tax(rate))
        for (rate, _), amount in amounts.items()
        if amount
    ]
    if gratuity:
        lines.append(_line(books.account("sales", "gratuity"), "Gratuity", gratuity))
    if prepaid:
        lines.append(_line(books.account("sales", "prepaid"), "Prepaid", prepaid))
    left_over = expected - prepaid - sum(amounts.values(), Decimal())
    if abs(left_over) == _CENT:
        lines.append(_line(books.account("sales", "sales"), "Rounding", left_over))
    return lines


def _taxed(order: Record) -> Iterator[tuple[Any, Decimal]]:
    """(tax percentage, amount) of each line and service charge; a bare order is one line of its own."""
    lines = order.get("orderLineItems") or []
    charges = [each for each in order.get("serviceCharges") or [] if each.get("type") != "Overpayment"]
    for each in (*lines, *charges):
        yield each.get("taxPercentage"), _money(each.get("totalAmount"))
    if not lines and not charges:
        yield (
            0,
            _money(order.get("totalAmount"))
            - sum((_money(each.get("totalAmount")) for each in _overpaid(order)), Decimal()),
        )


def _overpaid(order: Record) -> list[Record]:
    return [each for each in order.get("serviceCharges") or [] if each.get("type") == "Overpayment"]


def _refund_lines(books: Books, orders: Sequence[Record]) -> list[Entry]:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        refunded = abs(_money(order.get("totalRefund")))
        if refunded:
            percentage, _ = next(_taxed(order))
            amounts[_rate(percentage)] += refunded
    return [
        _line(books.account("sales", "refund"), f"Refunds {rate}%", amount, books.tax(rate))
        for rate, amount in amounts.items()
    ]


def _payments(books: Books, payments: Iterable[Record]) -> Iterator[Entry]:
    amounts: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for payment in payments:
        if payment.get("status") == "Paid":
            amount = _money(payment.get("amount"))
            kind = "payment" if amount >= 0 else "refundPayment"
            amounts[books.day(payment), payment.get("currency"), kind, payment.get("type")] += abs(amount)
    for (day, currency, kind, payment_type), amount in amounts.items():
        account = books.account("payments", _PAYMENT_KEYS[payment_type or "Unknown"])
        line = _line(account, f"{payment_type or 'Unknown'} takings", amount)
        yield {"kind": kind, "date": str(day), "currency": currency, **_total([line])}


def _payouts(books: Books, transactions: Iterable[Record]) -> Iterator[Entry]:
    amounts: dict[tuple[date, Any], Decimal] = defaultdict(Decimal)
    for each in transactions:
        if each.get("type") == "Payout":
            amounts[books.day(each), each.get("currency")] += abs(_money(each.get("totalAmount")))
    for (day, currency), amount in amounts.items():
        line = _line(books.account("payments", "payout"), "Payout", amount)
        yield {"kind": "transfer", "date": str(day), "currency": currency, **_total([line])}


def _fees(books: Books, transactions: Iterable[Record]) -> Iterator[Entry]:
    """Fees are uploaded as negative totals and billed as positive ones; fees handed back reduce the bill."""
    amounts: dict[tuple[date, Any, str], Decimal] = defaultdict(Decimal)
    for each in transactions:
        if key := _FEE_KEYS.get(each.get("type", "")):
            amounts[books.day(each), each.get("currency"), key] -= _money(each.get("totalAmount"))
    bills: dict[tuple[date, Any, str], list[Entry]] = defaultdict(list)
    for (day, currency, key), amount in amounts.items():
        account = books.account("fees", key)
        bills[day, currency, _fee_kind(books, account, key)].append(_line(account, key, amount))
    supplier = books.configuration["fees"]["feesSupplier"]["selectedSupplierId"]
    for (day, currency, kind), lines in bills.items():
        yield {
            "kind": kind,
            "supplierId": supplier,
            "date": str(day),
            "currency": currency,
            **_total(lines),
        }


def _fee_kind(books: Books, account: str, key: str) -> str:
    if account not in books.bank_accounts:
        return "bill"
    return "spendMoney" if key == "paymentFee" else "receiveMoney"


def _place(order: Record, option: str) -> str | None:
    if option == "Country":
        return order.get("country")
    location = order.get("locationRef") or {}
    place: str | None = location.get("id") or location.get("name")
    return place


def _line(account_id: str, description: str, amount: Decimal, tax_id: str | None = None) -> Entry:
    line: Entry = {"accountId": account_id, "description": description, "amount": float(amount)}
    return {**line, "taxRateId": tax_id} if tax_id else line


def _total(lines: list[Entry]) -> Entry:
    return {"lines": lines, "total": float(sum((_money(line["amount"]) for line in lines), Decimal()))}


def _money(value: Any) -> Decimal:
    return Decimal(str(value or 0)).quantize(_CENT)


def _rate(percentage: Any) -> str:
    """The key of a percentage in `taxRates`: decimal text without trailing zeros."""
    text = f"{Decimal(str(percentage or 0)).normalize():f}"
    return "0" if text == "-0" else text
