"""The configuration as a plain form: fields with their current values, and back into a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from controller.emulator.document import UNSET_START, Document

Form = Mapping[str, Sequence[str]]
Caption = Callable[[str, str], str]
"""Text key and fallback → what the flow displays."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input; its name is the path in the document, joined by `/`."""

    path: tuple[str, ...]
    label: str
    kind: str
    """`flag`, `choice`, `choices`, `date`, `hour` or `text`."""
    value: Any
    options: tuple[tuple[str, str], ...] = ()
    """Value and what it is called."""
    required: bool = False

    @property
    def name(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True, slots=True)
class Section:
    """A stage of the flow."""

    title: str
    fields: tuple[Field, ...]


def sections(doc: Document, caption: Caption, visible: Sequence[str], today: str) -> list[Section]:
    """All fields of a document, in the flow's order; rows that the client hides are left out."""
    return [
        Section("Schedule", tuple(_schedule(doc["schedule"], today))),
        Section(caption("configure-content-sales-title", "Sales"), tuple(_sales(doc, caption, visible))),
        Section(
            caption("configure-content-payments-title", "Payments"),
            (
                _flag(doc, ("configuration", "payments", "syncPayments"), "Synchronise payments"),
                *_accounts(doc, "payments", caption, visible),
            ),
        ),
        Section(caption("configure-content-fees-title", "Fees"), tuple(_fees(doc, caption, visible))),
        Section("Switch", (_flag(doc, ("enabled",), "Synchronise every day"),)),
    ]


def filled(doc: Document, form_sections: Sequence[Section], form: Form) -> Document:
    """The document with what the form says in the fields it had."""
    changed = deepcopy(doc)
    for section in form_sections:
        for field in section.fields:
            parent = _reach(changed, field.path[:-1])
            parent[field.path[-1]] = _given(field, form.get(field.name, ()), parent[field.path[-1]])
    return changed


def _given(field: Field, values: Sequence[str], before: Any) -> Any:
    first = values[0] if values else ""
    if field.kind == "flag":
        return bool(values)
    if field.kind == "choices":
        return list(values)
    if field.kind == "hour":
        return int(first) if first.isdigit() else first
    if field.kind == "date":
        return before if first == str(before)[:10] else f"{first}T00:00:00Z"
    return first or None


def _schedule(schedule: Document, today: str) -> Iterator[Field]:
    start = today if schedule["startDate"] == UNSET_START else schedule["startDate"][:10]
    yield _choice(
        ("schedule", "selectedFrequency"),
        "How often",
        schedule["selectedFrequency"],
        schedule["frequencyOptions"],
    )
    yield Field(("schedule", "startDate"), "From which day on", "date", start, required=True)
    yield Field(("schedule", "syncHourUtc"), "At which hour", "hour", schedule["syncHourUtc"])
    yield Field(("schedule", "timeZone"), "Time zone (empty: UTC)", "text", schedule["timeZone"] or "")


def _sales(doc: Document, caption: Caption, visible: Sequence[str]) -> Iterator[Field]:
    path, sales = ("configuration", "sales"), doc["configuration"]["sales"]
    yield _flag(doc, (*path, "syncSales"), "Synchronise sales")
    yield from _accounts(doc, "sales", caption, visible)
    for rate, row in sales["taxRates"].items():
        yield _record((*path, "taxRates", rate, "selectedTaxRateId"), f"Tax of {rate} %", row, "taxRateOptions")
    yield _record((*path, "salesCustomer", "selectedCustomerId"), "Customer", sales["salesCustomer"], "customerOptions")
    entries = "configure-content-sales-other-entries"
    status, grouping = sales["invoiceStatus"], sales["grouping"]
    yield _choice(
        (*path, "invoiceStatus", "selectedInvoiceStatus"),
        caption(f"{entries}-invoiceStatus", "Invoice status"),
        status["selectedInvoiceStatus"],
        status["invoiceStatusOptions"],
    )
    yield _choice(
        (*path, "grouping", "groupingPeriod", "selectedGroupingPeriod"),
        caption(f"{entries}-groupingPeriod", "Grouping period"),
        grouping["groupingPeriod"]["selectedGroupingPeriod"],
        grouping["groupingPeriod"]["groupingPeriodOptions"],
    )
    for level, label in (("invoiceLevel", "An invoice for each"), ("invoiceLineLevel", "A line for each")):
        chosen = grouping["groupingLevels"][level]
        yield Field(
            (*path, "grouping", "groupingLevels", level, "selectedGroupByOptions"),
            label,
            "choices",
            chosen["selectedGroupByOptions"] or [],
            tuple((each, each) for each in chosen["groupByOptions"]),
        )


def _fees(doc: Document, caption: Caption, visible: Sequence[str]) -> Iterator[Field]:
    path, fees = ("configuration", "fees"), doc["configuration"]["fees"]
    yield _flag(doc, (*path, "syncFees"), "Synchronise fees")
    yield _record((*path, "feesSupplier", "selectedSupplierId"), "Supplier", fees["feesSupplier"], "supplierOptions")
    yield from _accounts(doc, "fees", caption, visible)


def _accounts(doc: Document, section: str, caption: Caption, visible: Sequence[str]) -> Iterator[Field]:
    for key, row in doc["configuration"][section]["accounts"].items():
        if f"{section}-accounts-{key}" in visible and isinstance(row, dict):
            label = caption(f"configure-content-{section}-accounts-entries-{key}", row["labelText"])
            path = ("configuration", section, "accounts", key, "selectedAccountId")
            yield _record(path, label, row, "accountOptions", required=row["required"])


def _flag(doc: Document, path: tuple[str, ...], label: str) -> Field:
    return Field(path, label, "flag", _reach(doc, path))


def _choice(path: tuple[str, ...], label: str, value: str | None, options: Sequence[str]) -> Field:
    return Field(path, label, "choice", value, tuple((each, each) for each in options), required=True)


def _record(path: tuple[str, ...], label: str, row: Document, options: str, *, required: bool = False) -> Field:
    offered = tuple((each["id"], _called(each)) for each in row[options] or ())
    return Field(path, label, "choice", row[path[-1]], offered, required)


def _called(option: Document) -> str:
    code = option.get("nominalCode")
    return f"{code} {option['name']}" if code else str(option["name"])


def _reach(doc: Document, path: tuple[str, ...]) -> Any:
    found: Any = doc
    for step in path:
        found = found[step]
    return found
