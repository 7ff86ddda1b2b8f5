"""Commerce data on its way to the service: what a file holds, by data type, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KINDS = {"orders": "commerce-orders", "payments": "commerce-payments", "transactions": "commerce-transactions"}
"""What a body calls its records, and the data type that they are (REFERENCE 3.13 #41)."""

MOST = 5000
"""Records in one request (REFERENCE 3.13)."""

_PAYMENT_TYPES = "Unknown Cash Card Invoice OnlineCard Swish Vipps Mobile StoreCredit Paypal Custom Prepaid"
_WORDS = {
    ("payments", "type"): _PAYMENT_TYPES,
    ("payments", "status"): "Unknown Pending Authorized Paid Failed Cancelled",
    ("transactions", "type"): "Unknown Payment Refund Payout FailedPayout Transfer PaymentFee PaymentFeeRefund",
}
_AMOUNTS = {
    "orders": ("totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount", "totalGratuity"),
    "payments": ("amount",),
    "transactions": ("totalAmount",),
}
_DATES = ("createdDate", "closedDate", "dueDate", "modifiedDate", "sourceModifiedDate")


@dataclass(frozen=True, slots=True)
class Upload:
    """One request: at most MOST records of one data type, as they stand in the file."""

    data_type: str
    body: Mapping[str, Any]
    records: int


def uploads(document: Mapping[str, Any]) -> Iterator[Upload]:
    """The requests that a sound document makes, in the order in which records refer to each other."""
    version = {"contractVersion": document["contractVersion"]} if "contractVersion" in document else {}
    for member, data_type in KINDS.items():
        records = document.get(member) or []
        for start in range(0, len(records), MOST):
            part = records[start : start + MOST]
            yield Upload(data_type, {member: part} | version, len(part))


def complaints(document: Any) -> Iterator[str]:
    """Everything that the service would refuse, or misread: `payments[3].type: 'Crad' is none of …`."""
    if not isinstance(document, dict):
        yield f"a JSON object is expected, with one or more of {', '.join(KINDS)}"
        return
    strange = [key for key in document if key not in (*KINDS, "contractVersion")]
    yield from (f"{key}: unknown; known are {', '.join(KINDS)} and contractVersion" for key in strange)
    if not strange and not any(document.get(member) for member in KINDS):
        yield f"there are no records in it: fill one or more of {', '.join(KINDS)}"
    for member in KINDS:
        yield from _about_records(member, document.get(member) or [])


def _about_records(member: str, records: Any) -> Iterator[str]:
    if not isinstance(records, list):
        yield f"{member}: a list of records is expected"
        return
    for place, record in enumerate(records):
        yield from (f"{member}[{place}]{wrong}" for wrong in _about(member, record))


def _about(member: str, record: Any) -> Iterator[str]:
    """A record that holds only an id deletes; every other one is dated (REFERENCE 3.13)."""
    if not isinstance(record, dict):
        yield ": an object is expected"
        return
    if not isinstance(record.get("id"), str) or not record["id"]:
        yield ".id: a text is expected"
    if set(record) == {"id"}:
        return
    if record.get("createdDate") is None:
        yield ".createdDate: is missing; a record that holds only an id deletes"
    yield from _about_fields(member, record)


def _about_fields(member: str, record: Mapping[str, Any]) -> Iterator[str]:
    for name, value in record.items():
        if value is None:
            continue
        if name in _DATES and not _is_date(value):
            yield f".{name}: {value!r} is no date like 2026-11-21T10:00:00Z"
        if name in _AMOUNTS[member] and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield f".{name}: {value!r} is no number"
        yield from _about_word(f".{name}", value, _WORDS.get((member, name), "").split())


def _about_word(address: str, value: Any, words: Sequence[str]) -> Iterator[str]:
    if words and value not in words:
        yield f"{address}: {value!r} is none of {', '.join(words)}"


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False
