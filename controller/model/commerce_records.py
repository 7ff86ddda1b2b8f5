"""Commerce data to push: one record of a kind that the API takes, or a deletion, and what is wrong with either."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime

from controller.quick_dataclasses import dataclass

COMMERCE_DATA_TYPES = {
    "orders": "commerce-orders",
    "payments": "commerce-payments",
    "transactions": "commerce-transactions",
}
"""By a file's key for a list of records, their data type (API notes 3.13 #41); in the order in which they are sent, so
that a record comes after those that it refers to."""

MAX_RECORDS_PER_UPLOAD = 4999
"""Records in one request: fewer than 5,000 are advised (API notes 3.13)."""

MAX_ID_BYTES = 1000
"""Of a record's id: what every database of ours keeps in an index."""

MAX_VALUE_SHOWN = 80
"""Characters of a wrong value that a complaint shows."""

DIGEST_LENGTH = 20
"""Hexadecimal digits of a record's hash: it tells a record from its own earlier contents only."""

_PAYMENT_TYPES = "Unknown Cash Card Invoice OnlineCard Swish Vipps Mobile StoreCredit Paypal Custom Prepaid"
_ALLOWED_WORDS = {
    ("payments", "type"): _PAYMENT_TYPES,
    ("payments", "status"): "Unknown Pending Authorized Paid Failed Cancelled",
    ("transactions", "type"): "Unknown Payment Refund Payout FailedPayout Transfer PaymentFee PaymentFeeRefund",
    ("transactionSourceRef", "type"): "Unknown Fee Order Payment ServiceCharge",
    ("serviceCharges", "type"): "Unknown Generic Shipping Overpayment",
}
"""By where a field stands and its name."""

_AMOUNT_FIELDS = {
    *("amount", "totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount", "totalGratuity"),
    *("taxAmount", "taxPercentage", "unitPrice", "quantity"),
}
_DATE_FIELDS = {"createdDate", "closedDate", "dueDate", "modifiedDate", "sourceModifiedDate"}
_TEXT_FIELDS = {"currency", "country", "orderNumber", "paymentProvider", "subType"}
_OBJECT_FIELDS = {"locationRef", "customerRef", "productRef", "productVariantRef", "transactionSourceRef"}
_RECORD_LIST_FIELDS = {"orderLineItems", "payments", "serviceCharges", "discountAllocations"}
"""A field means the same wherever it stands in a record, so that its name alone says what it holds."""

MAX_AMOUNT = 1e15
"""Beyond it a number does not keep its cents."""

_DATE_FORM = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
"""Of what ISO 8601 allows (2026-W47-6, 20261121) the forms that the API is known to read (API notes 1.5)."""

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class CommerceRecord:
    """One record as it is sent.

    kind     of a transaction its type: a fee bears the id of its payment (API notes 3.13); else empty
    digest   of all of its content, whatever the order of its fields
    created  its date; the API reads one without a zone as UTC (API notes 1.5)
    type     of a payment or transaction
    body     as JSON text
    """

    key: str
    record_id: str
    kind: str
    digest: str
    created: datetime
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """That a record is to be deleted: all that bear its id, since the API deletes by that alone."""

    key: str
    record_id: str


def parse_record(key: str, record: Mapping[str, object]) -> CommerceRecord | Deletion:
    """A record without complaints (see `complaints`) as a value.

    ValueError for a number that JSON does not have, or half of a character, which UTF-8 does not have.
    """
    record_id = str(record["id"])
    if is_deletion(record):
        return Deletion(key, record_id)
    content = {name: value for name, value in record.items() if name != "deleted"}
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    if _HALF_CHARACTER.search(body):
        json.dumps(content, ensure_ascii=False).encode()
    created = datetime.fromisoformat(str(record["createdDate"]))
    type_ = str(record.get("type") or "")
    return CommerceRecord(
        key,
        record_id,
        type_ if key == "transactions" else "",
        hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH],
        created if created.tzinfo else created.replace(tzinfo=UTC),
        type_,
        body,
    )


def is_deletion(record: Mapping[str, object]) -> bool:
    """A record that holds only an id deletes; so that nobody does it unawares, it may say `"deleted": true`."""
    return record.get("deleted") is True or set(record) == {"id"}


def complaints(key: str, record: object) -> Iterator[str]:
    """Everything in a record that Codat would reject or misread: `.type: 'Crad' is none of …`."""
    if not isinstance(record, dict):
        yield ": an object is expected"
        return
    record_id = record.get("id")
    if not isinstance(record_id, str) or not record_id.strip():
        yield ".id: a text is expected"
    elif not record_id.isprintable() or len(record_id.encode()) > MAX_ID_BYTES:
        yield f".id: {record_id[:40]!r} has characters that cannot be shown, or more than {MAX_ID_BYTES:,} bytes"
    if record.get("deleted") not in (None, True, False):
        yield f".deleted: {_shorten_value(record['deleted'])} is neither true nor false"
    if is_deletion(record):
        return
    if record.get("createdDate") is None:
        yield '.createdDate: is missing; a record that holds only an id, or says "deleted": true, deletes'
    yield from _check_fields(key, record)


def _check_fields(parent_key: str, record: Mapping[str, object]) -> Iterator[str]:
    for name, value in record.items():
        if value is None:
            continue
        if name in _RECORD_LIST_FIELDS:
            yield from _check_list(name, value)
        elif name not in _OBJECT_FIELDS:
            yield from (f".{name}: {_shorten_value(value)} {wrong}" for wrong in _check_value(parent_key, name, value))
        elif isinstance(value, dict):
            yield from (f".{name}{complaint}" for complaint in _check_fields(name, value))
        else:
            yield f".{name}: an object is expected"


def _check_list(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, list):
        yield f".{name}: a list is expected"
        return
    for index, item in enumerate(value):
        found = _check_fields(name, item) if isinstance(item, dict) else (": an object is expected",)
        yield from (f".{name}[{index}]{complaint}" for complaint in found)


def _check_value(parent_key: str, name: str, value: object) -> Iterator[str]:
    if name in _DATE_FIELDS and not _is_date(value):
        yield "is no date like 2026-11-21T10:00:00Z"
    if name in _AMOUNT_FIELDS and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield "is no number"
    elif name in _AMOUNT_FIELDS and isinstance(value, int | float) and abs(value) >= MAX_AMOUNT:
        yield "is no amount: it has more than 15 digits"
    if name in _TEXT_FIELDS and not isinstance(value, str):
        yield "is no text"
    words = _ALLOWED_WORDS.get((parent_key, name), "").split()
    if words and value not in words:
        yield f"is none of {', '.join(words)}"


def _shorten_value(value: object) -> str:
    """A value in a complaint: what is wrong may be a whole file."""
    text = repr(value)
    return text if len(text) <= MAX_VALUE_SHOWN else f"{text[:MAX_VALUE_SHOWN]}…"


def _is_date(value: object) -> bool:
    try:
        # The first and the last year lie outside of the calendar in some zones.
        is_text = isinstance(value, str) and _DATE_FORM.fullmatch(value) is not None
        return is_text and MINYEAR < datetime.fromisoformat(str(value)).year < MAXYEAR
    except ValueError:
        return False
