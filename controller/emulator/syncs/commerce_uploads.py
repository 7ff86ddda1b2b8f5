"""Commerce data as the client uploads it, kept until it is replaced or deleted (API notes 3.13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.emulator.service import connections, pulls
from controller.emulator.service.clock import format_timestamp, parse_timestamp
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.errors import NOT_VALID, ApiError, ValidationItem, not_valid
from controller.emulator.service.world import World
from controller.emulator.syncs.sync_schedule import is_plausible_date

_UPLOADS_TABLE = "commerce"

CommerceRecord = Mapping[str, Any]
FieldCheck = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class UploadType:
    """One data type that can be uploaded: the member of its bodies, and what its records must look like."""

    data_type: str
    member: str
    checks: Mapping[str, FieldCheck]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_date(value: Any) -> bool:
    try:
        return is_plausible_date(parse_timestamp(value))
    except (ValueError, TypeError):
        return False


def _choice_check(choices: str) -> FieldCheck:
    return frozenset(choices.split()).__contains__


def _list_check(checks: Mapping[str, FieldCheck]) -> FieldCheck:
    def is_valid_list(value: Any) -> bool:
        return isinstance(value, list) and all(
            isinstance(item, dict) and _passes_checks(item, checks) for item in value
        )

    return is_valid_list


def _object_check(checks: Mapping[str, FieldCheck]) -> FieldCheck:
    return lambda value: isinstance(value, dict) and _passes_checks(value, checks)


def _passes_checks(record: CommerceRecord, checks: Mapping[str, FieldCheck]) -> bool:
    return all(check(record[field]) for field, check in checks.items() if record.get(field) is not None)


_TAXED_CHECKS = {"taxPercentage": _is_number, "totalAmount": _is_number, "quantity": _is_number}
_COMMON_CHECKS = {
    "id": _is_text,
    "currency": _is_text,
    "createdDate": _is_date,
    "modifiedDate": _is_date,
    "sourceModifiedDate": _is_date,
}
_is_named_reference = _object_check({"id": _is_text, "name": _is_text})
_ORDER_CHECKS: Mapping[str, FieldCheck] = {
    **_COMMON_CHECKS,
    "orderNumber": _is_text,
    "country": _is_text,
    "closedDate": _is_date,
    **dict.fromkeys(("totalAmount", "totalRefund", "totalTaxAmount", "totalDiscount", "totalGratuity"), _is_number),
    "locationRef": _is_named_reference,
    "customerRef": _is_named_reference,
    "orderLineItems": _list_check({**_TAXED_CHECKS, "totalTaxAmount": _is_number, "unitPrice": _is_number}),
    "serviceCharges": _list_check(
        {**_TAXED_CHECKS, "taxAmount": _is_number, "type": _choice_check("Unknown Generic Shipping Overpayment")}
    ),
}
_PAYMENT_CHECKS: Mapping[str, FieldCheck] = {
    **_COMMON_CHECKS,
    "amount": _is_number,
    "dueDate": _is_date,
    "paymentProvider": _is_text,
    "type": _choice_check("Unknown Cash Card Invoice OnlineCard Swish Vipps Mobile StoreCredit Paypal Custom Prepaid"),
    "status": _choice_check("Unknown Pending Authorized Paid Failed Cancelled"),
}
_TRANSACTION_CHECKS: Mapping[str, FieldCheck] = {
    **_COMMON_CHECKS,
    "totalAmount": _is_number,
    "subType": _is_text,
    "type": _choice_check("Unknown Payment Refund Payout FailedPayout Transfer PaymentFee PaymentFeeRefund"),
    "transactionSourceRef": _object_check(
        {"id": _is_text, "type": _choice_check("Unknown Fee Order Payment ServiceCharge")}
    ),
}

UPLOAD_TYPES: Mapping[str, UploadType] = {
    kind.data_type: kind
    for kind in (
        UploadType("commerce-orders", "orders", _ORDER_CHECKS),
        UploadType("commerce-payments", "payments", _PAYMENT_CHECKS),
        UploadType("commerce-transactions", "transactions", _TRANSACTION_CHECKS),
    )
}


def store_upload(
    world: World, company: CompanyRecord, upload_type: UploadType, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Take records over: new and changed ones whole, deleted ones as an object holding only `id`.

    Available to syncs at once; pull history tells of it as of a pull over the commerce connection.
    Raises ApiError 400 for records of another shape, 404 without a linked commerce connection.
    """
    records = body.get(upload_type.member)
    if not isinstance(records, list):
        raise not_valid()
    _refuse_invalid(upload_type, records)
    connection = connections.first_linked(company, "Commerce")
    if connection is None:
        raise ApiError(404, f"No data available for {upload_type.data_type} for ID {company.id}")
    _store_records(world, company.id, upload_type, records)
    dataset = pulls.queue_pull(world, company.id, connection.id, upload_type.data_type)
    return {"data": {upload_type.member: records}, "datasetId": dataset.id}


def uploaded_records(world: World, company_id: str, data_type: str) -> Sequence[Mapping[str, Any]] | None:
    """`{"record", "uploaded"}` of every record of a type, or None when nothing was ever uploaded."""
    rows = world.table(_UPLOADS_TABLE).get(company_id, {}).get(data_type)
    return None if rows is None else list(rows.values())


def drop_uploads(world: World, company_id: str) -> None:
    """Drop everything a company uploaded."""
    table = world.table(_UPLOADS_TABLE)
    if company_id in table:
        del table[company_id]


def _store_records(world: World, company_id: str, upload_type: UploadType, records: Sequence[CommerceRecord]) -> None:
    table = world.table(_UPLOADS_TABLE)
    uploads_of_company = table.get(company_id, {})
    rows = dict(uploads_of_company.get(upload_type.data_type, {}))
    now = format_timestamp(world.now())
    for record in records:
        if set(record) == {"id"}:
            rows = {key: row for key, row in rows.items() if row["record"]["id"] != record["id"]}
        else:
            rows[_record_key(record)] = {"record": record, "uploaded": now}
    table[company_id] = {**uploads_of_company, upload_type.data_type: rows}


def _record_key(record: CommerceRecord) -> str:
    """A fee transaction bears the id of its payment, so `id` alone is not unique among transactions."""
    return f"{record['id']} {record.get('type', '')}"


def _refuse_invalid(upload_type: UploadType, records: Sequence[Any]) -> None:
    invalid_positions = [
        position for position, record in enumerate(records) if not _is_valid_record(upload_type, record)
    ]
    if invalid_positions:
        errors = [
            ValidationItem(f"{upload_type.member}[{position}]", "Record is not valid.", upload_type.data_type)
            for position in invalid_positions[:50]
        ]
        raise ApiError(400, NOT_VALID, validation=errors)


def _is_valid_record(upload_type: UploadType, record: Any) -> bool:
    """A record of the kind's shape: with an id, and dated unless it is a deletion."""
    if not isinstance(record, dict) or not record.get("id"):
        return False
    return _passes_checks(record, upload_type.checks) and (
        set(record) == {"id"} or record.get("createdDate") is not None
    )
