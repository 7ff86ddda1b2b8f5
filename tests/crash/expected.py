"""What a merchant's manifest wishes and what a document holds, read here by other means than the product's.

Manifests are kept flat, by field path: a merchant's own fields lie over its profile's. A document is the emulator's
JSON. Rules of Codat are asked of the emulator's own validation. Nothing here calls the planner.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from controller.emulator.service import validation
from controller.emulator.service.errors import ApiError

Fields = Mapping[str, Any]
Document = dict[str, Any]

DOCUMENT_PATHS = {
    "enabled": "enabled",
    "schedule.frequency": "schedule.selectedFrequency",
    "schedule.startDate": "schedule.startDate",
    "schedule.time": "schedule.syncHourUtc",
    "schedule.syncHourUtc": "schedule.syncHourUtc",
    "mapping.sales.sync": "configuration.sales.syncSales",
    "mapping.payments.sync": "configuration.payments.syncPayments",
    "mapping.fees.sync": "configuration.fees.syncFees",
    "mapping.sales.invoiceStatus": "configuration.sales.invoiceStatus.selectedInvoiceStatus",
    "mapping.sales.customer": "configuration.sales.salesCustomer.selectedCustomerId",
    "mapping.fees.supplier": "configuration.fees.feesSupplier.selectedSupplierId",
    "mapping.sales.grouping.period": "configuration.sales.grouping.groupingPeriod.selectedGroupingPeriod",
    "mapping.sales.grouping.invoice": "configuration.sales.grouping.groupingLevels.invoiceLevel.selectedGroupByOptions",
    "mapping.sales.grouping.invoiceLine": (
        "configuration.sales.grouping.groupingLevels.invoiceLineLevel.selectedGroupByOptions"
    ),
}
"""Where a document holds a field that is no account and no tax rate."""
ROW_PATTERN = re.compile(r'mapping\.(\w+)\.(accounts\.(\w+)|taxRates\["(.+)"\])')
HOUR_FIELDS = ("schedule.time", "schedule.syncHourUtc")
SERVER_FIELDS = {"companyId", "accountingSoftwareCompanyName", "configured", "labelText", "descriptionText", "required"}
"""What only the server decides, next to every list of options."""


def managed_fields(profile: Fields, own: Fields, unmanaged: Iterable[str]) -> dict[str, Any]:
    """The fields of the configuration that a merchant's manifest manages, by path; times and dates with their zone."""
    left_alone = tuple(unmanaged)
    lower = {path: wish for path, wish in profile.items() if not any(_within(path, each) for each in left_alone)}
    if "schedule.syncHourUtc" in own:
        lower = {path: wish for path, wish in lower.items() if path not in ("schedule.time", "schedule.timeZone")}
    roots = ("enabled", "schedule.", "mapping.")
    fields = {path: wish for path, wish in {**lower, **own}.items() if path.startswith(roots)}
    zone = fields.pop("schedule.timeZone", "UTC")
    zoned = {path: (fields[path], zone) for path in ("schedule.startDate", "schedule.time") if path in fields}
    return fields | zoned


def to_spec(fields: Fields) -> dict[str, Any]:
    """The fields as a manifest's `spec` spells them."""
    spec: dict[str, Any] = {}
    for path, value in fields.items():
        *way, last = _steps(path)
        below = spec
        for step in way:
            below = below.setdefault(step, {})
        below[last] = value
    return spec


def flatten_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's `spec` by field path."""
    return dict(_flattened("", spec))


def differences(document: Document, fields: Fields, now: datetime) -> list[str]:
    """The managed fields that stand otherwise than declared, in words."""
    found = []
    for path, wish in fields.items():
        live, wanted = _stands(document, path, now), _wanted(document, path, wish, fields, now)
        if live != wanted:
            found.append(f"{path} is {live!r}, wanted {wanted!r}")
    return found


def resolved_values(document: Document, fields: Fields, now: datetime) -> dict[str, Any]:
    """What stands at the managed fields, references by name: comparable between companies."""
    return {path: _called(document, path, _stands(document, path, now)) for path in fields}


def undeclared_values(document: Document | None, paths: Iterable[str]) -> dict[str, Any]:
    """What stands in the document beside these fields and what only the server decides, by its JSON path."""
    if document is None:
        return {}
    ours = {".".join(_where(path)) for path in paths}
    if any(path in HOUR_FIELDS for path in paths):
        ours.add("schedule.timeZone")
    rest = {
        path: value for path, value in flatten_document("", document) if path not in ours and value not in (None, [])
    }
    return rest | {path: start_instant(document) for path in ("schedule.startDate",) if path in rest}


