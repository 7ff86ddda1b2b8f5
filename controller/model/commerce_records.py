"""Commerce data to push: one record of a kind that the API takes, or a deletion, and what is wrong with either."""

from __future__ import annotations

import hashlib
import json
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

MAX_SHOWN = 80
"""Characters of a wrong value that a complaint shows."""

DIGEST_LENGTH = 20
"""Hexadecimal digits of a record's hash: it tells a record from its own earlier contents only."""

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


def read_record(key: str, record: Mapping[str, object]) -> CommerceRecord | Deletion:
    """A record without complaints (see `complaints`) as a value. ValueError for a number that JSON does not have."""
    record_id = str(record["id"])
    if is_deletion(record):
        return Deletion(key, record_id)
    content = {name: value for name, value in record.items() if name != "deleted"}
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
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
    if not isinstance(record_id, str) or not record_id:
        yield ".id: a text is expected"
    elif not record_id.isprintable() or len(record_id.encode()) > MAX_ID_BYTES:
        yield f".id: {record_id[:40]!r} has characters that cannot be shown, or more than {MAX_ID_BYTES:,} bytes"
    if record.get("deleted") not in (None, True, False):
        yield f".deleted: {_shown(record['deleted'])} is neither true nor false"
    if is_deletion(record):
        return
    if record.get("createdDate") is None:
        yield '.createdDate: is missing; a record that holds only an id, or says "deleted": true, deletes'
    for name, value in record.items():
        if value is not None:
            yield from _check_field(key, name, value)


def _check_field(key: str, name: str, value: object) -> Iterator[str]:
    if name in _DATE_FIELDS and not _is_date(value):
        yield f".{name}: {_shown(value)} is no date like 2026-11-21T10:00:00Z"
    if name in _AMOUNT_FIELDS[key] and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f".{name}: {_shown(value)} is no number"
    words = _ALLOWED_WORDS.get((key, name), "").split()
    if words and value not in words:
        yield f".{name}: {_shown(value)} is none of {', '.join(words)}"


def _shown(value: object) -> str:
    """A value in a complaint: what is wrong may be a whole file."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _is_date(value: object) -> bool:
    try:
        # The first and the last year lie outside of the calendar in some zones.
        return isinstance(value, str) and MINYEAR < datetime.fromisoformat(value).year < MAXYEAR
    except ValueError:
        return False
