"""The service's JSON, as it is: every field may be absent or null, enums are open, unknown fields are no fault.

Only what we read is named. What is sent back is never made from these but from the document as it came
(`document`), so nothing unknown is lost.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True, frozen=True)


class ConnectionProblem(Wire):
    error_message: str | None = None
    status_text: str | None = None
    status: str | None = None


class Connection(Wire):
    """REFERENCE 3.2"""

    id: str
    integration_key: str | None = None
    platform_name: str | None = None
    source_type: str | None = None
    status: str | None = None
    link_url: str | None = None
    last_sync: str | None = None
    data_connection_errors: list[ConnectionProblem] | None = None


class Company(Wire):
    """REFERENCE 3.1"""

    id: str
    name: str | None = None
    data_connections: list[Connection] | None = None


class CompanyPage(Wire):
    """REFERENCE 1.6"""

    results: list[Company]
    total_results: int


class Metadata(Wire):
    is_deleted: bool | None = None


class Record(Wire):
    """An account, tax rate, customer or supplier (REFERENCE 3.10)."""

    id: str
    name: str | None = None
    customer_name: str | None = None
    supplier_name: str | None = None
    nominal_code: str | None = None
    code: str | None = None
    status: str | None = None
    metadata: Metadata | None = None


class RecordPage(Wire):
    results: list[Record]


class Pull(Wire):
    """One data type in the data status (REFERENCE 3.8)."""

    current_status: str | None = None
    last_successful_sync: str | None = None


class DateRange(Wire):
    start: str | None = None
    finish: str | None = None


class Sync(Wire):
    """REFERENCE 3.12; its id goes by two names."""

    sync_date_range_utc: DateRange | None = None
    commerce_sync_id: str | None = None
    sync_id: str | None = None
    sync_status_code: int | None = None
    sync_status: str | None = None
    error_message: str | None = None
    sync_exception_message: str | None = None
    sync_utc: str | None = None
    data_pushed: bool | None = None


class Uploaded(Wire):
    """REFERENCE 3.13"""

    dataset_id: str


class Dataset(Wire):
    """REFERENCE 3.9"""

    id: str
    data_type: str | None = None
    status: str | None = None
    status_description: str | None = None
    error_message: str | None = None


class SyncFlow(Wire):
    """REFERENCE 3.5"""

    url: str


class Owner(Wire):
    """Whose document this is: reading it proves the JSON whole without making anything of the rest."""

    company_id: str


class Option(Wire):
    id: str
    name: str | None = None
    nominal_code: str | None = None


class Account(Wire):
    """ConfigAccount (REFERENCE 4.3)."""

    selected_account_id: str | None = None
    required: bool | None = None
    account_options: list[Option] | None = None


class TaxRate(Wire):
    selected_tax_rate_id: str | None = None
    tax_rate_options: list[Option] | None = None


class InvoiceStatus(Wire):
    selected_invoice_status: str | None = None
    invoice_status_options: list[str] | None = None


class Customer(Wire):
    selected_customer_id: str | None = None
    customer_options: list[Option] | None = None


class Supplier(Wire):
    selected_supplier_id: str | None = None
    supplier_options: list[Option] | None = None


class GroupingPeriod(Wire):
    selected_grouping_period: str | None = None
    grouping_period_options: list[str] | None = None


class GroupBy(Wire):
    selected_group_by_options: list[str] | None = None
    group_by_options: list[str] | None = None


class GroupingLevels(Wire):
    invoice_level: GroupBy | None = None
    invoice_line_level: GroupBy | None = None


class Grouping(Wire):
    grouping_period: GroupingPeriod | None = None
    grouping_levels: GroupingLevels | None = None


class Sales(Wire):
    sync_sales: bool | None = None
    accounts: dict[str, Account | None] | None = None
    invoice_status: InvoiceStatus | None = None
    sales_customer: Customer | None = None
    tax_rates: dict[str, TaxRate | None] | None = None
    grouping: Grouping | None = None


class Payments(Wire):
    sync_payments: bool | None = None
    accounts: dict[str, Account | None] | None = None


class Fees(Wire):
    sync_fees: bool | None = None
    accounts: dict[str, Account | None] | None = None
    fees_supplier: Supplier | None = None


class Mapping(Wire):
    sales: Sales | None = None
    payments: Payments | None = None
    fees: Fees | None = None


class Schedule(Wire):
    selected_frequency: str | None = None
    frequency_options: list[str] | None = None
    start_date: str | None = None
    sync_hour_utc: int | None = None
    time_zone: str | None = None


class Configuration(Wire):
    """The configuration document (REFERENCE 4.2)."""

    company_id: str | None = None
    accounting_software_company_name: str | None = None
    enabled: bool | None = None
    configured: bool | None = None
    schedule: Schedule | None = None
    configuration: Mapping | None = None
