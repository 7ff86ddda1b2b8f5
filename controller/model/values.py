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
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

SECTIONS = ("sales", "payments", "fees")
CUSTOMER = "mapping.sales.customer"
SUPPLIER = "mapping.fees.supplier"
ENABLED = "enabled"
COMPANY_NAME = "company.name"
CONNECTION_STATE = "connection.state"
FREQUENCY = "schedule.frequency"
START_DATE = "schedule.startDate"
LOCAL_TIME = "schedule.time"
SYNC_HOUR = "schedule.syncHourUtc"


class RefKind(StrEnum):
    """What a reference points at; the words begin the finding codes (`account-deleted`)."""

    ACCOUNT = "account"
    TAX_RATE = "tax-rate"
    CUSTOMER = "customer"
    SUPPLIER = "supplier"


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference as a manifest writes it: exactly one of id, code, name."""

    by: Literal["id", "code", "name"]
    value: str

    def __str__(self) -> str:
        return f"{self.by} {self.value!r}"


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a merchant's own options. Two are the same selection when their ids are."""

    id: str
    name: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """A wall-clock time of day in an IANA zone; becomes a UTC hour when a plan is made (see `model.schedule`)."""

    time: str
    zone: str


Value = bool | int | str | tuple[str, ...] | datetime | Option | None
"""What stands live, or is wanted once resolved. None means cleared or not set."""

Declared = bool | int | str | tuple[str, ...] | datetime | Ref | Clock | None
"""What a manifest says, before it is resolved for one merchant. None is the manifest's `null`: clear."""

Values = Mapping[str, Value]


def account_path(section: str, key: str) -> str:
    return f"mapping.{section}.accounts.{key}"


def tax_rate_path(rate: str) -> str:
    return f'mapping.sales.taxRates["{rate}"]'


_ACCOUNT = re.compile(r"mapping\.(sales|payments|fees)\.accounts\.(.+)")
_TAX_RATE = re.compile(r'mapping\.sales\.taxRates\["(.+)"\]')


def account_key(path: str) -> tuple[str, str] | None:
    """(section, key) of an account's path, else None."""
    match = _ACCOUNT.fullmatch(path)
    return (match[1], match[2]) if match else None


def tax_rate_key(path: str) -> str | None:
    """The rate of a tax rate's path, else None."""
    match = _TAX_RATE.fullmatch(path)
    return match[1] if match else None


def ref_kind(path: str) -> RefKind | None:
    """What a path's reference points at; None where the path holds a plain value."""
    if path == CUSTOMER:
        return RefKind.CUSTOMER
    if path == SUPPLIER:
        return RefKind.SUPPLIER
    if account_key(path):
        return RefKind.ACCOUNT
    return RefKind.TAX_RATE if tax_rate_key(path) else None


def locate(paths: Collection[str], path: str) -> str | None:
    """Live's own path for a declared one, or None where live does not offer it.

    Account keys compare without case and are found in whichever section live has them, the declared one
    first (REFERENCE 7 rows 25, 26). A wall-clock time stands where live keeps the UTC hour.
    """
    if path == LOCAL_TIME:
        return SYNC_HOUR
    if path in paths:
        return path
    wanted = account_key(path)
    if wanted is None:
        return None if tax_rate_key(path) else path
    section, key = wanted
    found = [(account_key(each), each) for each in paths]
    fitting = [(parts[0], each) for parts, each in found if parts and parts[1].lower() == key.lower()]
    return min(fitting, key=lambda pair: (pair[0] != section, pair[1]))[1] if fitting else None


def same(a: Value, b: Value) -> bool:
    """Whether two values of one field are the same; selections are compared by id alone."""
    if isinstance(a, Option) and isinstance(b, Option):
        return a.id == b.id
    return type(a) is type(b) and a == b


def to_json(value: Value | Ref | Clock) -> Any:
    """A value as plans, reports and state write it: an Option as `{id, code, name}`, an instant as ISO 8601 UTC."""
    if isinstance(value, Option):
        return {"id": value.id, "code": value.code, "name": value.name}
    if isinstance(value, Ref):
        return {"id": None, "code": None, "name": None} | {value.by: value.value}
    if isinstance(value, Clock):
        return f"{value.time} {value.zone}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, tuple) else value


def from_json(path: str, value: Any) -> Value:
    """The inverse of `to_json` for a resolved value at this path."""
    if isinstance(value, dict):
        return Option(value["id"], value.get("name"), value.get("code"))
    if path == START_DATE and isinstance(value, str):
        return datetime.fromisoformat(value)
    return tuple(value) if isinstance(value, list) else value
