"""Field paths and the values that stand at them: one spelling for manifests, plans, findings and state.

A field path is the manifest's own path below `spec`, keys with dots in brackets:

    company.name · connection.platform · connection.state · enabled
    schedule.frequency · schedule.startDate · schedule.time | schedule.syncHourUtc
    mapping.sales.sync · mapping.sales.accounts.<key> · mapping.sales.invoiceStatus · mapping.sales.customer
    mapping.sales.taxRates["<rate>"] · mapping.sales.grouping.{period,invoice,invoiceLine}
    mapping.payments.sync · mapping.payments.accounts.<key>
    mapping.fees.sync · mapping.fees.supplier · mapping.fees.accounts.<key>
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal

from controller.model.name_matching import nfc
from controller.quick_dataclasses import dataclass

MAPPING_SECTIONS = ("sales", "payments", "fees")
CUSTOMER_PATH = "mapping.sales.customer"
SUPPLIER_PATH = "mapping.fees.supplier"
ENABLED_PATH = "enabled"
COMPANY_NAME_PATH = "company.name"
CONNECTION_STATE_PATH = "connection.state"
PLATFORM_PATH = "connection.platform"
CONNECTION_ID_PATH = "connection.id"
REPLACED_CONNECTIONS_PATH = "connection.replaced"
REPLACE_CONNECTION_PATH = "policy.replaceConnection.to"
SALES_SYNC_PATH, PAYMENTS_SYNC_PATH, FEES_SYNC_PATH = (f"mapping.{section}.sync" for section in MAPPING_SECTIONS)
INVOICE_STATUS_PATH = "mapping.sales.invoiceStatus"
GROUPING_PERIOD_PATH = "mapping.sales.grouping.period"
INVOICE_GROUPING_PATH = "mapping.sales.grouping.invoice"
INVOICE_LINE_GROUPING_PATH = "mapping.sales.grouping.invoiceLine"
FREQUENCY_PATH = "schedule.frequency"
START_DATE_PATH = "schedule.startDate"
LOCAL_TIME_PATH = "schedule.time"
SYNC_HOUR_PATH = "schedule.syncHourUtc"


class RefKind(StrEnum):
    """What a reference points at; the words begin the finding codes (`account-deleted`)."""

    ACCOUNT = "account"
    TAX_RATE = "tax-rate"
    CUSTOMER = "customer"
    SUPPLIER = "supplier"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that may be created in the books (API notes 3.11).

    type  Codat's fully qualified category, such as `Asset.Current`
    """

    name: str
    code: str | None
    type: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference as a manifest writes it: exactly one of id, code, name.

    create  the account that it may have created where the books have none
    """

    by: Literal["id", "code", "name"]
    value: str
    create: NewAccount | None = None

    def __str__(self) -> str:
        return f"{self.by} {self.value!r}"


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a merchant's own options. Two are the same selection when their ids are.

    matched_by  of one that we set: the key by which the manifest's reference led here (id, code, name); None = unknown
    id          empty for an account that is still to be created
    kind        what Codat says of an account: Bank or Nominal (API notes 4.3); None where it does not
    """

    id: str
    name: str | None = None
    code: str | None = None
    matched_by: str | None = field(default=None, compare=False)
    kind: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A wall-clock time of day in an IANA zone; becomes a UTC hour when a plan is made (see `model.local_times`)."""

    time: str
    zone: str


Value = bool | int | str | tuple[str, ...] | datetime | Option | None
"""A live value, or a desired one once it is resolved. None means cleared or not set."""

DeclaredValue = bool | int | str | tuple[str, ...] | datetime | Ref | LocalTime | None
"""A value as a manifest declares it, before it is resolved for one merchant. None is `null`: clear."""

SettingValue = bool | int | str | tuple[str, ...] | None
"""A value of a setting of the account: there are no references among them. None resets it to Codat's own."""

Values = Mapping[str, Value]


def account_path(section: str, key: str) -> str:
    return f"mapping.{section}.accounts.{key}"


def tax_rate_path(rate: str) -> str:
    return f'mapping.sales.taxRates["{rate}"]'


