"""What a sync writes into the books for a stretch of records (API notes 4.10)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.emulator.syncs.bookkeeping import BookingContext, CannotBookError, build_entries
from controller.emulator.syncs.sync_schedule import DueSchedule

START = datetime(2022, 5, 1, tzinfo=UTC)
DAYS = ["2022-06-15", "2022-06-16", "2022-06-17"]


def accounts(**selected: str) -> dict[str, Any]:
    return {key: {"selectedAccountId": account} for key, account in selected.items()}


def configuration(**changes: Any) -> dict[str, Any]:
    by: dict[str, list[str]] = {"selectedGroupByOptions": []}
    sales = {
        "syncSales": True,
        "accounts": accounts(sales="S", refund="R", gratuity="G", prepaid="V"),
        "salesCustomer": {"selectedCustomerId": "C"},
        "invoiceStatus": {"selectedInvoiceStatus": "Submitted"},
        "taxRates": {rate: {"selectedTaxRateId": f"T{rate}"} for rate in ("0", "5", "17.5", "20")},
        "grouping": {"groupingLevels": {"invoiceLevel": by, "invoiceLineLevel": by}},
    }
    payments = {
        "syncPayments": True,
        "accounts": accounts(card="K", cash="H", payout="B", prepaidPayment="P"),
    }
    fees = {
        "syncFees": True,
        "feesSupplier": {"selectedSupplierId": "F"},
        "accounts": accounts(paymentFee="E", paymentFeeRefund="E"),
    }
    return {"sales": {**sales, **changes}, "payments": payments, "fees": fees}


def books(**changes: Any) -> BookingContext:
    return BookingContext(configuration(**changes), DueSchedule(START, 0, UTC))


def line(rate: float, amount: float) -> dict[str, Any]:
    return {"taxPercentage": rate, "totalAmount": amount}


def order(total: float, *lines: dict[str, Any], day: str = DAYS[0], **more: Any) -> dict[str, Any]:
    common = {"id": "o", "createdDate": f"{day}T10:00:00Z", "currency": "GBP"}
    return {**common, "totalAmount": total, "orderLineItems": list(lines), **more}


def lines_of(entry: dict[str, Any]) -> list[tuple[str, float, str | None]]:
    return [(each["accountId"], each["amount"], each.get("taxRateId")) for each in entry["lines"]]


def test_an_invoice_has_a_line_per_tax_rate_then_gratuity_and_prepaid() -> None:
    gift_card = {"type": "Overpayment", "totalAmount": 10}
    sold = order(40, line(20, 12), line(5, 8), line(20.0, 10), totalGratuity=3, serviceCharges=[gift_card])
    (invoice,) = build_entries(books(), [sold], [], [])
    assert lines_of(invoice) == [("S", 22.0, "T20"), ("S", 8.0, "T5"), ("G", 3.0, None), ("V", 10.0, None)]
    assert (invoice["kind"], invoice["total"], invoice["customerId"]) == ("invoice", 43.0, "C")


def test_a_penny_left_over_is_a_rounding_line_and_more_is_not() -> None:
    (by_a_penny,) = build_entries(books(), [order(10.01, line(20, 10))], [], [])
    assert lines_of(by_a_penny)[-1] == ("S", 0.01, None)
    (by_more,) = build_entries(books(), [order(10.50, line(20, 10))], [], [])
    assert lines_of(by_more) == [("S", 10.0, "T20")]


def test_an_order_without_lines_is_one_line_of_its_own() -> None:
    assert lines_of(build_entries(books(), [order(7)], [], [])[0]) == [("S", 7.0, "T0")]


def test_a_shipping_charge_is_taxed_like_a_line() -> None:
    shipping = {"type": "Shipping", "taxPercentage": 17.5, "totalAmount": 3}
    (invoice,) = build_entries(books(), [order(3, serviceCharges=[shipping])], [], [])
    assert lines_of(invoice) == [("S", 3.0, "T17.5")]


def test_lines_and_invoices_follow_the_grouping_levels() -> None:
    north, south = (order(10, line(20, 10), locationRef={"id": place}, country="GB") for place in ("north", "south"))
    grouping = {
        "groupingLevels": {
            "invoiceLevel": {"selectedGroupByOptions": ["Country"]},
            "invoiceLineLevel": {"selectedGroupByOptions": ["Location"]},
        }
    }
    (invoice,) = build_entries(books(grouping=grouping), [north, south], [], [])
    assert (invoice["groupedBy"], len(invoice["lines"])) == (["GB"], 2)


def test_currencies_are_never_mixed() -> None:
    sold = [order(5, line(0, 5)), order(5, line(0, 5), currency="EUR")]
    assert sorted(each["currency"] for each in build_entries(books(), sold, [], [])) == ["EUR", "GBP"]


def test_refunded_payments_stand_apart_and_unpaid_ones_are_left_out() -> None:
    common = {"createdDate": f"{DAYS[0]}T10:00:00Z", "currency": "GBP", "type": "Card"}
    taken = [
        {"id": "1", "amount": 20, "status": "Paid", **common},
        {"id": "2", "amount": -5, "status": "Paid", **common},
        {"id": "3", "amount": 9, "status": "Pending", **common},
    ]
    written = build_entries(books(), [], taken, [])
    assert [(each["kind"], each["total"]) for each in written] == [("payment", 20.0), ("refundPayment", 5.0)]


def test_payouts_are_transfers_and_fees_a_bill_that_refunds_reduce() -> None:
    common = {"id": "t", "createdDate": f"{DAYS[0]}T10:00:00Z", "currency": "GBP"}
    moved = [
        {**common, "type": "Payout", "totalAmount": -100},
        {**common, "type": "PaymentFee", "totalAmount": -3},
        {**common, "type": "PaymentFeeRefund", "totalAmount": 1},
        {**common, "type": "Payment", "totalAmount": 50},
    ]
    transfer, bill = build_entries(books(), [], [], moved)
    assert (transfer["kind"], transfer["total"], transfer["lines"][0]["accountId"]) == (
        "transfer",
        100.0,
        "B",
    )
    assert (bill["kind"], bill["total"], bill["supplierId"]) == ("bill", 2.0, "F")


def test_a_bank_account_for_fees_makes_spend_money_and_receive_money() -> None:
    common = {"id": "t", "createdDate": f"{DAYS[0]}T10:00:00Z", "currency": "GBP"}
    moved = [
        {**common, "type": "PaymentFee", "totalAmount": -3},
        {**common, "type": "PaymentFeeRefund", "totalAmount": 1},
    ]
    written = build_entries(BookingContext(configuration(), DueSchedule(START, 0, UTC), frozenset("E")), [], [], moved)
    assert sorted(each["kind"] for each in written) == ["receiveMoney", "spendMoney"]


@pytest.mark.parametrize(
    ("sold", "words"),
    [
        (order(5, line(7, 5)), "The following Tax Rates are invalid: 7."),
        (order(0, totalGratuity=5), "Accounts are not found."),
    ],
)
def test_what_is_not_mapped_cannot_be_booked(sold: dict[str, Any], words: str) -> None:
    unmapped = books(accounts=accounts(sales="S", refund="R"))
    with pytest.raises(CannotBookError) as raised:
        build_entries(unmapped, [sold], [], [])
    assert raised.value.fault.message == words


def test_sections_that_are_off_write_nothing() -> None:
    paid = {"id": "1", "createdDate": f"{DAYS[0]}T10:00:00Z", "amount": 5, "type": "Swish", "status": "Paid"}
    assert build_entries(books(syncSales=False), [order(5, line(20, 5))], [paid], []) == []


amounts = st.decimals(min_value=-500, max_value=500, places=2)
sales = st.builds(
    lambda lines, tip, day: order(
        float(sum(amount for _, amount in lines)),
        *(line(rate, float(amount)) for rate, amount in lines),
        day=day,
        totalGratuity=float(tip),
    ),
    st.lists(st.tuples(st.sampled_from([0, 5, 17.5, 20]), amounts), min_size=1, max_size=4),
    st.decimals(min_value=0, max_value=20, places=2),
    st.sampled_from(DAYS),
)


@given(st.lists(sales, max_size=6))
def test_not_a_penny_is_lost_between_orders_and_invoices(sold: list[dict[str, Any]]) -> None:
    written = build_entries(books(), sold, [], [])
    booked = sum((Decimal(str(each["total"])) for each in written), Decimal())
    taken = sum((Decimal(str(each["totalAmount"] + each["totalGratuity"])) for each in sold), Decimal())
    assert abs(booked - taken) < Decimal("0.005")
    assert len({each["date"] for each in written}) == len(written) <= len(DAYS)


@given(st.lists(st.tuples(amounts, st.sampled_from(["Card", "Cash"]), st.sampled_from(DAYS)), max_size=8))
def test_not_a_penny_is_lost_between_payments_and_their_entries(taken: list[tuple[Decimal, str, str]]) -> None:
    payments = [
        {
            "id": "p",
            "amount": float(amount),
            "type": kind,
            "status": "Paid",
            "createdDate": f"{day}T09:00:00Z",
        }
        for amount, kind, day in taken
    ]
    signs = {"payment": 1, "refundPayment": -1}
    written = build_entries(books(), [], payments, [])
    booked = sum((signs[each["kind"]] * Decimal(str(each["total"])) for each in written), Decimal())
    assert booked == sum((amount for amount, *_ in taken), Decimal())