def validation_problems(document: Document, fields: Fields, now: datetime) -> list[str]:
    """Why Codat would not take the document with these fields laid over it; empty where it would."""
    laid = copy.deepcopy(document)
    found = []
    for path, wish in fields.items():
        wanted = _wanted(document, path, wish, fields, now)
        if isinstance(wanted, Unresolved):
            found.append(f"{path}: {wish} is {len(wanted.ids)} options")
            continue
        *way, last = _where(path)
        row = _at(laid, way)
        if row is None:
            return [f"{path} is not offered"]
        row[last] = wanted.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(wanted, datetime) else wanted
    if any(path in HOUR_FIELDS for path in fields):
        laid["schedule"]["timeZone"] = None
    return found or _refused(laid, document)


def _refused(laid: Document, live: Document) -> list[str]:
    try:
        found = [f"{each.item}: {each.message}" for each in validation.validate_document(laid, laid, laid)]
    except ApiError as error:
        return [str(error)]
    start = start_instant(laid)
    if start is None:
        found.append("no start date")
    elif live["configured"] and (before := start_instant(live)) and start < before:
        found.append("an earlier start date")
    return found


def offered_ids(document: Document, path: str) -> list[str]:
    """The ids that a reference's row offers."""
    return [each["id"] for each in _options(document, path)]


def patch_for(path: str, value: Any) -> Any:
    """A merge patch of the document that sets one field."""
    for key in reversed(_where(path)):
        value = {key: value}
    return value


class Unresolved:
    """A reference that not exactly one option answers."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def __repr__(self) -> str:
        return f"one of {self.ids}"


def _stands(document: Document, path: str, now: datetime) -> Any:
    value = _at(document, _where(path))
    if path == "schedule.startDate":
        return start_instant(document)
    if path in HOUR_FIELDS:
        return _hour(value, document["schedule"].get("timeZone"), document, now)
    return (value or []) if path.startswith("mapping.sales.grouping.invoice") else value


def _wanted(document: Document, path: str, wish: Any, fields: Fields, now: datetime) -> Any:
    if isinstance(wish, dict):
        ((by, word),) = wish.items()
        key = "nominalCode" if by == "code" else by
        ids = [each["id"] for each in _options(document, path) if each.get(key) == word]
        return ids[0] if len(ids) == 1 else Unresolved(ids)
    if path == "schedule.startDate":
        return midnight(*wish)
    if path == "schedule.time":
        start = fields.get("schedule.startDate")
        after = max(now, midnight(*start)) if start else now
        return _next(time.fromisoformat(wish[0]), wish[1], after).hour
    return wish


def midnight(day: str, zone: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), ZoneInfo(zone)).astimezone(UTC)


def _hour(hour: Any, zone: str | None, document: Document, now: datetime) -> Any:
    """The UTC hour; an hour beside a time zone is local to it."""
    if not zone or not isinstance(hour, int):
        return hour
    return _next(time(hour), zone, max(now, start_instant(document) or now)).hour


def _next(wall: time, zone: str, after: datetime) -> datetime:
    day = after.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    while True:
        when = datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC)
        if when > after:
            return when
        day += timedelta(days=1)


def start_instant(document: Document) -> datetime | None:
    """The start date as an instant; one without an offset is local to the document's time zone."""
    schedule = document["schedule"]
    when = datetime.fromisoformat(schedule["startDate"])
    if when.year == 1:
        return None
    zone = ZoneInfo(schedule.get("timeZone") or "UTC")
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)


def _called(document: Document, path: str, value: Any) -> Any:
    names = {each["id"]: each["name"] for each in _options(document, path)}
    return names.get(value, value) if isinstance(value, str) else value


def _options(document: Document, path: str) -> list[dict[str, Any]]:
    row = _at(document, _where(path)[:-1])
    options = next((row[key] for key in row if key.endswith("Options")), None) if isinstance(row, dict) else None
    return [each for each in options or () if isinstance(each, dict)]


def _where(path: str) -> list[str]:
    """The keys that lead to a field in a document."""
    row = ROW_PATTERN.fullmatch(path)
    if row is None:
        return DOCUMENT_PATHS[path].split(".")
    section, _, account, rate = row.groups()
    if account:
        return ["configuration", section, "accounts", account, "selectedAccountId"]
    return ["configuration", section, "taxRates", rate, "selectedTaxRateId"]


def _steps(path: str) -> list[str]:
    row = ROW_PATTERN.fullmatch(path)
    return path.split(".") if row is None or row[3] else ["mapping", row[1], "taxRates", row[4]]


def _at(node: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))


def _flattened(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping) or (node and set(node) <= {"id", "code", "name"} and path != "company"):
        yield path, node
        return
    for key, below in node.items():
        rates = path == "mapping.sales.taxRates"
        yield from _flattened(f'{path}["{key}"]' if rates else f"{path}.{key}" if path else key, below)


def flatten_document(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        yield path, node
        return
    for key, below in node.items():
        if key not in SERVER_FIELDS and (not key.endswith("Options") or key.startswith("selected")):
            yield from flatten_document(f"{path}.{key}" if path else key, below)
