"""Whether a configuration may be saved: the rules of API notes 4.5 with the messages of 4.8, stage C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.configuration_document import Document
from controller.emulator.service.errors import ValidationItem, not_valid

VALIDATOR_NAME = "CommerceConfiguration"
TWO_CONNECTIONS_TEXT = "Company needs to have two valid data connections."

DocumentRule = Callable[[Document, Mapping[str, Any]], Iterator[ValidationItem]]

_FLAG_FIELDS = frozenset(("enabled", "syncSales", "syncPayments", "syncFees"))
_LIST_FIELDS = frozenset(("selectedGroupByOptions", "taxRateMappings"))
_HOURS_OF_DAY = range(24)


def validate_document(candidate: Document, chosen: Mapping[str, Any], shapes: Document) -> list[ValidationItem]:
    """Everything that is wrong with a document, in the order of API notes 4.8.

    `candidate` is the whole document as it would be stored, `chosen` what the caller set of it, `shapes` the
    shape of a document. Raises ApiError 400 where a value is not even of its type.
    """
    _check_types(candidate, shapes)
    start_instant(candidate)
    sections = chosen.get("configuration") or {}
    return [item for check in _DOCUMENT_RULES for item in check(candidate, sections)]


def start_instant(candidate: Document) -> datetime:
    """The instant of `startDate`, read in `timeZone` where it names no offset. Raises ApiError 400."""
    schedule = candidate["schedule"]
    try:
        moment = datetime.fromisoformat(schedule["startDate"])
    except ValueError:
        raise not_valid() from None
    if moment.tzinfo or not schedule["timeZone"]:
        return parse_timestamp(schedule["startDate"])
    return moment.replace(tzinfo=ZoneInfo(schedule["timeZone"]))


@cache
def _zone_names() -> frozenset[str]:
    """The IANA names; collecting them reads the whole database, so it is done once."""
    return frozenset(available_timezones())


def _check_types(candidate: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    for field, shape in shapes.items():
        value = candidate[field]
        if isinstance(shape, dict):
            if not isinstance(value, dict):
                raise not_valid()
            _check_types(value, shape)
        elif not _has_its_type(field, value):
            raise not_valid()


def _has_its_type(field: str, value: Any) -> bool:
    if field in _FLAG_FIELDS:
        return isinstance(value, bool)
    if field in _LIST_FIELDS:
        return value is None or isinstance(value, list)
    if field == "syncHourUtc":
        return isinstance(value, int) and not isinstance(value, bool) and value in _HOURS_OF_DAY
    if field == "startDate":
        return isinstance(value, str)
    if field == "timeZone":
        return value is None or (isinstance(value, str) and value in _zone_names())
    return not field.startswith("selected") or value is None or isinstance(value, str)


def _check_fees_have_payments(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    config = doc["configuration"]
    if not config["fees"]["syncFees"]:
        return
    if sections.get("payments") is None:
        yield _validation_item("configuration.payments", "To sync fees, Payments section needs to exist.")
    elif config["payments"]["accounts"]["card"]["selectedAccountId"] is None:
        path = "configuration.payments.accounts.card.selectedAccountId"
        yield _validation_item(path, "To sync fees, Payments account Id needs to be set.")


def _check_prepaid_accounts_differ(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sold = _selected_account_id(doc, "sales", "prepaid")
    if sold is not None and sold == _selected_account_id(doc, "payments", "prepaidPayment"):
        path = "configuration.payments.accounts.prepaidPayment.selectedAccountId"
        yield _validation_item(
            path, "Payments config invalid. Prepaid account should not match prepaid payment account."
        )
        path = "configuration.sales.accounts.prepaid.selectedAccountId"
        yield _validation_item(
            path,
            "Accounts config invalid. Prepaid account in Sales should not match PrepaidPayment in Payments.",
        )


def _check_card_is_not_payout(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    card = _selected_account_id(doc, "payments", "card")
    if card is not None and card == _selected_account_id(doc, "payments", "payout"):
        path = "configuration.payments.accounts.payout.selectedAccountId"
        yield _validation_item(path, "Payments config invalid. Card Account should not match Payout Account.")


def _check_customer(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sales = doc["configuration"]["sales"]
    path, chosen = "configuration.sales.salesCustomer.selectedCustomerId", sales["salesCustomer"]
    if chosen["selectedCustomerId"] is None:
        if sales["syncSales"]:
            yield _validation_item(path, "No sales customer has been configured.")
    elif chosen["selectedCustomerId"] not in _option_ids(chosen["customerOptions"]):
        yield _validation_item(path, "Selected customer not present in customer options.")


def _check_accounts_offered(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    for path, row in _account_rows(doc):
        selected = row.get("selectedAccountId")
        if selected is not None and selected not in _option_ids(row.get("accountOptions")):
            yield _validation_item(f"{path}.selectedAccountId", "Selected Account is not a valid option.")


def _check_grouping(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sales = doc["configuration"]["sales"]
    period, levels = sales["grouping"]["groupingPeriod"], sales["grouping"]["groupingLevels"]
    path = "configuration.sales.grouping"
    if period["selectedGroupingPeriod"] is None:
        if sales["syncSales"]:
            yield _validation_item(f"{path}.groupingPeriod.selectedGroupingPeriod", "No grouping period selected.")
    elif period["selectedGroupingPeriod"] not in period["groupingPeriodOptions"]:
        yield _validation_item(
            f"{path}.groupingPeriod.selectedGroupingPeriod", "Grouping period selected not from options."
        )
    for level, label in (("invoiceLevel", "invoice level"), ("invoiceLineLevel", "invoice line level")):
        if not _is_grouping_offered(levels[level]):
            yield _validation_item(
                f"{path}.groupingLevels.{level}.selectedGroupByOptions", f"Invalid {label} grouping selected."
            )


def _check_no_payments_on_drafts(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    config = doc["configuration"]
    status = config["sales"]["invoiceStatus"]["selectedInvoiceStatus"] or ""
    if config["payments"]["syncPayments"] and status.lower() == "draft":
        yield _validation_item(
            "configuration.payments.syncPayments",
            "Payments cannot be enabled if invoice status is set to 'draft'.",
        )


def _check_required_accounts(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    for path, row in _account_rows(doc, only_enabled=True):
        if row.get("required") is True and row.get("selectedAccountId") is None:
            yield _validation_item(f"{path}.selectedAccountId", "Config contains required accounts without selections.")


def _check_sales_account_offered(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sales = doc["configuration"]["sales"]
    if sales["syncSales"] and not sales["accounts"]["sales"]["accountOptions"]:
        yield _validation_item("configuration.sales.accounts.sales", "No Sales Account Present.")


def _check_frequency(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    schedule, path = doc["schedule"], "schedule.selectedFrequency"
    if schedule["selectedFrequency"] is None:
        yield _validation_item(path, "No schedule selected frequency.")
    elif schedule["selectedFrequency"] not in schedule["frequencyOptions"]:
        yield _validation_item(path, "Selected schedule frequency not present in options.")


def _check_invoice_status(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sales = doc["configuration"]["sales"]
    path, status = "configuration.sales.invoiceStatus.selectedInvoiceStatus", sales["invoiceStatus"]
    if status["selectedInvoiceStatus"] is None:
        if sales["syncSales"]:
            yield _validation_item(path, "No selected invoice status.")
    elif status["selectedInvoiceStatus"].lower() not in ("submitted", "draft"):
        yield _validation_item(path, "Invalid invoice status selected (must be submitted or draft).")


def _check_tax_rates(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    sales = doc["configuration"]["sales"]
    for rate, row in sales["taxRates"].items():
        path = f"configuration.sales.taxRates['{rate}'].selectedTaxRateId"
        if not isinstance(row, dict) or "taxRateOptions" not in row:
            continue
        if row["selectedTaxRateId"] is None:
            if sales["syncSales"]:
                yield _validation_item(path, "Tax rate is missing selected tax rate id.")
        elif row["selectedTaxRateId"] not in _option_ids(row["taxRateOptions"]):
            yield _validation_item(path, f"Selected tax rate id for {rate}% tax-rate has no options.")


def _check_supplier(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    fees = doc["configuration"]["fees"]
    path, chosen = "configuration.fees.feesSupplier.selectedSupplierId", fees["feesSupplier"]
    if chosen["selectedSupplierId"] is None:
        if fees["syncFees"]:
            yield _validation_item(path, "No fees supplier has been configured.")
    elif chosen["selectedSupplierId"] not in _option_ids(chosen["supplierOptions"]):
        yield _validation_item(path, "Selected supplier not present in supplier options.")


def _check_payments_have_sales(doc: Document, sections: Mapping[str, Any]) -> Iterator[ValidationItem]:
    """API notes 4.5 #2; the documents print no message of their own for it."""
    config = doc["configuration"]
    if config["payments"]["syncPayments"] and not config["sales"]["syncSales"]:
        yield _validation_item(
            "configuration.payments.syncPayments", "Payments cannot be enabled if sales are not synced."
        )


