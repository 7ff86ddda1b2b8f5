"""Wire ⇄ model: the one border of spelling. Pure: `now` is an argument.

wire                                                        model
configuration.sales.accounts.card.selectedAccountId   ⇄     mapping.sales.accounts.card
configuration.sales.taxRates["20.0"].selectedTaxRateId ⇄    mapping.sales.taxRates["20"]
schedule.syncHourUtc with schedule.timeZone            →     schedule.syncHourUtc, in UTC
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from controller.codat import document as json_document
from controller.codat import wire
from controller.codat.document import Node, child
from controller.codat.instants import instant, local_clock, start_date, sync_hour, utc_text
from controller.model.errors import Permanent, Transient
from controller.model.observed import Company, Configuration, Connection, Pull, Record
from controller.model.sync import Dataset, Sync
from controller.model.values import (
    CUSTOMER,
    ENABLED,
    FREQUENCY,
    SECTIONS,
    START_DATE,
    SUPPLIER,
    SYNC_HOUR,
    Option,
    Value,
    account_key,
    account_path,
    locate,
    tax_rate_key,
    tax_rate_path,
)

SALES_SYNC, PAYMENTS_SYNC, FEES_SYNC = (f"mapping.{section}.sync" for section in SECTIONS)
INVOICE_STATUS = "mapping.sales.invoiceStatus"
PERIOD = "mapping.sales.grouping.period"
INVOICE = "mapping.sales.grouping.invoice"
INVOICE_LINE = "mapping.sales.grouping.invoiceLine"

KNOWN_STATUSES = {word.lower(): word for word in ("Linked", "PendingAuth", "Unlinked", "Deauthorized")}
KNOWN_SOURCES = {
    word.lower(): word for word in ("Accounting", "Banking", "BankFeed", "Commerce", "Expense", "Other", "Unknown")
}
PLATFORM_KEYS = {
    "xero": "gbol",
    "quickbooks online": "qhyg",
    "freeagent": "fbrh",
    "exact (netherlands)": "qudb",
    "exact (uk)": "pbbf",
    "myob business": "pdvj",
    "myob": "pdvj",
    "sage accounting": "tgff",
    "sandbox": "mqjo",
}
"""For the connections that bear no `integrationKey` (REFERENCE 3.2, 7 row 37)."""


class NotOffered(Permanent):
    """A field was to be written that the live document has no place for: its keys are never invented."""


# Companies and connections ------------------------------------------------------------------------------


def company_from(company: wire.Company) -> Company:
    connections = tuple(map(connection_from, company.data_connections or ()))
    return Company(company.id, company.name or "", connections)


def connection_from(connection: wire.Connection) -> Connection:
    """Known words in their documented spelling, unknown ones as they are. Bad dates count as none."""
    source = _known(connection.source_type, KNOWN_SOURCES)
    return Connection(
        id=connection.id,
        platform=connection.integration_key or _platform_key(connection.platform_name or "", source),
        source_type=source,
        status=_known(connection.status, KNOWN_STATUSES),
        link_url=connection.link_url or "",
        last_sync=lenient_instant(connection.last_sync),
        error=_error(connection.data_connection_errors or ()),
    )


def record_from(record: wire.Record) -> Record:
    return Record(
        id=record.id,
        name=record.name or record.customer_name or record.supplier_name,
        code=record.nominal_code or record.code,
        status=record.status or "Unknown",
        deleted=bool(record.metadata and record.metadata.is_deleted),
    )


def pull_from(data_type: str, pull: wire.Pull) -> Pull:
    return Pull(data_type, pull.current_status, lenient_instant(pull.last_successful_sync))


def sync_from(sync: wire.Sync) -> Sync:
    """ValueError without a code: nothing else says how it stands."""
    if sync.sync_status_code is None:
        raise ValueError("a sync without its status code")
    covered = sync.sync_date_range_utc or wire.DateRange()
    return Sync(
        id=sync.commerce_sync_id or sync.sync_id or "",
        code=sync.sync_status_code,
        status=sync.sync_status or "",
        message=sync.error_message or sync.sync_exception_message or "",
        began=lenient_instant(sync.sync_utc),
        start=lenient_instant(covered.start),
        finish=lenient_instant(covered.finish),
        pushed=bool(sync.data_pushed),
    )


def dataset_from(dataset: wire.Dataset) -> Dataset:
    words = dataset.error_message or dataset.status_description or ""
    return Dataset(dataset.id, dataset.data_type or "", dataset.status or "", words)


def lenient_instant(text: str | None) -> datetime | None:
    try:
        return instant(text)
    except (ValueError, OverflowError):
        return None


def _known(word: str | None, known: Mapping[str, str]) -> str:
    return known.get((word or "").lower(), word or "")


def _platform_key(name: str, source: str) -> str:
    return "lqai" if source == "Commerce" else PLATFORM_KEYS.get(name.lower(), name)


def _error(problems: Iterable[wire.ConnectionProblem]) -> str | None:
    """The latest problem that is not resolved, in the service's words."""
    open_ones = [problem for problem in problems if (problem.status or "").lower() != "resolved"]
    return (open_ones[-1].error_message or open_ones[-1].status_text) if open_ones else None


