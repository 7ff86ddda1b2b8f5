"""Codat's JSON: every field may be absent or null, enums are open, unknown fields are ignored.

Lists and maps are read row by row: a row in a form that we do not know is an `UnexpectedRow`; the others are read.

Only fields that we read are here. A document that is sent back is never made from these models but from the document
as it came (`raw_json`), so nothing unknown is lost.
"""

# No `from __future__ import annotations`: WireModel reads the annotations, and strings would have to be compiled anew.
from types import MappingProxyType

from controller.codat.wire_model import TolerantRow, WireModel


class ConnectionErrorJson(WireModel):
    error_message: str | None = None
    status_text: str | None = None
    status: str | None = None


class ConnectionJson(WireModel):
    """API notes 3.2"""

    id: str
    integration_key: str | None = None
    platform_name: str | None = None
    source_type: str | None = None
    status: str | None = None
    link_url: str | None = None
    last_sync: str | None = None
    data_connection_errors: list[TolerantRow[ConnectionErrorJson]] | None = None


class CompanyJson(WireModel):
    """API notes 3.1"""

    id: str
    name: str | None = None
    data_connections: list[TolerantRow[ConnectionJson]] | None = None


class PageLinksJson(WireModel):
    """Links to other pages; `next` is None on the last one."""

    next: object = None


class CompanyPageJson(WireModel):
    """API notes 1.6"""

    NAMES = MappingProxyType({"links": "_links"})

    results: list[TolerantRow[CompanyJson]]
    total_results: int
    page_number: int | None = None
    links: PageLinksJson | None = None


class RecordMetadataJson(WireModel):
    is_deleted: bool | None = None


class RecordJson(WireModel):
    """An account, tax rate, customer or supplier (API notes 3.10)."""

    id: str
    name: str | None = None
    customer_name: str | None = None
    supplier_name: str | None = None
    nominal_code: str | None = None
    code: str | None = None
    status: str | None = None
    metadata: RecordMetadataJson | None = None


class RecordPageJson(WireModel):
    results: list[TolerantRow[RecordJson]]
    total_results: int | None = None


class DataTypeStatusJson(WireModel):
    """One data type in the data status (API notes 3.8)."""

    current_status: str | None = None
    last_successful_sync: str | None = None


class DateRangeJson(WireModel):
    start: str | None = None
    finish: str | None = None


class SyncJson(WireModel):
    """API notes 3.12; its id has one of two names."""

    sync_date_range_utc: DateRangeJson | None = None
    commerce_sync_id: str | None = None
    sync_id: str | None = None
    sync_status_code: int | None = None
    sync_status: str | None = None
    error_message: str | None = None
    sync_exception_message: str | None = None
    sync_utc: str | None = None
    data_pushed: bool | None = None


class PushedRecordJson(WireModel):
    id: str | None = None


class PushChangeJson(WireModel):
    record_ref: PushedRecordJson | None = None


class PushFaultJson(WireModel):
    message: str | None = None


class PushValidationJson(WireModel):
    errors: list[TolerantRow[PushFaultJson]] | None = None


class PushJson(WireModel):
    """API notes 3.11; older answers call the connection otherwise, and the data type `accounts`."""

    push_operation_key: str
    status: str
    data_type: str | None = None
    data_connection_key: str | None = None
    data_connection_id: str | None = None
    requested_on_utc: str | None = None
    changes: list[TolerantRow[PushChangeJson]] | None = None
    error_message: str | None = None
    validation: PushValidationJson | None = None


class PushPageJson(WireModel):
    results: list[PushJson]  # all or none: a row left out would count as not sent, and be sent again
    total_results: int


class PushChoiceJson(WireModel):
    value: str


class PushPropertyJson(WireModel):
    options: list[TolerantRow[PushChoiceJson]] | None = None


class PushOptionsJson(WireModel):
    """API notes 3.11 #34"""

    properties: dict[str, TolerantRow[PushPropertyJson]] | None = None


class UploadedJson(WireModel):
    """API notes 3.13"""

    dataset_id: str


class DatasetJson(WireModel):
    """API notes 3.9"""

    id: str
    data_type: str | None = None
    status: str | None = None
    status_description: str | None = None
    error_message: str | None = None
    requested: str | None = None


class DatasetPageJson(WireModel):
    """API notes 3.9"""

    results: list[DatasetJson]  # all or none: a row left out may be the dataset of a request whose answer was lost


class SyncFlowJson(WireModel):
    """API notes 3.5"""

    url: str


class DocumentOwnerJson(WireModel):
    """Whose configuration document this is; parsing it also proves that the JSON is complete."""

    company_id: str


class OptionJson(WireModel):
    """API notes 4.3. `classification` only informs: of whatever form it is, the option is read."""

    id: str
    name: str | None = None
    nominal_code: str | None = None
    classification: object = None


class AccountJson(WireModel):
    """ConfigAccount (API notes 4.3)."""

    selected_account_id: str | None = None
    required: bool | None = None
    account_options: list[TolerantRow[OptionJson]] | None = None


class TaxRateJson(WireModel):
    selected_tax_rate_id: str | None = None
    tax_rate_options: list[TolerantRow[OptionJson]] | None = None


class InvoiceStatusJson(WireModel):
    selected_invoice_status: str | None = None
    invoice_status_options: list[TolerantRow[str]] | None = None


class CustomerJson(WireModel):
    selected_customer_id: str | None = None
    customer_options: list[TolerantRow[OptionJson]] | None = None


class SupplierJson(WireModel):
    selected_supplier_id: str | None = None
    supplier_options: list[TolerantRow[OptionJson]] | None = None


class GroupingPeriodJson(WireModel):
    selected_grouping_period: str | None = None
    grouping_period_options: list[TolerantRow[str]] | None = None


class GroupByJson(WireModel):
    selected_group_by_options: list[str] | None = None
    group_by_options: list[TolerantRow[str]] | None = None


class GroupingLevelsJson(WireModel):
    invoice_level: GroupByJson | None = None
    invoice_line_level: GroupByJson | None = None


class GroupingJson(WireModel):
    grouping_period: GroupingPeriodJson | None = None
    grouping_levels: GroupingLevelsJson | None = None


class SalesJson(WireModel):
    sync_sales: bool | None = None
    accounts: dict[str, TolerantRow[AccountJson | None]] | None = None
    invoice_status: InvoiceStatusJson | None = None
    sales_customer: CustomerJson | None = None
    tax_rates: dict[str, TolerantRow[TaxRateJson | None]] | None = None
    grouping: GroupingJson | None = None


class PaymentsJson(WireModel):
    sync_payments: bool | None = None
    accounts: dict[str, TolerantRow[AccountJson | None]] | None = None


class FeesJson(WireModel):
    sync_fees: bool | None = None
    accounts: dict[str, TolerantRow[AccountJson | None]] | None = None
    fees_supplier: SupplierJson | None = None


class MappingJson(WireModel):
    sales: SalesJson | None = None
    payments: PaymentsJson | None = None
    fees: FeesJson | None = None


class ScheduleJson(WireModel):
    selected_frequency: str | None = None
    frequency_options: list[TolerantRow[str]] | None = None
    start_date: str | None = None
    sync_hour_utc: int | None = None
    time_zone: str | None = None


class ConfigurationJson(WireModel):
    """The configuration document (API notes 4.2)."""

    company_id: str | None = None
    accounting_software_company_name: str | None = None
    enabled: bool | None = None
    enable: object = None  # what version 2 calls it
    configured: bool | None = None
    schedule: ScheduleJson | None = None
    configuration: MappingJson | None = None
