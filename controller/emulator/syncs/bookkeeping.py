"""What a sync writes into the books for a stretch of records (API notes 4.10, end). Pure.

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

from controller.emulator.service.clock import parse_timestamp
from controller.emulator.syncs import mapping_faults
from controller.emulator.syncs.mapping_faults import MappingFault
from controller.emulator.syncs.sync_schedule import DueSchedule, business_day

CommerceRecord = Mapping[str, Any]
BookEntry = dict[str, Any]

_ONE_CENT = Decimal("0.01")
_ROW_BY_PAYMENT_TYPE = {
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
_ROW_BY_FEE_TYPE = {"PaymentFee": "paymentFee", "PaymentFeeRefund": "paymentFeeRefund"}


class CannotBookError(Exception):
    """A record needs something that the mapping does not have."""

    def __init__(self, fault: MappingFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class BookingContext:
    """How records become entries: the configuration, its schedule, and which accounts are banks."""

    configuration: Mapping[str, Any]
    schedule: DueSchedule
    bank_accounts: frozenset[str] = frozenset()

    def account_id(self, section: str, key: str) -> str:
        """The selected account of a row. Raises CannotBookError when there is none."""
        account_id = mapping_faults.selected_account_ids(self.configuration, section).get(key)
        if account_id is None:
            raise CannotBookError(mapping_faults.account_not_mapped(section, key))
        return account_id

    def tax_rate_id(self, percentage: Any) -> str:
        """The tax-rate id for a percentage. Raises CannotBookError."""
        rate = _tax_rate_key(percentage)
        row = self.configuration["sales"]["taxRates"].get(rate)
        tax_id: str | None = row.get("selectedTaxRateId") if isinstance(row, dict) else None
        if tax_id is None:
            raise CannotBookError(mapping_faults.tax_rate_not_mapped(rate))
        return tax_id

    def day(self, record: CommerceRecord) -> date:
        """The business day of a record."""
        return business_day(self.schedule, parse_timestamp(record["createdDate"]))

    def group_by_options(self, level: str) -> Sequence[str]:
        levels = self.configuration["sales"]["grouping"]["groupingLevels"]
        return levels[level]["selectedGroupByOptions"] or ()


def build_entries(
    context: BookingContext,
    orders: Sequence[CommerceRecord],
    payments: Sequence[CommerceRecord],
    transactions: Sequence[CommerceRecord],
) -> list[BookEntry]:
    """Every entry for these records, days in order. Raises CannotBookError."""
    configuration = context.configuration
    entries: list[BookEntry] = []
    if configuration["sales"]["syncSales"]:
        entries += _sales_entries(context, orders)
        if configuration["payments"]["syncPayments"]:
            entries += _payment_entries(context, payments)
            entries += _payout_entries(context, transactions)
    if configuration["fees"]["syncFees"]:
        entries += _fee_entries(context, transactions)
    return sorted(entries, key=lambda entry: str(entry["date"]))


def _sales_entries(context: BookingContext, orders: Iterable[CommerceRecord]) -> Iterator[BookEntry]:
    grouped: dict[tuple[Any, ...], list[CommerceRecord]] = defaultdict(list)
    for order in orders:
        group_values = tuple(_group_value(order, option) for option in context.group_by_options("invoiceLevel"))
        grouped[context.day(order), order.get("currency"), group_values].append(order)
    for (day, currency, group_values), group in grouped.items():
        common = {"date": str(day), "currency": currency, "groupedBy": list(group_values)}
        if lines := _invoice_lines(context, group):
            yield {"kind": "invoice", **_invoice_header(context), **common, **_lines_and_total(lines)}
        if lines := _refund_lines(context, group):
            yield {"kind": "creditNote", **_invoice_header(context), **common, **_lines_and_total(lines)}


def _invoice_header(context: BookingContext) -> BookEntry:
    sales = context.configuration["sales"]
    return {
        "customerId": sales["salesCustomer"]["selectedCustomerId"],
        "status": sales["invoiceStatus"]["selectedInvoiceStatus"],
    }


def _invoice_lines(context: BookingContext, orders: Sequence[CommerceRecord]) -> list[BookEntry]:
    """Lines per tax rate and line-level group, then gratuity and prepaid, then what rounding left over."""
    amounts: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    gratuity = prepaid = total_of_orders = Decimal()
    for order in orders:
        places = tuple(_group_value(order, option) for option in context.group_by_options("invoiceLineLevel"))
        for percentage, amount in _taxed_amounts(order):
            amounts[_tax_rate_key(percentage), places] += amount
        gratuity += _money(order.get("totalGratuity"))
        prepaid += sum((_money(charge.get("totalAmount")) for charge in _overpayments(order)), Decimal())
        total_of_orders += _money(order.get("totalAmount"))
    lines = [
        _entry_line(context.account_id("sales", "sales"), f"Sales {rate}%", amount, context.tax_rate_id(rate))
        for (rate, _), amount in amounts.items()
        if amount
    ]
    if gratuity:
        lines.append(_entry_line(context.account_id("sales", "gratuity"), "Gratuity", gratuity))
    if prepaid:
        lines.append(_entry_line(context.account_id("sales", "prepaid"), "Prepaid", prepaid))
    rounding = total_of_orders - prepaid - sum(amounts.values(), Decimal())
    if abs(rounding) == _ONE_CENT:
        lines.append(_entry_line(context.account_id("sales", "sales"), "Rounding", rounding))
    return lines


def _taxed_amounts(order: CommerceRecord) -> Iterator[tuple[Any, Decimal]]:
    """(tax percentage, amount) of each line and service charge; a bare order is one line of its own."""
    lines = order.get("orderLineItems") or []
    charges = [charge for charge in order.get("serviceCharges") or [] if charge.get("type") != "Overpayment"]
    for taxed in (*lines, *charges):
        yield taxed.get("taxPercentage"), _money(taxed.get("totalAmount"))
    if not lines and not charges:
        overpaid = sum((_money(charge.get("totalAmount")) for charge in _overpayments(order)), Decimal())
        yield 0, _money(order.get("totalAmount")) - overpaid


def _overpayments(order: CommerceRecord) -> list[CommerceRecord]:
    return [charge for charge in order.get("serviceCharges") or [] if charge.get("type") == "Overpayment"]


def _refund_lines(context: BookingContext, orders: Sequence[CommerceRecord]) -> list[BookEntry]:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        refunded = abs(_money(order.get("totalRefund")))
        if refunded:
            percentage, _ = next(_taxed_amounts(order))
            amounts[_tax_rate_key(percentage)] += refunded
    return [
        _entry_line(context.account_id("sales", "refund"), f"Refunds {rate}%", amount, context.tax_rate_id(rate))
        for rate, amount in amounts.items()
    ]


def _payment_entries(context: BookingContext, payments: Iterable[CommerceRecord]) -> Iterator[BookEntry]:
    amounts: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for payment in payments:
        if payment.get("status") == "Paid":
            amount = _money(payment.get("amount"))
            kind = "payment" if amount >= 0 else "refundPayment"
            amounts[context.day(payment), payment.get("currency"), kind, payment.get("type")] += abs(amount)
    for (day, currency, kind, payment_type), amount in amounts.items():
        account = context.account_id("payments", _ROW_BY_PAYMENT_TYPE[payment_type or "Unknown"])
        line = _entry_line(account, f"{payment_type or 'Unknown'} takings", amount)
        yield {"kind": kind, "date": str(day), "currency": currency, **_lines_and_total([line])}


def _payout_entries(context: BookingContext, transactions: Iterable[CommerceRecord]) -> Iterator[BookEntry]:
    amounts: dict[tuple[date, Any], Decimal] = defaultdict(Decimal)
    for transaction in transactions:
        if transaction.get("type") == "Payout":
            amounts[context.day(transaction), transaction.get("currency")] += abs(
                _money(transaction.get("totalAmount"))
            )
    for (day, currency), amount in amounts.items():
        line = _entry_line(context.account_id("payments", "payout"), "Payout", amount)
        yield {"kind": "transfer", "date": str(day), "currency": currency, **_lines_and_total([line])}


def _fee_entries(context: BookingContext, transactions: Iterable[CommerceRecord]) -> Iterator[BookEntry]:
    """Fees are uploaded as negative totals and billed as positive ones; fees handed back reduce the bill."""
    amounts: dict[tuple[date, Any, str], Decimal] = defaultdict(Decimal)
    for transaction in transactions:
        if key := _ROW_BY_FEE_TYPE.get(transaction.get("type", "")):
            amounts[context.day(transaction), transaction.get("currency"), key] -= _money(
                transaction.get("totalAmount")
            )
    bills: dict[tuple[date, Any, str], list[BookEntry]] = defaultdict(list)
    for (day, currency, key), amount in amounts.items():
        account = context.account_id("fees", key)
        bills[day, currency, _fee_entry_kind(context, account, key)].append(_entry_line(account, key, amount))
    supplier = context.configuration["fees"]["feesSupplier"]["selectedSupplierId"]
    for (day, currency, kind), lines in bills.items():
        yield {
            "kind": kind,
            "supplierId": supplier,
            "date": str(day),
            "currency": currency,
            **_lines_and_total(lines),
        }


def _fee_entry_kind(context: BookingContext, account: str, key: str) -> str:
    if account not in context.bank_accounts:
        return "bill"
    return "spendMoney" if key == "paymentFee" else "receiveMoney"


def _group_value(order: CommerceRecord, option: str) -> str | None:
    if option == "Country":
        return order.get("country")
    location = order.get("locationRef") or {}
    value: str | None = location.get("id") or location.get("name")
    return value


def _entry_line(account_id: str, description: str, amount: Decimal, tax_id: str | None = None) -> BookEntry:
    line: BookEntry = {"accountId": account_id, "description": description, "amount": float(amount)}
    return {**line, "taxRateId": tax_id} if tax_id else line


def _lines_and_total(lines: list[BookEntry]) -> BookEntry:
    return {"lines": lines, "total": float(sum((_money(line["amount"]) for line in lines), Decimal()))}


def _money(value: Any) -> Decimal:
    return Decimal(str(value or 0)).quantize(_ONE_CENT)


def _tax_rate_key(percentage: Any) -> str:
    """The key of a percentage in `taxRates`: decimal text without trailing zeros."""
    text = f"{Decimal(str(percentage or 0)).normalize():f}"
    return "0" if text == "-0" else text
