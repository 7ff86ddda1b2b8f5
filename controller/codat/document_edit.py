"""A configuration document with other values in their places, and every other byte of meaning as it came.

write_fields     what we want, as we spell it
restore_values   what once stood there, exactly so: its spelling, its time zone, or nothing at all
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime

from controller.codat import raw_json
from controller.codat.dates import format_utc, parse_start_date
from controller.codat.from_wire import read_configuration
from controller.codat.raw_json import JsonObject, ensure_object
from controller.model.errors import PermanentError, TransientError
from controller.model.field_values import (
    CUSTOMER_PATH,
    ENABLED_PATH,
    FEES_SYNC_PATH,
    FREQUENCY_PATH,
    GROUPING_PERIOD_PATH,
    INVOICE_GROUPING_PATH,
    INVOICE_LINE_GROUPING_PATH,
    INVOICE_STATUS_PATH,
    MAPPING_SECTIONS,
    PAYMENTS_SYNC_PATH,
    SALES_SYNC_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    Option,
    Value,
    account_path,
    canonical_tax_rate,
    parse_tax_rate_path,
    resolve_live_path,
    split_account_path,
)


class FieldNotOffered(PermanentError):
    """The live document has no place for a field that was to be written: its keys are never invented."""


def write_fields(document: bytes, values: Mapping[str, Value]) -> bytes:
    """The document with only these fields changed; all the rest, unknown fields included, keeps its meaning.

    With the sync hour `timeZone` becomes null: the hour is UTC (API notes 7 #8), and a start that was local to
    the zone is written as the instant it was. FieldNotOffered for an account or a tax rate that live does not have,
    TransientError for a document that cannot be read.
    """
    root = _parse_document(document)
    for path, value in values.items():
        _write_field(root, path, value)
    return raw_json.serialise(root)


DocumentChanges = dict[str, tuple[str | None, str | None]]
"""By JSON pointer: (value before, value after), as JSON text; None where there is nothing."""


def changes_by_field(document: bytes, values: Mapping[str, Value]) -> dict[str, DocumentChanges]:
    """By field, all that `write_fields` changes in the document for it: a sync hour takes the time zone along.

    Raises as `write_fields` does.
    """
    root, changes = _parse_document(document), {}
    for path, value in values.items():
        before = deepcopy(root)
        _write_field(root, path, value)
        changes[path] = raw_json.differences_by_pointer(before, root)
        if path == SYNC_HOUR_PATH:
            # What one of the three means depends on the others, so undo needs all of them, changed or not.
            changes[path] = raw_json.values_by_pointer(before, root, "schedule", _SYNC_TIME_KEYS) | changes[path]
    return changes


def restore_values(document: bytes, previous: Sequence[Mapping[str, str | None]]) -> bytes:
    """The document with its former values, given by JSON pointer and as JSON text; None: nothing stood there.

    The start keeps the instant that live has, since Codat lets none move earlier, in its former spelling where that
    means the same instant. Raises FieldNotOffered where the place is not there any more.
    """
    root = _parse_document(document)
    schedule = _object_or_empty(root, "schedule")
    live_text, live_zone = schedule.get("startDate"), schedule.get("timeZone")
    live_start = parse_start_date(live_text, live_zone) if isinstance(live_text, str) else None
    places = {pointer: text for values in previous for pointer, text in values.items()}
    former_text = places.pop(_START_DATE_POINTER, None)
    # From the deepest place up, so that an object that our write had made is empty by the time it is removed.
    for pointer in sorted(places, key=lambda pointer: pointer.count("/"), reverse=True):
        _restore_at(root, pointer, places[pointer])
    former = raw_json.parse_value(former_text) if former_text is not None else None
    # With the same text our write left the start alone, as it does where it does not know the zone.
    if isinstance(live_start, datetime) and live_text != former:
        # Read in the zone that stands now, which may just have been restored.
        same = (
            text
            for text in (former, live_text)
            if isinstance(text, str) and parse_start_date(text, schedule.get("timeZone")) == live_start
        )
        schedule["startDate"] = next(same, format_utc(live_start))
    return raw_json.serialise(root)


def sync_hour_from_pointers(places: Mapping[str, str | None], now: datetime) -> Value:
    """The sync hour, as `Configuration` has it, of a schedule with these values by JSON pointer, as JSON text."""
    root: JsonObject = {"schedule": {}}
    for pointer, text in places.items():
        if pointer.startswith("/schedule/"):
            _restore_at(root, pointer, text)
    return read_configuration(raw_json.serialise(root), now).values[SYNC_HOUR_PATH]


_SYNC_TIME_KEYS = ("startDate", "syncHourUtc", "timeZone")
_START_DATE_POINTER = "/schedule/startDate"


def _restore_at(root: JsonObject, pointer: str, text: str | None) -> None:
    """Set the place to this JSON text, or remove it (None). FieldNotOffered where its parent is gone."""
    *parent_keys, name = raw_json.pointer_keys(pointer)
    parent: object = root
    for key in parent_keys:
        parent = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(parent, dict):
        if text is None:
            return
        raise FieldNotOffered(f"live has no {pointer} any more")
    # An object that our write had made, in which somebody else has set a value since: theirs to keep.
    if isinstance(parent.get(name), dict) and not _holds_no_value(parent[name]):
        return
    if text is None:
        parent.pop(name, None)
    else:
        parent[name] = raw_json.parse_value(text)


def _holds_no_value(node: object) -> bool:
    """Whether this is an object with nothing but such objects in it."""
    return isinstance(node, dict) and all(map(_holds_no_value, node.values()))


def _parse_document(document: bytes) -> JsonObject:
    try:
        return raw_json.parse_object(document)
    except (ValueError, RecursionError):
        raise TransientError("a configuration document cannot be read: cut short, or not JSON") from None


def _write_field(root: JsonObject, path: str, value: Value) -> None:
    try:
        _set_field(root, path, value)
    except ValueError as error:
        raise TransientError(f"a configuration document cannot be written to: {error}") from None


def _set_field(root: JsonObject, path: str, value: Value) -> None:
    if split_account_path(path):
        _account_object(root, path)["selectedAccountId"] = _option_id(value)
    elif (rate := parse_tax_rate_path(path)) is not None:
        _tax_rate_object(root, rate, path)["selectedTaxRateId"] = _option_id(value)
    elif path in _WIRE_KEYS:
        *parent_keys, name = _WIRE_KEYS[path]
        parent = ensure_object(root, *parent_keys)
        parent[name] = _wire_value(value)
        if path == SYNC_HOUR_PATH:
            _drop_time_zone_keeping_start(parent)
    else:
        raise FieldNotOffered(f"{path} is no field of a configuration")


def _drop_time_zone_keeping_start(schedule: JsonObject) -> None:
    """Remove the schedule's time zone; a start that was local to it stays the same instant."""
    text, zone = schedule.get("startDate"), schedule.get("timeZone")
    start = parse_start_date(text, zone) if isinstance(text, str) and isinstance(zone, str) else None
    if isinstance(start, datetime):
        schedule["startDate"] = format_utc(start)
    schedule["timeZone"] = None


def _account_object(root: JsonObject, path: str) -> JsonObject:
    """The account's row, in whichever section live has it."""
    places = {
        account_path(section, key): (section, key)
        for section in MAPPING_SECTIONS
        for key in _object_or_empty(root, "configuration", section, "accounts")
    }
    live_path = resolve_live_path(places, path)
    if live_path is None:
        raise FieldNotOffered(f"live offers no {path}")
    section, key = places[live_path]
    return ensure_object(root, "configuration", section, "accounts", key)


def _tax_rate_object(root: JsonObject, rate: str, path: str) -> JsonObject:
    # Of two spellings of one rate the last: it is the one that `read_configuration` shows.
    for key in reversed(_object_or_empty(root, "configuration", "sales", "taxRates")):
        if canonical_tax_rate(key) == canonical_tax_rate(rate):
            return ensure_object(root, "configuration", "sales", "taxRates", key)
    raise FieldNotOffered(f"live offers no {path}")


def _object_or_empty(root: JsonObject, *keys: str) -> JsonObject:
    """The object at these keys, to read: where there is none, an empty one that is not part of the document."""
    for key in keys:
        child = root.get(key)
        root = child if isinstance(child, dict) else {}
    return root


def _option_id(value: Value) -> str | None:
    if value is None or isinstance(value, Option):
        return value.id if value else None
    raise TypeError("a reference is written as an option, or as None")


def _wire_value(value: Value) -> str | int | bool | list[str] | None:
    if isinstance(value, Option):
        return value.id
    if isinstance(value, datetime):
        return format_utc(value)
    return list(value) if isinstance(value, tuple) else value


_WIRE_KEYS: Mapping[str, tuple[str, ...]] = {
    ENABLED_PATH: ("enabled",),
    FREQUENCY_PATH: ("schedule", "selectedFrequency"),
    START_DATE_PATH: ("schedule", "startDate"),
    SYNC_HOUR_PATH: ("schedule", "syncHourUtc"),
    SALES_SYNC_PATH: ("configuration", "sales", "syncSales"),
    PAYMENTS_SYNC_PATH: ("configuration", "payments", "syncPayments"),
    FEES_SYNC_PATH: ("configuration", "fees", "syncFees"),
    INVOICE_STATUS_PATH: ("configuration", "sales", "invoiceStatus", "selectedInvoiceStatus"),
    CUSTOMER_PATH: ("configuration", "sales", "salesCustomer", "selectedCustomerId"),
    GROUPING_PERIOD_PATH: ("configuration", "sales", "grouping", "groupingPeriod", "selectedGroupingPeriod"),
    INVOICE_GROUPING_PATH: (
        "configuration",
        "sales",
        "grouping",
        "groupingLevels",
        "invoiceLevel",
        "selectedGroupByOptions",
    ),
    INVOICE_LINE_GROUPING_PATH: (
        "configuration",
        "sales",
        "grouping",
        "groupingLevels",
        "invoiceLineLevel",
        "selectedGroupByOptions",
    ),
    SUPPLIER_PATH: ("configuration", "fees", "feesSupplier", "selectedSupplierId"),
}