# The configuration, read --------------------------------------------------------------------------------


def read_configuration(document: bytes, now: datetime) -> Configuration:
    """The document in our spelling; Transient when it cannot be read. `now` (aware) dates a local sync hour.

    Null and absent are alike. A section that is null does not sync; a group-by list that is null is empty.
    """
    try:
        config = wire.Configuration.model_validate_json(document)
        rows = tuple(_rows(config))
        values = {**_plain_values(config, now), **{row.path: row.selected for row in rows}}
    except (ValueError, OverflowError):
        raise Transient("a configuration document cannot be read: cut short, or in a shape we do not know") from None
    return Configuration(
        enabled=bool(config.enabled),
        configured=bool(config.configured),
        books=config.accounting_software_company_name,
        values=values,
        options={row.path: row.options for row in rows},
        choices=_choices(config),
        required=frozenset(row.path for row in rows if row.required),
        document=document,
        clock=local_clock(config.schedule.sync_hour_utc, config.schedule.time_zone) if config.schedule else None,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A reference: where it stands, what is selected, what may be."""

    path: str
    selected: Option | None
    options: tuple[Option, ...]
    required: bool = False


def _row(path: str, selected: str | None, offered: list[wire.Option] | None, required: bool = False) -> _Row:
    options = tuple(Option(option.id, option.name, option.nominal_code) for option in offered or ())
    own = next((option for option in options if option.id == selected), None)
    return _Row(path, own or (Option(selected) if selected else None), options, required)


def _rows(config: wire.Configuration) -> Iterator[_Row]:
    mapping = config.configuration or wire.Mapping()
    sales, payments, fees = (
        mapping.sales or wire.Sales(),
        mapping.payments or wire.Payments(),
        mapping.fees or wire.Fees(),
    )
    for section, accounts in zip(SECTIONS, (sales.accounts, payments.accounts, fees.accounts), strict=True):
        for key, row in (accounts or {}).items():
            row = row or wire.Account()
            yield _row(account_path(section, key), row.selected_account_id, row.account_options, bool(row.required))
    for key, rate in (sales.tax_rates or {}).items():
        rate = rate or wire.TaxRate()
        yield _row(tax_rate_path(canonical_rate(key)), rate.selected_tax_rate_id, rate.tax_rate_options)
    customer, supplier = sales.sales_customer or wire.Customer(), fees.fees_supplier or wire.Supplier()
    yield _row(CUSTOMER, customer.selected_customer_id, customer.customer_options)
    yield _row(SUPPLIER, supplier.selected_supplier_id, supplier.supplier_options)


def _plain_values(config: wire.Configuration, now: datetime) -> dict[str, Value]:
    schedule, mapping = config.schedule or wire.Schedule(), config.configuration or wire.Mapping()
    sales, payments, fees = (
        mapping.sales or wire.Sales(),
        mapping.payments or wire.Payments(),
        mapping.fees or wire.Fees(),
    )
    period, levels = _grouping(sales)
    start = start_date(schedule.start_date, schedule.time_zone)
    begins = start if isinstance(start, datetime) else None
    return {
        ENABLED: bool(config.enabled),
        FREQUENCY: schedule.selected_frequency,
        START_DATE: start,
        SYNC_HOUR: sync_hour(schedule.sync_hour_utc, schedule.time_zone, now, begins),
        SALES_SYNC: bool(sales.sync_sales),
        PAYMENTS_SYNC: bool(payments.sync_payments),
        FEES_SYNC: bool(fees.sync_fees),
        INVOICE_STATUS: (sales.invoice_status or wire.InvoiceStatus()).selected_invoice_status,
        PERIOD: period.selected_grouping_period,
        INVOICE: tuple((levels.invoice_level or wire.GroupBy()).selected_group_by_options or ()),
        INVOICE_LINE: tuple((levels.invoice_line_level or wire.GroupBy()).selected_group_by_options or ()),
    }


def _choices(config: wire.Configuration) -> dict[str, tuple[str, ...]]:
    schedule, mapping = config.schedule or wire.Schedule(), config.configuration or wire.Mapping()
    sales = mapping.sales or wire.Sales()
    period, levels = _grouping(sales)
    offered = {
        FREQUENCY: schedule.frequency_options,
        INVOICE_STATUS: (sales.invoice_status or wire.InvoiceStatus()).invoice_status_options,
        PERIOD: period.grouping_period_options,
        INVOICE: (levels.invoice_level or wire.GroupBy()).group_by_options,
        INVOICE_LINE: (levels.invoice_line_level or wire.GroupBy()).group_by_options,
    }
    return {path: tuple(words or ()) for path, words in offered.items()}


def _grouping(sales: wire.Sales) -> tuple[wire.GroupingPeriod, wire.GroupingLevels]:
    grouping = sales.grouping or wire.Grouping()
    return grouping.grouping_period or wire.GroupingPeriod(), grouping.grouping_levels or wire.GroupingLevels()


# The configuration, written -----------------------------------------------------------------------------


def write_fields(document: bytes, values: Mapping[str, Value]) -> bytes:
    """The document with only these fields changed; all the rest, unknown fields included, keeps its meaning.

    With the sync hour `timeZone` becomes null: the hour is UTC (REFERENCE 7 row 8), and a start that was local to
    the zone is written as the instant it was. NotOffered for an account or a tax rate that live does not have,
    Transient for a document that cannot be read.
    """
    try:
        root = json_document.parse(document)
    except (ValueError, RecursionError):
        raise Transient("a configuration document cannot be read: cut short, or not JSON") from None
    for path, value in values.items():
        _write(root, path, value)
    return json_document.serialise(root)


def canonical_rate(key: str) -> str:
    """A tax rate's key as decimal text without trailing zeros; what is no number stays as it is."""
    try:
        number = Decimal(key.strip())
    except InvalidOperation:
        return key
    if not number.is_finite():
        return key
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _write(root: Node, path: str, value: Value) -> None:
    if account_key(path):
        _account(root, path)["selectedAccountId"] = _id(value)
    elif (rate := tax_rate_key(path)) is not None:
        _tax_rate(root, rate, path)["selectedTaxRateId"] = _id(value)
    elif path in _PLACES:
        *way, name = _PLACES[path]
        child(root, *way)[name] = _plain(value)
        if path == SYNC_HOUR:
            _to_utc(child(root, *way))
    else:
        raise NotOffered(f"{path} is no field of a configuration")


def _to_utc(schedule: Node) -> None:
    """The schedule without its time zone; a start that was local to it stays the same instant."""
    start, zone = schedule.get("startDate"), schedule.get("timeZone")
    begins = start_date(start, zone) if isinstance(start, str) and isinstance(zone, str) else None
    if isinstance(begins, datetime):
        schedule["startDate"] = utc_text(begins)
    schedule["timeZone"] = None


def _account(root: Node, path: str) -> Node:
    """The account's row, wherever live has it."""
    rows = {
        account_path(section, key): (section, key)
        for section in SECTIONS
        for key in _offered(root, "configuration", section, "accounts")
    }
    live = locate(rows, path)
    if live is None:
        raise NotOffered(f"live offers no {path}")
    section, key = rows[live]
    return child(root, "configuration", section, "accounts", key)


def _tax_rate(root: Node, rate: str, path: str) -> Node:
    offered = _offered(root, "configuration", "sales", "taxRates")
    for key in reversed(offered):  # the last of two spellings of one rate, which is the one that reading shows
        if canonical_rate(key) == canonical_rate(rate):
            return child(root, "configuration", "sales", "taxRates", key)
    raise NotOffered(f"live offers no {path}")


def _offered(root: Node, *keys: str) -> Node:
    """The object at these keys to look at, empty where there is none; nothing is made."""
    for key in keys:
        below = root.get(key)
        root = below if isinstance(below, dict) else {}
    return root


def _id(value: Value) -> str | None:
    if value is None or isinstance(value, Option):
        return value.id if value else None
    raise TypeError("a reference is written as an option, or as None")


def _plain(value: Value) -> str | int | bool | list[str] | None:
    if isinstance(value, Option):
        return value.id
    if isinstance(value, datetime):
        return utc_text(value)
    return list(value) if isinstance(value, tuple) else value


_PLACES: Mapping[str, tuple[str, ...]] = {
    ENABLED: ("enabled",),
    FREQUENCY: ("schedule", "selectedFrequency"),
    START_DATE: ("schedule", "startDate"),
    SYNC_HOUR: ("schedule", "syncHourUtc"),
    SALES_SYNC: ("configuration", "sales", "syncSales"),
    PAYMENTS_SYNC: ("configuration", "payments", "syncPayments"),
    FEES_SYNC: ("configuration", "fees", "syncFees"),
    INVOICE_STATUS: ("configuration", "sales", "invoiceStatus", "selectedInvoiceStatus"),
    CUSTOMER: ("configuration", "sales", "salesCustomer", "selectedCustomerId"),
    PERIOD: ("configuration", "sales", "grouping", "groupingPeriod", "selectedGroupingPeriod"),
    INVOICE: ("configuration", "sales", "grouping", "groupingLevels", "invoiceLevel", "selectedGroupByOptions"),
    INVOICE_LINE: (
        "configuration",
        "sales",
        "grouping",
        "groupingLevels",
        "invoiceLineLevel",
        "selectedGroupByOptions",
    ),
    SUPPLIER: ("configuration", "fees", "feesSupplier", "selectedSupplierId"),
}
