"""Wire → model: how Codat's spelling is read; `document_edit` writes it. Pure: `now` is an argument.

wire                                                        model
configuration.sales.accounts.card.selectedAccountId   →     mapping.sales.accounts.card
configuration.sales.taxRates["20.0"].selectedTaxRateId →    mapping.sales.taxRates["20"]
schedule.syncHourUtc with schedule.timeZone            →     schedule.syncHourUtc, in UTC
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic_core import ValidationError

from controller.codat import wire
from controller.codat.answer_parsing import problem_at, sanitize_json
from controller.codat.dates import local_sync_time, parse_instant, parse_start_date, utc_sync_hour
from controller.codat.raw_json import parse_object
from controller.codat.wire_model import UnexpectedRow, describe_validation_error
from controller.model.errors import TransientError, UnexpectedAnswer
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
    tax_rate_path,
)
from controller.model.id_format import has_id_format
from controller.model.name_matching import nfc
from controller.model.observed import (
    DEAUTHORIZED,
    LINKED,
    PENDING_AUTH,
    UNLINKED,
    AccountPush,
    BooksRecord,
    Company,
    Configuration,
    Connection,
    DataTypeStatus,
)
from controller.model.platforms import COMMERCE_KEY, NAMES
from controller.model.syncs_and_uploads import Sync, UploadStatus
from controller.quick_dataclasses import dataclass

KNOWN_STATUSES = {status.lower(): status for status in (LINKED, PENDING_AUTH, UNLINKED, DEAUTHORIZED)}
KNOWN_SOURCE_TYPES = {
    word.lower(): word for word in ("Accounting", "Banking", "BankFeed", "Commerce", "Expense", "Other", "Unknown")
}
PLATFORM_KEYS_BY_DISPLAY_NAME = {
    "xero": NAMES["xero"],
    "quickbooks online": NAMES["quickbooks-online"],
    "freeagent": NAMES["freeagent"],
    "exact (netherlands)": NAMES["exact-nl"],
    "exact (uk)": NAMES["exact-uk"],
    "myob business": NAMES["myob"],
    "myob": NAMES["myob"],
    "sage accounting": NAMES["sage-accounting"],
    "sandbox": NAMES["sandbox"],
}
"""By `platformName` in lower case: for connections that have no `integrationKey` (API notes 3.2, 7 #37)."""


# Companies and connections ------------------------------------------------------------------------------


def _nfc_or_none(text: str | None) -> str | None:
    """A name or code in the Unicode form in which they are compared. The document itself goes back as it came."""
    return None if text is None else nfc(text)


def company_from(company: wire.CompanyJson) -> Company:
    """The company, with `unreadable_parts` for what of it could not be read.

    A connection that could not be read must not be taken for one that is not there.
    """
    rows, unreadable = company.data_connections, [] if company.name else [".name: missing"]
    if rows is None:
        unreadable.append(".dataConnections: missing")
    connections = []
    for index, row in enumerate(rows or ()):
        if problem := row.why if isinstance(row, UnexpectedRow) else _missing_part(row):
            unreadable.append(problem_at(f".dataConnections[{index}]", problem))
        elif isinstance(row, wire.ConnectionJson):
            connections.append(connection_from(row))
    return Company(company.id, nfc(company.name or ""), tuple(connections), "; ".join(unreadable))


def _missing_part(connection: wire.ConnectionJson) -> str:
    """What is missing without which it could be taken for another connection, or for none (API notes 3.2); else ""."""
    if not has_id_format(connection.id):
        return ".id: not an id"
    if not connection.source_type:
        return ".sourceType: missing"
    return "" if connection.status else ".status: missing"


def connection_from(connection: wire.ConnectionJson) -> Connection:
    """Known words in their documented spelling, unknown ones as they are; None for a date that is none.

    `error` is the latest one that is not resolved, in Codat's words.
    """
    source_type = _documented_spelling(connection.source_type, KNOWN_SOURCE_TYPES)
    platform = connection.integration_key
    if not platform:
        name = connection.platform_name or ""
        platform = COMMERCE_KEY if source_type == "Commerce" else PLATFORM_KEYS_BY_DISPLAY_NAME.get(name.lower(), name)
    error = None
    for row in connection.data_connection_errors or ():
        if isinstance(row, UnexpectedRow):
            error = f"an error that cannot be read: {row.why}"
        elif (row.status or "").lower() != "resolved":
            error = row.error_message or row.status_text
    return Connection(
        id=connection.id,
        platform=platform,
        source_type=source_type,
        status=_documented_spelling(connection.status, KNOWN_STATUSES),
        link_url=connection.link_url or "",
        last_pulled_at=parse_instant_or_none(connection.last_sync),
        error=error,
    )


def record_from(record: wire.RecordJson) -> BooksRecord:
    return BooksRecord(
        id=record.id,
        name=_nfc_or_none(record.name or record.customer_name or record.supplier_name),
        code=_nfc_or_none(record.nominal_code or record.code),
        status=record.status or "Unknown",
        deleted=bool(record.metadata and record.metadata.is_deleted),
    )


def account_push_from(push: wire.PushJson) -> AccountPush:
    changes = (row.record_ref for row in push.changes or () if isinstance(row, wire.PushChangeJson))
    faults = push.validation.errors if push.validation else None
    messages = [row.message for row in faults or () if isinstance(row, wire.PushFaultJson) and row.message]
    return AccountPush(
        push.push_operation_key,
        push.status,
        parse_instant_or_none(push.requested_on_utc),
        push.data_connection_key or push.data_connection_id or "",
        tuple(record.id for record in changes if record and record.id),
        "; ".join(messages) or push.error_message or "",
    )


def creatable_account_types_from(options: wire.PushOptionsJson) -> tuple[str, ...]:
    """The categories in which an account can be created; empty where they are not listed."""
    category = (options.properties or {}).get("fullyQualifiedCategory")
    choices = category.options if isinstance(category, wire.PushPropertyJson) else None
    return tuple(row.value for row in choices or () if isinstance(row, wire.PushChoiceJson))


def data_type_status_from(data_type: str, status: wire.DataTypeStatusJson) -> DataTypeStatus:
    return DataTypeStatus(data_type, status.current_status, parse_instant_or_none(status.last_successful_sync))


def sync_from(sync: wire.SyncJson) -> Sync:
    """ValueError without a status code: nothing else says whether it runs, succeeded or failed."""
    if sync.sync_status_code is None:
        raise ValueError("a sync without its status code")
    raw_message = sync.sync_exception_message or ""
    covered = sync.sync_date_range_utc or wire.DateRangeJson()
    return Sync(
        id=sync.commerce_sync_id or sync.sync_id or "",
        code=sync.sync_status_code,
        status=sync.sync_status or "",
        message=sync.error_message or sync.sync_exception_message or "",
        started_at=parse_instant_or_none(sync.sync_utc),
        covers_from=parse_instant_or_none(covered.start),
        covers_until=parse_instant_or_none(covered.finish),
        data_pushed=bool(sync.data_pushed),
        # The friendly message of a deleted account does not name it; the raw one does.
        detail="" if raw_message == (sync.error_message or raw_message) else raw_message,
    )


def upload_status_from(dataset: wire.DatasetJson) -> UploadStatus:
    message = dataset.error_message or dataset.status_description or ""
    return UploadStatus(dataset.id, dataset.data_type or "", dataset.status or "", message)


def parse_instant_or_none(text: str | None) -> datetime | None:
    """An aware UTC instant; None for anything else. For dates that only inform."""
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        return None


def _documented_spelling(word: str | None, documented: Mapping[str, str]) -> str:
    return documented.get((word or "").lower(), word or "")


# The configuration, read --------------------------------------------------------------------------------


VERSION_2_SENTENCE = (
    "this is a document of version 2 of Sync for Commerce (`enable` instead of `enabled`, API notes 7 #6), and "
    "merchantctl speaks version 1: is it the right address and account? merchantctl doctor"
)
"""Read as version 1 it would say of everyone that they are switched off."""


def read_configuration(document: bytes, now: datetime) -> Configuration:
    """The document in our spelling; TransientError when it cannot be read. `now` (aware) dates a local sync hour.

    Null and absent are alike. A section that is null does not sync; a group-by list that is null is empty. A row in a
    form that we do not know is in `unreadable_fields`; the others are read.
    """
    problem = ""
    try:
        if b"Infinity" in document or b"NaN" in document:
            parse_object(document)  # the model takes what is no JSON, and nothing could be written from it
        config = wire.ConfigurationJson.model_validate_json(sanitize_json(document))
        rows = tuple(_reference_rows(config))
        values = _read_plain_values(config, now) | {row.path: row.selected for row in rows}
    except ValidationError as error:
        problem = describe_validation_error(error)
    except (ValueError, OverflowError):
        problem = "in a shape we do not know"
    if problem:
        raise TransientError(f"a configuration document cannot be read: {problem}")
    if config.enabled is None and config.enable is not None:
        raise UnexpectedAnswer(VERSION_2_SENTENCE)
    return Configuration(
        enabled=bool(config.enabled),
        configured=bool(config.configured),
        books=_nfc_or_none(config.accounting_software_company_name),
        values=values,
        options={row.path: row.options for row in rows},
        allowed_words=_read_allowed_words(config),
        required_paths=frozenset(row.path for row in rows if row.required),
        document=document,
        local_time=local_sync_time(config.schedule.sync_hour_utc, config.schedule.time_zone)
        if config.schedule
        else None,
        unreadable_fields={row.path: row.unreadable_reason for row in rows if row.unreadable_reason},
    )


@dataclass(frozen=True, slots=True)
class _ReferenceRow:
    """A field that holds a reference: what is selected, what may be, and what of it could not be read."""

    path: str
    selected: Option | None
    options: tuple[Option, ...]
    required: bool = False
    unreadable_reason: str = ""


def _reference_row(
    path: str,
    options_place: str,
    selected_id: str | None,
    offered: list[wire.OptionJson | UnexpectedRow] | None,
    required: bool = False,
) -> _ReferenceRow:
    """The row with its options, each id once. `options_place` is where they stand on the wire, for messages."""
    options: dict[str, Option] = {}
    unreadable_reason = ""
    for index, option in enumerate(offered or ()):
        if isinstance(option, wire.OptionJson):
            if option.id not in options:
                name, code = _nfc_or_none(option.name), _nfc_or_none(option.nominal_code)
                kind = option.classification if isinstance(option.classification, str) else None
                options[option.id] = Option(option.id, name, code, kind=kind)
            continue
        unreadable_reason = unreadable_reason or problem_at(f"{options_place}[{index}]", option.why)
        # Its id still proves that the merchant has it: a reference to it must not be called deleted.
        if isinstance(option_id := option.get("id"), str):
            options.setdefault(option_id, Option(option_id))
    selected = options.get(selected_id) or Option(selected_id) if selected_id else None
    return _ReferenceRow(path, selected, tuple(options.values()), required, unreadable_reason)


def _reference_rows(config: wire.ConfigurationJson) -> Iterator[_ReferenceRow]:
    mapping = config.configuration or wire.MappingJson()
    sales, payments, fees = (
        mapping.sales or wire.SalesJson(),
        mapping.payments or wire.PaymentsJson(),
        mapping.fees or wire.FeesJson(),
    )
    for section, accounts in zip(MAPPING_SECTIONS, (sales.accounts, payments.accounts, fees.accounts), strict=True):
        for key, row in (accounts or {}).items():
            path, place = account_path(section, key), f"configuration.{section}.accounts.{key}"
            if isinstance(row, UnexpectedRow):
                yield _ReferenceRow(path, None, (), unreadable_reason=problem_at(place, row.why))
                continue
            row = row or wire.AccountJson()
            options_place = f"{place}.accountOptions"
            yield _reference_row(path, options_place, row.selected_account_id, row.account_options, bool(row.required))
    for key, rate in (sales.tax_rates or {}).items():
        path, place = tax_rate_path(canonical_tax_rate(key)), f"configuration.sales.taxRates.{key}"
        if isinstance(rate, UnexpectedRow):
            yield _ReferenceRow(path, None, (), unreadable_reason=problem_at(place, rate.why))
            continue
        rate = rate or wire.TaxRateJson()
        yield _reference_row(path, f"{place}.taxRateOptions", rate.selected_tax_rate_id, rate.tax_rate_options)
    customer, supplier = sales.sales_customer or wire.CustomerJson(), fees.fees_supplier or wire.SupplierJson()
    place = "configuration.sales.salesCustomer.customerOptions"
    yield _reference_row(CUSTOMER_PATH, place, customer.selected_customer_id, customer.customer_options)
    place = "configuration.fees.feesSupplier.supplierOptions"
    yield _reference_row(SUPPLIER_PATH, place, supplier.selected_supplier_id, supplier.supplier_options)


def _read_plain_values(config: wire.ConfigurationJson, now: datetime) -> dict[str, Value]:
    schedule, mapping = config.schedule or wire.ScheduleJson(), config.configuration or wire.MappingJson()
    sales, payments, fees = (
        mapping.sales or wire.SalesJson(),
        mapping.payments or wire.PaymentsJson(),
        mapping.fees or wire.FeesJson(),
    )
    period, levels = _grouping(sales)
    start = parse_start_date(schedule.start_date, schedule.time_zone)
    start_or_none = start if isinstance(start, datetime) else None
    return {
        ENABLED_PATH: bool(config.enabled),
        FREQUENCY_PATH: schedule.selected_frequency,
        START_DATE_PATH: start,
        SYNC_HOUR_PATH: utc_sync_hour(schedule.sync_hour_utc, schedule.time_zone, now, start_or_none),
        SALES_SYNC_PATH: bool(sales.sync_sales),
        PAYMENTS_SYNC_PATH: bool(payments.sync_payments),
        FEES_SYNC_PATH: bool(fees.sync_fees),
        INVOICE_STATUS_PATH: (sales.invoice_status or wire.InvoiceStatusJson()).selected_invoice_status,
        GROUPING_PERIOD_PATH: period.selected_grouping_period,
        INVOICE_GROUPING_PATH: tuple((levels.invoice_level or wire.GroupByJson()).selected_group_by_options or ()),
        INVOICE_LINE_GROUPING_PATH: tuple(
            (levels.invoice_line_level or wire.GroupByJson()).selected_group_by_options or ()
        ),
    }


def _read_allowed_words(config: wire.ConfigurationJson) -> dict[str, tuple[str, ...]]:
    schedule, mapping = config.schedule or wire.ScheduleJson(), config.configuration or wire.MappingJson()
    sales = mapping.sales or wire.SalesJson()
    period, levels = _grouping(sales)
    words_by_path = {
        FREQUENCY_PATH: schedule.frequency_options,
        INVOICE_STATUS_PATH: (sales.invoice_status or wire.InvoiceStatusJson()).invoice_status_options,
        GROUPING_PERIOD_PATH: period.grouping_period_options,
        INVOICE_GROUPING_PATH: (levels.invoice_level or wire.GroupByJson()).group_by_options,
        INVOICE_LINE_GROUPING_PATH: (levels.invoice_line_level or wire.GroupByJson()).group_by_options,
    }
    return {path: tuple(word for word in words or () if isinstance(word, str)) for path, words in words_by_path.items()}


def _grouping(sales: wire.SalesJson) -> tuple[wire.GroupingPeriodJson, wire.GroupingLevelsJson]:
    grouping = sales.grouping or wire.GroupingJson()
    return grouping.grouping_period or wire.GroupingPeriodJson(), grouping.grouping_levels or wire.GroupingLevelsJson()
