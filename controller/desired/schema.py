"""The shape of a manifest: which keys there are and what each may hold. The JSON Schema for editors comes from here.

Typed dictionaries, because in a manifest «absent», «null» and «empty» are three different wishes: a key that is
not there stays absent, and null is allowed only where the type says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from controller.desired.platforms import KEYS, NAMES, key_of, nearest
from controller.model.schedule import complaint_about_zone

API_VERSION = "merchantctl/v1"
MERCHANT, PROFILE = "Merchant", "MappingProfile"
PLAUSIBLE_YEARS = range(2000, 2100)
LONGEST = 500
"""Characters of any text."""

ACCOUNT_KEYS = (
    *("sales", "refund", "gratuity", "prepaid", "prePaid"),
    *("card", "cash", "invoice", "onlineCard", "swish", "vipps", "mobile", "storeCredit", "paypal", "paypalQr"),
    *("custom", "manual", "payout", "prepaidPayment"),
    *("paymentFee", "paymentFeeRefund", "loan", "loanPayment", "loanFee", "cashback"),
)
"""The account types that REFERENCE 4.4 lists. A service may offer more: other words are taken too."""

_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_KNOWN_ACCOUNTS = {key.lower(): key for key in ACCOUNT_KEYS}
_STRICT = ConfigDict(strict=True, extra="forbid")


def canonical_rate(text: str) -> str:
    """A tax rate's key as the service writes it (REFERENCE 4.2): "20.0" is "20"."""
    return format(Decimal(text).normalize(), "f")


