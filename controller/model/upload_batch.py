"""Commerce data for an upload: the records of a file by data type, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from controller.quick_dataclasses import dataclass

COMMERCE_DATA_TYPES = {
    "orders": "commerce-orders",
    "payments": "commerce-payments",
    "transactions": "commerce-transactions",
}
"""By a file's key for a list of records, their data type (API notes 3.13 #41)."""

MAX_RECORDS_PER_UPLOAD = 5000
"""Records in one request (API notes 3.13)."""

_PAYMENT_TYPES = "Unknown Cash Card Invoice OnlineCard Swish Vipps Mobile StoreCredit Paypal Custom Prepaid"
_ALLOWED_WORDS = {
    ("payments", "type"): _PAYMENT_TYPES,
    ("payments", "status"): "Unknown Pending Authorized Paid Failed Cancelled",
    ("transactions", "type"): "Unknown Payment Refund Payout FailedPayout Transfer PaymentFee PaymentFeeRefund",
}
_AMOUNT_FIELDS = {
    "orders": ("totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount", "totalGratuity"),
    "payments": ("amount",),
    "transactions": ("totalAmount",),
}
_DATE_FIELDS = ("createdDate", "closedDate", "dueDate", "modifiedDate", "sourceModifiedDate")


@dataclass(frozen=True, slots=True)
class UploadBatch:
    """One request: at most MAX_RECORDS_PER_UPLOAD records of one data type, as they are in the file."""

    data_type: str
    body: Mapping[str, Any]
    records: int


def split_into_batches(document: Mapping[str, Any]) -> Iterator[UploadBatch]:
    """The requests for a valid document; records come after those that they refer to."""
    version = {"contractVersion": document["contractVersion"]} if "contractVersion" in document else {}
    for key, data_type in COMMERCE_DATA_TYPES.items():
        records = document.get(key) or []
        for start in range(0, len(records), MAX_RECORDS_PER_UPLOAD):
            batch = records[start : start + MAX_RECORDS_PER_UPLOAD]
            yield UploadBatch(data_type, {key: batch} | version, len(batch))


def validate_commerce_data(document: Any) -> Iterator[str]:
    """Everything that Codat would reject or misread: `payments[3].type: 'Crad' is none of …`."""
    if not isinstance(document, dict):
        yield f"a JSON object is expected, with one or more of {', '.join(COMMERCE_DATA_TYPES)}"
        return
    unknown = [key for key in document if key not in (*COMMERCE_DATA_TYPES, "contractVersion")]
    yield from (f"{key}: unknown; known are {', '.join(COMMERCE_DATA_TYPES)} and contractVersion" for key in unknown)
    if not unknown and not any(document.get(key) for key in COMMERCE_DATA_TYPES):
        yield f"there are no records in it: fill one or more of {', '.join(COMMERCE_DATA_TYPES)}"
    for key in COMMERCE_DATA_TYPES:
        records = document.get(key) or []
        if not isinstance(records, list):
            yield f"{key}: a list of records is expected"
            continue
        for index, record in enumerate(records):
            yield from (f"{key}[{index}]{problem}" for problem in _check_record(key, record))


def _check_record(key: str, record: object) -> Iterator[str]:
    """A record with only an id deletes that record; every other one needs a date (API notes 3.13)."""
    if not isinstance(record, dict):
        yield ": an object is expected"
        return
    if not isinstance(record.get("id"), str) or not record["id"]:
        yield ".id: a text is expected"
    if set(record) == {"id"}:
        return
    if record.get("createdDate") is None:
        yield ".createdDate: is missing; a record that holds only an id deletes"
    yield from _check_fields(key, record)


def _check_fields(key: str, record: Mapping[str, object]) -> Iterator[str]:
    for name, value in record.items():
        if value is None:
            continue
        if name in _DATE_FIELDS and not _is_date(value):
            yield f".{name}: {value!r} is no date like 2026-11-21T10:00:00Z"
        if name in _AMOUNT_FIELDS[key] and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield f".{name}: {value!r} is no number"
        words = _ALLOWED_WORDS.get((key, name), "").split()
        if words and value not in words:
            yield f".{name}: {value!r} is none of {', '.join(words)}"


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False
