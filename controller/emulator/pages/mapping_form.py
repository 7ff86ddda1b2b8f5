"""The configuration as a plain form: fields with their current values, and back into a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from controller.emulator.service.configuration_document import UNSET_START, Document

Form = Mapping[str, Sequence[str]]
CaptionLookup = Callable[[str, str], str]
"""Text key and fallback → what the flow displays."""


@dataclass(frozen=True, slots=True)
class FormField:
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
class FormSection:
    """A stage of the flow."""

    title: str
    fields: tuple[FormField, ...]


def sections(doc: Document, caption: CaptionLookup, visible: Sequence[str], today: str) -> list[FormSection]:
    """All fields of a document, in the flow's order; rows that the client hides are left out."""
    return [
        FormSection("Schedule", tuple(_schedule_fields(doc["schedule"], today))),
        FormSection(caption("configure-content-sales-title", "Sales"), tuple(_sales_fields(doc, caption, visible))),
        FormSection(
            caption("configure-content-payments-title", "Payments"),
            (
                _flag_field(doc, ("configuration", "payments", "syncPayments"), "Synchronise payments"),
                *_account_fields(doc, "payments", caption, visible),
            ),
        ),
        FormSection(caption("configure-content-fees-title", "Fees"), tuple(_fee_fields(doc, caption, visible))),
        FormSection("Switch", (_flag_field(doc, ("enabled",), "Synchronise every day"),)),
    ]


def apply_form(doc: Document, form_sections: Sequence[FormSection], form: Form) -> Document:
    """The document with what the form says in the fields it had."""
    changed = deepcopy(doc)
    for section in form_sections:
        for field in section.fields:
            parent = _value_at(changed, field.path[:-1])
            parent[field.path[-1]] = _parse_field(field, form.get(field.name, ()), parent[field.path[-1]])
    return changed


def _parse_field(field: FormField, values: Sequence[str], stored: Any) -> Any:
    first = values[0] if values else ""
    if field.kind == "flag":
        return bool(values)
    if field.kind == "choices":
        return list(values)
    if field.kind == "hour":
        return int(first) if first.isdigit() else first
    if field.kind == "date":
        return stored if first == str(stored)[:10] else f"{first}T00:00:00Z"
    return first or None


def _schedule_fields(schedule: Document, today: str) -> Iterator[FormField]:
    start = today if schedule["startDate"] == UNSET_START else schedule["startDate"][:10]
    yield _choice_field(
        ("schedule", "selectedFrequency"),
        "How often",
        schedule["selectedFrequency"],
        schedule["frequencyOptions"],
    )
    yield FormField(("schedule", "startDate"), "From which day on", "date", start, required=True)
    yield FormField(("schedule", "syncHourUtc"), "At which hour", "hour", schedule["syncHourUtc"])
    yield FormField(("schedule", "timeZone"), "Time zone (empty: UTC)", "text", schedule["timeZone"] or "")


def _sales_fields(doc: Document, caption: CaptionLookup, visible: Sequence[str]) -> Iterator[FormField]:
    path, sales = ("configuration", "sales"), doc["configuration"]["sales"]
    yield _flag_field(doc, (*path, "syncSales"), "Synchronise sales")
    yield from _account_fields(doc, "sales", caption, visible)
    for rate, row in sales["taxRates"].items():
        yield _option_field((*path, "taxRates", rate, "selectedTaxRateId"), f"Tax of {rate} %", row, "taxRateOptions")
    yield _option_field(
        (*path, "salesCustomer", "selectedCustomerId"), "Customer", sales["salesCustomer"], "customerOptions"
    )
    caption_prefix = "configure-content-sales-other-entries"
    status, grouping = sales["invoiceStatus"], sales["grouping"]
    yield _choice_field(
        (*path, "invoiceStatus", "selectedInvoiceStatus"),
        caption(f"{caption_prefix}-invoiceStatus", "Invoice status"),
        status["selectedInvoiceStatus"],
        status["invoiceStatusOptions"],
    )
    yield _choice_field(
        (*path, "grouping", "groupingPeriod", "selectedGroupingPeriod"),
        caption(f"{caption_prefix}-groupingPeriod", "Grouping period"),
        grouping["groupingPeriod"]["selectedGroupingPeriod"],
        grouping["groupingPeriod"]["groupingPeriodOptions"],
    )
    for level, label in (("invoiceLevel", "An invoice for each"), ("invoiceLineLevel", "A line for each")):
        level_row = grouping["groupingLevels"][level]
        yield FormField(
            (*path, "grouping", "groupingLevels", level, "selectedGroupByOptions"),
            label,
            "choices",
            level_row["selectedGroupByOptions"] or [],
            tuple((option, option) for option in level_row["groupByOptions"]),
        )


def _fee_fields(doc: Document, caption: CaptionLookup, visible: Sequence[str]) -> Iterator[FormField]:
    path, fees = ("configuration", "fees"), doc["configuration"]["fees"]
    yield _flag_field(doc, (*path, "syncFees"), "Synchronise fees")
    yield _option_field(
        (*path, "feesSupplier", "selectedSupplierId"), "Supplier", fees["feesSupplier"], "supplierOptions"
    )
    yield from _account_fields(doc, "fees", caption, visible)


def _account_fields(doc: Document, section: str, caption: CaptionLookup, visible: Sequence[str]) -> Iterator[FormField]:
    for key, row in doc["configuration"][section]["accounts"].items():
        if f"{section}-accounts-{key}" in visible and isinstance(row, dict):
            label = caption(f"configure-content-{section}-accounts-entries-{key}", row["labelText"])
            path = ("configuration", section, "accounts", key, "selectedAccountId")
            yield _option_field(path, label, row, "accountOptions", required=row["required"])


def _flag_field(doc: Document, path: tuple[str, ...], label: str) -> FormField:
    return FormField(path, label, "flag", _value_at(doc, path))


def _choice_field(path: tuple[str, ...], label: str, value: str | None, options: Sequence[str]) -> FormField:
    return FormField(path, label, "choice", value, tuple((option, option) for option in options), required=True)


def _option_field(
    path: tuple[str, ...], label: str, row: Document, options_field: str, *, required: bool = False
) -> FormField:
    choices = tuple((option["id"], _option_label(option)) for option in row[options_field] or ())
    return FormField(path, label, "choice", row[path[-1]], choices, required)


def _option_label(option: Document) -> str:
    code = option.get("nominalCode")
    return f"{code} {option['name']}" if code else str(option["name"])


def _value_at(doc: Document, path: tuple[str, ...]) -> Any:
    node: Any = doc
    for step in path:
        node = node[step]
    return node