def _wrong(what: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("manifest", "{what}", {"what": what, "remedy": remedy})


def _exactly_one(reference: Mapping[str, str]) -> Mapping[str, str]:
    if len(reference) == 1:
        return reference
    given = " and ".join(reference) or "none of them"
    raise _wrong(f"a reference is exactly one of id, code and name; here: {given}", "keep one")


def _known_platform(word: str) -> str:
    if key_of(word):
        return word
    raise _wrong(f"there is no accounting platform {word!r}", f"the nearest: {nearest(word)}")


def _known_zone(zone: str) -> str:
    wrong = complaint_about_zone(zone)
    if wrong:
        raise _wrong(wrong, "name a zone of the IANA database, such as Europe/London")
    return zone


def _plausible_date(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _wrong(f"there is no date {text}", "write YYYY-MM-DD") from None
    if day.year not in PLAUSIBLE_YEARS:
        raise _wrong(f"a start in the year {day.year}", "name the first day to sync, such as 2026-12-01")
    return text


def _accounts_once(accounts: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: dict[str, str] = {}
    for key in accounts:
        if key.lower() in seen:
            raise _wrong(f"{seen[key.lower()]!r} and {key!r} are the same account", "keep one of them")
        seen[key.lower()] = key
    return accounts


@cache
def _no_slip(key: str) -> str:
    """A word this close to a known account type is a slip of the pen, not a type that only the service knows."""
    near = get_close_matches(key.lower(), _KNOWN_ACCOUNTS, n=1, cutoff=0.85)
    if near and near[0] != key.lower():
        raise _wrong(f"there is no account {key!r}", f"did you mean {_KNOWN_ACCOUNTS[near[0]]!r}?")
    return key


def is_rate(key: str) -> bool:
    """Whether a tax rate may be written like that."""
    return bool(_RATE.fullmatch(key))


def _rate(key: str) -> str:
    if not is_rate(key):
        raise _wrong(f"{key!r} is not a tax rate", 'write the rate as a decimal number, such as "17.5"')
    return key


def _rates_once(rates: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: dict[str, str] = {}
    for key in rates:
        rate = canonical_rate(key)
        if rate in seen:
            raise _wrong(f"{seen[rate]!r} and {key!r} are the same tax rate", "keep one of them")
        seen[rate] = key
    return rates


def _distinct(words: Sequence[str]) -> Sequence[str]:
    if len(set(words)) < len(words):
        raise _wrong("an entry stands here twice", "keep one of them")
    return words


_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f]"
_ENDS = r"[^\s\x00-\x1f\x7f-\x9f]"
_NAME = f"^{_ENDS}({_PRINTABLE}{{0,198}}{_ENDS})?$"
_LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ACCOUNT_KEY = r"^[A-Za-z][A-Za-z0-9]{0,63}$"

PATTERN_WORDS = {
    _NAME: "a name is 1 to 200 printable characters without space at its ends",
    _LABEL_KEY: "a label's key is up to 63 letters, digits, '-', '_' and '.', as in Kubernetes",
    _LABEL_VALUE: "a label's value is up to 63 letters, digits, '-', '_' and '.', as in Kubernetes",
    _TIME: 'write HH:MM on a 24-hour clock, such as "00:00"',
    _DATE: "write the local date as YYYY-MM-DD, such as 2026-12-01",
    _ACCOUNT_KEY: "write the account type as one word, such as paymentFee",
}

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
LabelKey = Annotated[str, StringConstraints(pattern=_LABEL_KEY)]
LabelValue = Annotated[str, StringConstraints(pattern=_LABEL_VALUE)]
AccountKey = Annotated[str, StringConstraints(pattern=_ACCOUNT_KEY), AfterValidator(_no_slip)]
Platform = Annotated[
    str, AfterValidator(_known_platform), Field(json_schema_extra={"enum": [*NAMES, *sorted(KEYS - {*NAMES.values()})]})
]
Zone = Annotated[str, AfterValidator(_known_zone)]
Day = Annotated[str, StringConstraints(pattern=_DATE), AfterValidator(_plausible_date)]
TimeOfDay = Annotated[str, StringConstraints(pattern=_TIME)]
Words = Annotated[list[Text], AfterValidator(_distinct)]


@with_config(_STRICT)
class _AccountFields(TypedDict):
    id: NotRequired[Annotated[Text, Field(description="The record's own id in the merchant's books")]]
    code: NotRequired[Annotated[Text, Field(description="Nominal code, looked up in each merchant's options")]]
    name: NotRequired[Annotated[Text, Field(description="Name, looked up in each merchant's options")]]


@with_config(_STRICT)
class _RecordFields(TypedDict):
    id: NotRequired[Annotated[Text, Field(description="The record's own id in the merchant's books")]]
    name: NotRequired[Annotated[Text, Field(description="Name, looked up in each merchant's options")]]


_ONE = Field(json_schema_extra={"minProperties": 1, "maxProperties": 1})
AccountRef = Annotated[_AccountFields, AfterValidator(_exactly_one), _ONE]
RecordRef = Annotated[_RecordFields, AfterValidator(_exactly_one), _ONE]
Accounts = Annotated[dict[AccountKey, AccountRef | None], AfterValidator(_accounts_once)]
TaxRates = Annotated[dict[Annotated[str, AfterValidator(_rate)], RecordRef], AfterValidator(_rates_once)]


@with_config(_STRICT)
class Grouping(TypedDict):
    period: NotRequired[Literal["Daily"]]
    invoice: NotRequired[Annotated[Words, Field(description="Group-by levels of an invoice; [] = none")]]
    invoiceLine: NotRequired[Annotated[Words, Field(description="Group-by levels of a line; [] = none")]]


@with_config(_STRICT)
class Sales(TypedDict):
    sync: NotRequired[bool]
    accounts: NotRequired[Accounts]
    invoiceStatus: NotRequired[Literal["Submitted", "Draft"]]
    customer: NotRequired[RecordRef | None]
    taxRates: NotRequired[Annotated[TaxRates, Field(description="By decimal rate; each offered rate needs one")]]
    grouping: NotRequired[Grouping]


@with_config(_STRICT)
class Payments(TypedDict):
    sync: NotRequired[bool]
    accounts: NotRequired[Accounts]


@with_config(_STRICT)
class Fees(TypedDict):
    sync: NotRequired[bool]
    supplier: NotRequired[RecordRef | None]
    accounts: NotRequired[Accounts]


@with_config(_STRICT)
class Mappings(TypedDict):
    sales: NotRequired[Sales]
    payments: NotRequired[Payments]
    fees: NotRequired[Fees]


@with_config(_STRICT)
class Schedule(TypedDict):
    frequency: NotRequired[Literal["Daily"]]
    startDate: NotRequired[Annotated[Day, Field(description="First local day to sync; 00:00 in timeZone")]]
    time: NotRequired[Annotated[TimeOfDay, Field(description="Wall clock in timeZone; needs timeZone")]]
    timeZone: NotRequired[Annotated[Zone, Field(description="IANA zone, such as Europe/London")]]
    syncHourUtc: NotRequired[Annotated[int, Field(ge=0, le=23, description="Instead of time and timeZone")]]


@with_config(_STRICT)
class Connection(TypedDict):
    platform: NotRequired[Annotated[Platform, Field(description="A name or a four-letter key")]]
    state: NotRequired[Annotated[Literal["Linked", "Unlinked"], Field(description="Default: Linked")]]


@with_config(_STRICT)
class CompanyFields(TypedDict):
    name: NotRequired[Annotated[Text, Field(description="Default: metadata.name")]]
    books: NotRequired[Annotated[Text, Field(description="Name of the books that must be linked")]]


@with_config(_STRICT)
class PolicyFields(TypedDict):
    drift: NotRequired[Annotated[Literal["Correct", "Report"], Field(description="Default: Correct")]]
    deletion: NotRequired[
        Annotated[Literal["Retain", "Disable", "Unlink", "Delete"], Field(description="Default: Retain")]
    ]
    adopt: NotRequired[Annotated[bool, Field(description="Take over the one company of that name. Default: true")]]


@with_config(_STRICT)
class ProfileSpec(TypedDict):
    extends: NotRequired[Annotated[Name, Field(description="The profile that this one builds on")]]
    connection: NotRequired[Connection]
    enabled: NotRequired[bool]
    schedule: NotRequired[Schedule]
    mapping: NotRequired[Mappings]
    policy: NotRequired[PolicyFields]


@with_config(_STRICT)
class MerchantSpec(TypedDict):
    profile: NotRequired[Annotated[Name, Field(description="The profile that this merchant builds on")]]
    company: NotRequired[CompanyFields]
    connection: NotRequired[Connection]
    enabled: NotRequired[bool]
    schedule: NotRequired[Schedule]
    mapping: NotRequired[Mappings]
    policy: NotRequired[PolicyFields]
    unmanaged: NotRequired[Annotated[Words, Field(description="Field paths of the profile to leave alone")]]


@with_config(_STRICT)
class MerchantMetadata(TypedDict):
    name: Annotated[Name, Field(description="Your own merchant id, unique in the fleet")]
    labels: NotRequired[Annotated[dict[LabelKey, LabelValue], Field(description="For selectors and waves")]]


@with_config(_STRICT)
class ProfileMetadata(TypedDict):
    name: Annotated[Name, Field(description="What merchants and other profiles call it")]
    labels: NotRequired[dict[LabelKey, LabelValue]]


@with_config(_STRICT)
class Merchant(TypedDict):
    apiVersion: Literal["merchantctl/v1"]
    kind: Literal["Merchant"]
    metadata: MerchantMetadata
    spec: MerchantSpec


@with_config(_STRICT)
class MappingProfile(TypedDict):
    apiVersion: Literal["merchantctl/v1"]
    kind: Literal["MappingProfile"]
    metadata: ProfileMetadata
    spec: ProfileSpec


KINDS: Mapping[str, type] = {MERCHANT: Merchant, PROFILE: MappingProfile}


def is_name(text: str) -> bool:
    """Whether a manifest may be called that."""
    return bool(re.fullmatch(_NAME, text))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one document, for editors and other tools."""
    document: TypeAdapter[Any] = TypeAdapter(Annotated[Merchant | MappingProfile, Field(discriminator="kind")])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "merchantctl manifest"}
    return head | document.json_schema()