_DOCUMENT_RULES: tuple[DocumentRule, ...] = (
    _check_fees_have_payments,  # 2, 3
    _check_prepaid_accounts_differ,  # 4, 5
    _check_card_is_not_payout,  # 6
    _check_customer,  # 7, 8
    _check_accounts_offered,  # 9
    _check_grouping,  # 10 to 13
    _check_no_payments_on_drafts,  # 14
    _check_required_accounts,  # 15
    _check_sales_account_offered,  # 16
    _check_frequency,  # 17, 18
    _check_invoice_status,  # 19, 20
    _check_tax_rates,  # 21, 22
    _check_supplier,  # 23, 24
    _check_payments_have_sales,
)
"""By the number of their message in API notes 4.8. A section that is off is only asked for dangling ids."""

_SWITCHES = {"sales": "syncSales", "payments": "syncPayments", "fees": "syncFees"}


def _validation_item(path: str, message: str) -> ValidationItem:
    return ValidationItem(path, message, VALIDATOR_NAME)


def _selected_account_id(doc: Document, section: str, key: str) -> str | None:
    selected: str | None = doc["configuration"][section]["accounts"][key]["selectedAccountId"]
    return selected


def _account_rows(doc: Document, *, only_enabled: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows that offer accounts, with their path; a row some portal edit put there may not be one."""
    for section, switch in _SWITCHES.items():
        content = doc["configuration"][section]
        if only_enabled and not content[switch]:
            continue
        for key, row in content["accounts"].items():
            if isinstance(row, dict) and "accountOptions" in row:
                yield f"configuration.{section}.accounts.{key}", row


def _option_ids(options: Any) -> list[Any]:
    return [option.get("id") for option in options or () if isinstance(option, dict)]


def _is_grouping_offered(level: dict[str, Any]) -> bool:
    return all(option in (level["groupByOptions"] or ()) for option in level["selectedGroupByOptions"] or ())
