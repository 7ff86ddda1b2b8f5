"""Commerce data as the client uploads it, kept until it is replaced or deleted (REFERENCE 3.13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.emulator import connections, datasets
from controller.emulator.clock import instant, stamp
from controller.emulator.errors import NOT_VALID, ApiError, Complaint, not_valid
from controller.emulator.records import Company
from controller.emulator.syncs.periods import readable
from controller.emulator.world import World

_TABLE = "commerce"

Record = Mapping[str, Any]
Check = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """One data type that can be uploaded: the member of its bodies, and what its records must look like."""

    data_type: str
    member: str
    checks: Mapping[str, Check]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_date(value: Any) -> bool:
    try:
        return readable(instant(value))
    except (ValueError, TypeError):
        return False


def _is_one_of(words: str) -> Check:
    return frozenset(words.split()).__contains__


def _is_list_of(checks: Mapping[str, Check]) -> Check:
    def holds(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(each, dict) and _fits(each, checks) for each in value)

    return holds


def _is_object_of(checks: Mapping[str, Check]) -> Check:
    return lambda value: isinstance(value, dict) and _fits(value, checks)


def _fits(record: Record, checks: Mapping[str, Check]) -> bool:
    return all(check(record[field]) for field, check in checks.items() if record.get(field) is not None)


_TAXED = {"taxPercentage": _is_number, "totalAmount": _is_number, "quantity": _is_number}
_COMMON = {
    "id": _is_text,
    "currency": _is_text,
    "createdDate": _is_date,
    "modifiedDate": _is_date,
    "sourceModifiedDate": _is_date,
}
_NAMED = _is_object_of({"id": _is_text, "name": _is_text})
_ORDER: Mapping[str, Check] = {
    **_COMMON,
    "orderNumber": _is_text,
    "country": _is_text,
    "closedDate": _is_date,
    **dict.fromkeys(("totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount", "totalGratuity"), _is_number),
    "locationRef": _NAMED,
    "customerRef": _NAMED,
    "orderLineItems": _is_list_of({**_TAXED, "totalTaxAmount": _is_number, "unitPrice": _is_number}),
    "serviceCharges": _is_list_of(
        {**_TAXED, "taxAmount": _is_number, "type": _is_one_of("Unknown Generic Shipping Overpayment")}
    ),
}
_PAYMENT: Mapping[str, Check] = {
    **_COMMON,
    "amount": _is_number,
    "dueDate": _is_date,
    "paymentProvider": _is_text,
    "type": _is_one_of("Unknown Cash Card Invoice OnlineCard Swish Vipps Mobile StoreCredit Paypal Custom Prepaid"),
    "status": _is_one_of("Unknown Pending Authorized Paid Failed Cancelled"),
}
_TRANSACTION: Mapping[str, Check] = {
    **_COMMON,
    "totalAmount": _is_number,
    "subType": _is_text,
    "type": _is_one_of("Unknown Payment Refund Payout FailedPayout Transfer PaymentFee PaymentFeeRefund"),
    "transactionSourceRef": _is_object_of(
        {"id": _is_text, "type": _is_one_of("Unknown Fee Order Payment ServiceCharge")}
    ),
}

KINDS: Mapping[str, Kind] = {
    kind.data_type: kind
    for kind in (
        Kind("commerce-orders", "orders", _ORDER),
        Kind("commerce-payments", "payments", _PAYMENT),
        Kind("commerce-transactions", "transactions", _TRANSACTION),
    )
}


def upload(world: World, company: Company, kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """Take records over: new and changed ones whole, deleted ones as an object holding only `id`.

    Available to syncs at once; pull history tells of it as of a pull over the commerce connection.
    Raises ApiError 400 for records of another shape, 404 without a linked commerce connection.
    """
    records = body.get(kind.member)
    if not isinstance(records, list):
        raise not_valid()
    _refuse_misshapen(kind, records)
    connection = connections.linked(company, "Commerce")
    if connection is None:
        raise ApiError(404, f"No data available for {kind.data_type} for ID {company.id}")
    _store(world, company.id, kind, records)
    dataset = datasets.queue(world, company.id, connection.id, kind.data_type)
    return {"data": {kind.member: records}, "datasetId": dataset.id}


def uploaded(world: World, company_id: str, data_type: str) -> Sequence[Mapping[str, Any]] | None:
    """`{"record", "uploaded"}` of every record of a type, or None when nothing was ever uploaded."""
    held = world.table(_TABLE).get(company_id, {}).get(data_type)
    return None if held is None else list(held.values())


def forget(world: World, company_id: str) -> None:
    """Drop everything a company uploaded."""
    table = world.table(_TABLE)
    if company_id in table:
        del table[company_id]


def _store(world: World, company_id: str, kind: Kind, records: Sequence[Record]) -> None:
    table = world.table(_TABLE)
    own = table.get(company_id, {})
    held = dict(own.get(kind.data_type, {}))
    now = stamp(world.now())
    for record in records:
        if set(record) == {"id"}:
            held = {key: row for key, row in held.items() if row["record"]["id"] != record["id"]}
        else:
            held[_key(record)] = {"record": record, "uploaded": now}
    table[company_id] = {**own, kind.data_type: held}


def _key(record: Record) -> str:
    """A fee transaction bears the id of its payment, so `id` alone is not unique among transactions."""
    return f"{record['id']} {record.get('type', '')}"


def _refuse_misshapen(kind: Kind, records: Sequence[Any]) -> None:
    wrong = [place for place, record in enumerate(records) if not _is_whole(kind, record)]
    if wrong:
        complaints = [
            Complaint(f"{kind.member}[{place}]", "Record is not valid.", kind.data_type) for place in wrong[:50]
        ]
        raise ApiError(400, NOT_VALID, validation=complaints)


def _is_whole(kind: Kind, record: Any) -> bool:
    """A record of the kind's shape: with an id, and dated unless it is a deletion."""
    if not isinstance(record, dict) or not record.get("id"):
        return False
    return _fits(record, kind.checks) and (set(record) == {"id"} or record.get("createdDate") is not None)
