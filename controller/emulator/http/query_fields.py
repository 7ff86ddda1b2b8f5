"""What may be asked of each list: the properties `query` and `orderBy` know, by kind (API notes 1.7, 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

FieldType = Literal["text", "number", "date", "flag", "elements"]
"""How a value is read; `elements` is the one array that can be queried: text in any element."""


TAG_KIND = "Tag"
"""The kind whose properties are not known beforehand: a company's own tags, all of them text."""


def _field_types(text: str, *, numbers: str = "", dates: str = "", flags: str = "") -> dict[str, FieldType]:
    known: dict[str, FieldType] = dict.fromkeys(text.split(), "text")
    known.update(dict.fromkeys(numbers.split(), "number"))
    known.update(dict.fromkeys(dates.split(), "date"))
    known.update(dict.fromkeys(flags.split(), "flag"))
    return known


_RECORD_DATES = "modifiedDate sourceModifiedDate"
_RECORD_FLAGS = "metadata.isDeleted"
_CONTACT_FIELDS = "id contactName emailAddress defaultCurrency phone registrationNumber taxNumber status"

QUERYABLE: Mapping[str, Mapping[str, FieldType]] = {
    "Company": {
        **_field_types("id name description platform redirect createdByUserName", dates="lastSync created"),
        "dataConnections.status": "elements",
    },
    "DataConnection": _field_types(
        "id integrationId integrationKey sourceId platformName linkUrl status sourceType",
        dates="lastSync created",
    ),
    "Integration": _field_types(
        "key logoUrl name sourceId integrationId sourceType supportedEnvironments dataProvidedBy",
        numbers="linkedConnectionsCount totalConnectionsCount",
        flags="enabled isOfflineConnector isBeta",
    ),
    "Dataset": _field_types(
        "id companyId connectionId dataType status statusDescription errorMessage",
        numbers="progress",
        dates="requested completed",
    ),
    "Account": _field_types(
        "id nominalCode name description fullyQualifiedCategory fullyQualifiedName currency type status",
        numbers="currentBalance",
        dates=_RECORD_DATES,
        flags=f"isBankAccount {_RECORD_FLAGS}",
    ),
    "BankAccount": _field_types(
        "id accountName accountType nominalCode sortCode accountNumber iBan currency institution status",
        numbers="balance availableBalance overdraftLimit",
        dates=_RECORD_DATES,
        flags=_RECORD_FLAGS,
    ),
    "TaxRate": _field_types(
        "id name code status",
        numbers="effectiveTaxRate totalTaxRate",
        dates=_RECORD_DATES,
        flags=_RECORD_FLAGS,
    ),
    "Customer": _field_types(f"{_CONTACT_FIELDS} customerName", dates=_RECORD_DATES, flags=_RECORD_FLAGS),
    "Supplier": _field_types(f"{_CONTACT_FIELDS} supplierName", dates=_RECORD_DATES, flags=_RECORD_FLAGS),
    "PushOperation": _field_types(
        "companyId pushOperationKey dataConnectionKey dataType status errorMessage",
        numbers="timeoutInMinutes statusCode",
        dates="requestedOnUtc completedOnUtc",
    ),
    "Rule": _field_types("id type companyId notifiers.webhook"),
    "Alert": _field_types("AlertId RuleId RuleType ClientId ClientName CompanyId DataConnectionId Message"),
}
