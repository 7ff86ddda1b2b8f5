"""What may be asked of each list: the properties `query` and `orderBy` know, by kind (REFERENCE 1.7, 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

FieldType = Literal["text", "number", "date", "flag", "elements"]
"""How a value is read; `elements` is the one array that can be queried: text in any element."""


TAGS = "Tag"
"""The kind whose properties are not known beforehand: a company's own tags, all of them text."""


def _fields(text: str, *, numbers: str = "", dates: str = "", flags: str = "") -> dict[str, FieldType]:
    known: dict[str, FieldType] = dict.fromkeys(text.split(), "text")
    known.update(dict.fromkeys(numbers.split(), "number"))
    known.update(dict.fromkeys(dates.split(), "date"))
    known.update(dict.fromkeys(flags.split(), "flag"))
    return known


_RECORD_DATES = "modifiedDate sourceModifiedDate"
_RECORD_FLAGS = "metadata.isDeleted"
_CONTACT = "id contactName emailAddress defaultCurrency phone registrationNumber taxNumber status"

QUERYABLE: Mapping[str, Mapping[str, FieldType]] = {
    "Company": {
        **_fields("id name description platform redirect createdByUserName", dates="lastSync created"),
        "dataConnections.status": "elements",
    },
    "DataConnection": _fields(
        "id integrationId integrationKey sourceId platformName linkUrl status sourceType",
        dates="lastSync created",
    ),
    "Integration": _fields(
        "key logoUrl name sourceId integrationId sourceType supportedEnvironments dataProvidedBy",
        numbers="linkedConnectionsCount totalConnectionsCount",
        flags="enabled isOfflineConnector isBeta",
    ),
    "Dataset": _fields(
        "id companyId connectionId dataType status statusDescription errorMessage",
        numbers="progress",
        dates="requested completed",
    ),
    "Account": _fields(
        "id nominalCode name description fullyQualifiedCategory fullyQualifiedName currency type status",
        numbers="currentBalance",
        dates=_RECORD_DATES,
        flags=f"isBankAccount {_RECORD_FLAGS}",
    ),
    "BankAccount": _fields(
        "id accountName accountType nominalCode sortCode accountNumber iBan currency institution status",
        numbers="balance availableBalance overdraftLimit",
        dates=_RECORD_DATES,
        flags=_RECORD_FLAGS,
    ),
    "TaxRate": _fields(
        "id name code status",
        numbers="effectiveTaxRate totalTaxRate",
        dates=_RECORD_DATES,
        flags=_RECORD_FLAGS,
    ),
    "Customer": _fields(f"{_CONTACT} customerName", dates=_RECORD_DATES, flags=_RECORD_FLAGS),
    "Supplier": _fields(f"{_CONTACT} supplierName", dates=_RECORD_DATES, flags=_RECORD_FLAGS),
    "PushOperation": _fields(
        "companyId pushOperationKey dataConnectionKey dataType status errorMessage",
        numbers="timeoutInMinutes statusCode",
        dates="requestedOnUtc completedOnUtc",
    ),
    "Rule": _fields("id type companyId notifiers.webhook"),
    "Alert": _fields("AlertId RuleId RuleType ClientId ClientName CompanyId DataConnectionId Message"),
}