def canonical_tax_rate(text: str) -> str:
    """A tax rate's key without trailing zeros, as Codat writes it (API notes 4.2): "20.0" is "20".

    What is no decimal number stays as it is.
    """
    try:
        rate = Decimal(text.strip())
    except InvalidOperation:
        return text
    if not rate.is_finite():
        return text
    digits = f"{rate:f}"
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) or "0"


_ACCOUNT_PATH = re.compile(r"mapping\.(sales|payments|fees)\.accounts\.(.+)")
_TAX_RATE_PATH = re.compile(r'mapping\.sales\.taxRates\["(.+)"\]')


def split_account_path(path: str) -> tuple[str, str] | None:
    """(section, key) of an account's path, else None."""
    match = _ACCOUNT_PATH.fullmatch(path)
    return (match[1], match[2]) if match else None


def parse_tax_rate_path(path: str) -> str | None:
    """The rate of a tax rate's path, else None."""
    match = _TAX_RATE_PATH.fullmatch(path)
    return match[1] if match else None


def ref_kind(path: str) -> RefKind | None:
    """What a path's reference points at; None where the path holds a plain value."""
    if path == CUSTOMER_PATH:
        return RefKind.CUSTOMER
    if path == SUPPLIER_PATH:
        return RefKind.SUPPLIER
    if split_account_path(path):
        return RefKind.ACCOUNT
    return RefKind.TAX_RATE if parse_tax_rate_path(path) else None


def resolve_live_path(paths: Collection[str], path: str) -> str | None:
    """Live's own path for a declared one, or None where live does not offer it.

    Account keys compare without case and are found in whichever section live has them, the declared one first (API
    notes 7 #25, #26). Live has the UTC hour of a declared local time.
    """
    if path == LOCAL_TIME_PATH:
        return SYNC_HOUR_PATH
    if path in paths:
        return path
    account = split_account_path(path)
    if account is None:
        return None if parse_tax_rate_path(path) else path
    section, key = account
    same_key = []
    for live_path in paths:
        live_account = split_account_path(live_path)
        if live_account and live_account[1].lower() == key.lower():
            same_key.append((live_account[0] != section, live_path))
    return min(same_key)[1] if same_key else None


def values_equal(a: Value, b: Value) -> bool:
    """Whether two values of one field are equal: selections by id alone, words without case, lists as sets.

    Codat stores words in its own case, and lists of them in its own order.
    """
    if isinstance(a, Option) and isinstance(b, Option):
        return a.id == b.id
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    if isinstance(a, tuple) and isinstance(b, tuple):
        return {word.casefold() for word in a} == {word.casefold() for word in b}
    return type(a) is type(b) and a == b


def ref_to_manifest(ref: Ref) -> dict[str, Any]:
    """A reference as a manifest writes it: `{code: "610"}`, with `create` where it has that."""
    if ref.create is None:
        return {ref.by: ref.value}
    new = {"name": ref.create.name, "code": ref.create.code, "type": ref.create.type}
    new["description"] = ref.create.description
    return {ref.by: ref.value, "create": {key: text for key, text in new.items() if text and key != ref.by}}


def value_to_json(value: Value | Ref | LocalTime) -> Any:
    """A value as plans, reports and state write it: an Option as `{id, code, name}`, an instant as ISO 8601 UTC."""
    if isinstance(value, Option):
        return {"id": value.id or None, "code": value.code, "name": value.name}
    if isinstance(value, Ref):
        return {"id": None, "code": None, "name": None} | ref_to_manifest(value)
    if isinstance(value, LocalTime):
        return f"{value.time} {value.zone}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, tuple) else value


def value_from_json(path: str, value: Any) -> Value:
    """The inverse of `value_to_json` for a resolved value of this path. A start that is no instant stays text.

    Text is in NFC, in which it is compared; earlier versions wrote it in other forms, too.
    """
    if isinstance(value, dict):
        name, code = value.get("name"), value.get("code")
        return Option(value["id"], name and nfc(name), code and nfc(code), value.get("by"))
    if isinstance(value, str) and path == START_DATE_PATH:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            return value
        return instant if instant.tzinfo else value
    if isinstance(value, str):
        return nfc(value)
    return tuple(value) if isinstance(value, list) else value
