"""The shape of a manifest: which keys there are and what each may hold. The JSON Schema for editors comes from here.

Shapes are what pydantic's engine, `pydantic_core`, takes. pydantic itself would make them of typed dictionaries, and
takes as long for that as a whole `validate` may.

In a manifest «absent», «null» and «empty» mean three different things: an absent key stays absent, and null is allowed
only where the shape says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import TypedDictField

from controller.desired import schema_checks as checks
from controller.model.account_settings import LOCALES
from controller.model.finding_evidence import IGNORABLE
from controller.model.hooks import EVENT_TYPES, RULE_TYPES
from controller.model.name_matching import find_invisible_flaw
from controller.model.platforms import KEYS, NAMES

API_VERSION = "merchantctl/v1"
MERCHANT_KIND, PROFILE_KIND = "Merchant", "MappingProfile"
FLOW_KIND, ALERTS_KIND = "SyncFlow", "AlertRules"
ACCOUNT_KINDS = (FLOW_KIND, ALERTS_KIND)
"""Kinds about the platform's own account, not about merchants."""
MAX_MANIFEST_TEXT_LENGTH = 500
"""Characters of any text."""
MAX_FLOW_TEXT_LENGTH = 5000
"""Characters of a text that the Sync Flow shows."""
MAX_WEB_ADDRESS_LENGTH = 2000

MAX_PULL_SCHEDULE_HOURS = 24 * 366

_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f]"
_PRINTABLE_NO_SPACE = r"[^\s\x00-\x1f\x7f-\x9f]"
_NAME_PATTERN = f"^{_PRINTABLE_NO_SPACE}({_PRINTABLE}{{0,198}}{_PRINTABLE_NO_SPACE})?$"
_LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_TIME_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ACCOUNT_KEY_PATTERN = r"^[A-Za-z][A-Za-z0-9]{0,63}$"
_TEXT_KEY_PATTERN = r"^configure-[A-Za-z0-9=-]{1,150}$"
_ROW_PATTERN = r"^(sales|fees|payments)-[A-Za-z0-9-]{1,100}$"
_DATA_TYPE_PATTERN = r"^[A-Za-z][A-Za-z0-9-]{0,99}$"
_HOOK_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,199}$"
_TAG_PATTERN = r"^[^:\x00-\x1f]{1,126}:[^\x00-\x1f]{1,126}$"
_MAIL_PATTERN = r"^[^@\s,;]{1,200}@[^@\s,;]{1,200}$"
_WEB_ADDRESS_PATTERN = r"^https?://[^\s/@]+(/\S*)?$"

PATTERN_REMEDIES = {
    _NAME_PATTERN: "a name is 1 to 200 printable characters without space at its ends",
    _LABEL_KEY_PATTERN: "a label's key is up to 63 letters, digits, '-', '_' and '.', as in Kubernetes",
    _LABEL_VALUE_PATTERN: "a label's value is up to 63 letters, digits, '-', '_' and '.', as in Kubernetes",
    _TIME_PATTERN: 'write HH:MM on a 24-hour clock, such as "00:00"',
    _DATE_PATTERN: "write the local date as YYYY-MM-DD, such as 2026-12-01",
    _ACCOUNT_KEY_PATTERN: "write the account type as one word, such as paymentFee",
    _TEXT_KEY_PATTERN: "write a key of the Sync Flow's text, such as configure-misc-nextButton",
    _ROW_PATTERN: "write a row of the Sync Flow, such as sales-accounts-gratuity",
    _DATA_TYPE_PATTERN: "write a data type, such as chartOfAccounts",
    _HOOK_NAME_PATTERN: "a name is up to 63 small letters, digits and '-'",
    _VARIABLE_PATTERN: "write the name of an environment variable, such as WEBHOOK_SECRET_1",
    _TAG_PATTERN: "write key:value, such as region:uk",
    _MAIL_PATTERN: "write one address, such as ops@shop.example",
    _WEB_ADDRESS_PATTERN: "write the whole address, such as https://shop.example/done, without user and password",
}


# -- How shapes are written below. All are strict: no number counts as a text


def _text(pattern: str | None = None) -> CoreSchema:
    return core_schema.str_schema(pattern=pattern, strict=True)


def _one_of(*words: str) -> CoreSchema:
    return core_schema.literal_schema(list(words))


def _or_null(shape: CoreSchema) -> CoreSchema:
    return core_schema.nullable_schema(shape)


def _checked_after_shape(shape: CoreSchema, check: Callable[[Any], Any], **json: object) -> CoreSchema:
    """With a rule of its own, which raises `_error`, asked of what has the shape. `json`: more of its JSON Schema."""
    return core_schema.no_info_after_validator_function(check, shape, metadata={"json": json})


def _checked_before_shape(shape: CoreSchema, check: Callable[[Any], Any]) -> CoreSchema:
    """The same, asked before the shape."""
    return core_schema.no_info_before_validator_function(check, shape)


def _free_mapping(key: CoreSchema, value: CoreSchema) -> CoreSchema:
    """A mapping with free keys."""
    return core_schema.dict_schema(key, value, strict=True)


def _mapping(title: str, /, **keys: TypedDictField) -> CoreSchema:
    """A mapping with these keys and no other."""
    return core_schema.typed_dict_schema(keys, cls_name=title, strict=True, extra_behavior="forbid")


def _optional(shape: CoreSchema, description: str = "", *, required: bool = False) -> TypedDictField:
    return core_schema.typed_dict_field(shape, required=required, metadata={"description": description})


def _required(shape: CoreSchema, description: str = "") -> TypedDictField:
    return _optional(shape, description, required=True)


# -- What stands under keys

_FLAG = core_schema.bool_schema(strict=True)
_TEXT = core_schema.str_schema(min_length=1, max_length=MAX_MANIFEST_TEXT_LENGTH, strict=True)
_DISTINCT_TEXTS = _checked_after_shape(core_schema.list_schema(_TEXT, strict=True), checks.reject_duplicates)
_MANIFEST_NAME = _checked_before_shape(_text(_NAME_PATTERN), checks.reject_invisible_flaw)
_MERCHANT_NAME = _checked_after_shape(_MANIFEST_NAME, checks.reject_reserved_name)
_FLOW_ROW = _checked_after_shape(_text(_ROW_PATTERN), checks.reject_mistyped_row)
_WEB_LINK = core_schema.str_schema(pattern=_WEB_ADDRESS_PATTERN, max_length=MAX_WEB_ADDRESS_LENGTH, strict=True)
_PLATFORM = _checked_after_shape(
    _text(), checks.require_known_platform, enum=[*NAMES, *sorted(KEYS - {*NAMES.values()})]
)
_DECLARED_DAY = _checked_after_shape(_text(_DATE_PATTERN), checks.require_plausible_date)
_ACCOUNT_KEY = _checked_after_shape(_text(_ACCOUNT_KEY_PATTERN), checks.reject_mistyped_account)
_TAX_RATE_KEY = _checked_after_shape(_text(), checks.require_valid_tax_rate)
_LABELS = _free_mapping(_text(_LABEL_KEY_PATTERN), _text(_LABEL_VALUE_PATTERN))

_LIVE_VALUE = _checked_after_shape(
    core_schema.any_schema(),
    checks.require_possible_live_value,
    anyOf=[
        *({"type": word} for word in ("string", "boolean", "integer", "null")),
        {"items": {"type": "string"}, "type": "array"},
        {"$ref": "#/$defs/Account"},
    ],
)

_NEW_TEXT = _checked_before_shape(_TEXT, checks.reject_invisible_flaw)

_NEW_ACCOUNT = _mapping(
    "NewAccount",
    name=_optional(_NEW_TEXT, "Its name, where the reference is by code"),
    code=_optional(_NEW_TEXT, "Its nominal code, where the reference is by name; Xero needs one"),
    type=_required(_TEXT, "Codat's category: Asset.Current (Xero), Asset.Bank.CashOnHand (QuickBooks Online)"),
    description=_optional(_TEXT, "Xero only"),
)

_ACCOUNT_KEYS = _mapping(
    "Account",
    id=_optional(_TEXT, "The record's own id in the merchant's books"),
    code=_optional(_TEXT, "Nominal code, looked up in each merchant's options"),
    name=_optional(_TEXT, "Name, looked up in each merchant's options"),
    create=_optional(_NEW_ACCOUNT, "Create it in the books where they have none: --allow create-record=NAME"),
)

_RECORD = _mapping(
    "Record",
    id=_optional(_TEXT, "The record's own id in the merchant's books"),
    name=_optional(_TEXT, "Name, looked up in each merchant's options"),
)

_ACCOUNT_REF = _checked_after_shape(
    _ACCOUNT_KEYS, checks.require_valid_reference, oneOf=[{"required": [key]} for key in ("id", "code", "name")]
)
_RECORD_REF = _checked_after_shape(_RECORD, checks.require_valid_reference, minProperties=1, maxProperties=1)
_ACCOUNTS = _checked_after_shape(_free_mapping(_ACCOUNT_KEY, _or_null(_ACCOUNT_REF)), checks.reject_duplicate_accounts)
_TAX_RATES = _checked_after_shape(_free_mapping(_TAX_RATE_KEY, _RECORD_REF), checks.reject_duplicate_tax_rates)

_GROUPING = _mapping(
    "Grouping",
    period=_optional(_one_of("Daily")),
    invoice=_optional(_DISTINCT_TEXTS, "Group-by levels of an invoice; [] = none"),
    invoiceLine=_optional(_DISTINCT_TEXTS, "Group-by levels of a line; [] = none"),
)

_SALES = _mapping(
    "Sales",
    sync=_optional(_FLAG),
    accounts=_optional(_ACCOUNTS),
    invoiceStatus=_optional(_one_of("Submitted", "Draft")),
    customer=_optional(_or_null(_RECORD_REF)),
    taxRates=_optional(_TAX_RATES, "By decimal rate; each offered rate needs one"),
    grouping=_optional(_GROUPING),
)

_PAYMENTS = _mapping(
    "Payments",
    sync=_optional(_FLAG),
    accounts=_optional(_ACCOUNTS),
)

_FEES = _mapping(
    "Fees",
    sync=_optional(_FLAG),
    supplier=_optional(_or_null(_RECORD_REF)),
    accounts=_optional(_ACCOUNTS),
)

_MAPPING = _mapping(
    "Mapping",
    sales=_optional(_SALES),
    payments=_optional(_PAYMENTS),
    fees=_optional(_FEES),
)

_SCHEDULE = _mapping(
    "Schedule",
    frequency=_optional(_one_of("Daily", "Monthly")),
    startDate=_optional(_DECLARED_DAY, "First local day to sync; 00:00 in timeZone"),
    time=_optional(_text(_TIME_PATTERN), "Wall clock in timeZone; needs timeZone"),
    timeZone=_optional(_checked_after_shape(_text(), checks.require_known_zone), "IANA zone, such as Europe/London"),
    syncHourUtc=_optional(core_schema.int_schema(ge=0, le=23, strict=True), "Instead of time and timeZone"),
)

_CONNECTION = _mapping(
    "Connection",
    platform=_optional(_PLATFORM, "A name or a four-letter key"),
    state=_optional(_one_of("Linked", "Unlinked"), "Default: Linked"),
)

_COMPANY = _mapping(
    "Company",
    name=_optional(_checked_before_shape(_TEXT, checks.reject_invisible_flaw), "Default: metadata.name"),
    books=_optional(_TEXT, "Name of the books that must be linked"),
)

_REPLACEMENT = _checked_before_shape(
    _mapping(
        "ReplaceConnection",
        to=_required(_PLATFORM, "The platform that takes the place of another one; as connection.platform"),
    ),
    checks.require_valid_replacement,
)

_POLICY_KEYS = {
    "drift": _optional(_one_of("Correct", "Report"), "Default: Correct"),
    "deletion": _optional(_one_of("Retain", "Disable", "Unlink", "Delete"), "Default: Retain"),
    "adopt": _optional(_FLAG, "Bind to the one existing company of that name. Default: true"),
    "replaceConnection": _optional(_REPLACEMENT, "Move a merchant who is connected to another platform"),
}
_POLICY = _mapping("Policy", **_POLICY_KEYS)

_FLOW_POLICY = _mapping("SyncFlowPolicy", drift=_POLICY_KEYS["drift"])

_IGNORE = _checked_after_shape(
    _mapping(
        "Ignore",
        finding=_optional(_one_of(*IGNORABLE), "The code of a finding; or a field"),
        field=_optional(_TEXT, "A field path, neither compared nor written; or a finding"),
        live=_optional(_LIVE_VALUE, "The live value that it is said of, and no other; null = not set"),
        reason=_required(_TEXT, "Why; it is shown in place of the finding"),
        until=_required(_DECLARED_DAY, "Day from which it counts again, 00:00 UTC; within 90 days"),
    ),
    checks.require_valid_ignore_rule,
)

_MERCHANT_POLICY = _mapping(
    "MerchantPolicy",
    **_POLICY_KEYS,
    ignore=_optional(core_schema.list_schema(_IGNORE, strict=True), "Findings to live with for a while"),
)

_SUSPEND = _mapping(
    "Suspend",
    reason=_required(_TEXT, "Why; it is shown wherever the merchant is"),
    until=_optional(_DECLARED_DAY, "Day from which it is open again, 00:00 UTC"),
)

_PROFILE_SPEC = _mapping(
    "ProfileSpec",
    extends=_optional(_MANIFEST_NAME, "The profile that this one builds on"),
    connection=_optional(_CONNECTION),
    enabled=_optional(_FLAG),
    schedule=_optional(_SCHEDULE),
    mapping=_optional(_MAPPING),
    policy=_optional(_POLICY),
)

_MERCHANT_SPEC = _mapping(
    "MerchantSpec",
    profile=_optional(_MANIFEST_NAME, "The profile that this merchant builds on"),
    company=_optional(_COMPANY),
    connection=_optional(_CONNECTION),
    enabled=_optional(_FLAG),
    schedule=_optional(_SCHEDULE),
    mapping=_optional(_MAPPING),
    policy=_optional(_MERCHANT_POLICY),
    unmanaged=_optional(_DISTINCT_TEXTS, "Field paths of the profile to leave alone"),
    suspend=_optional(_SUSPEND, "Look at it, and write nothing to it"),
)

_FLOW_TEXTS = _free_mapping(
    _text(_TEXT_KEY_PATTERN), _or_null(core_schema.str_schema(max_length=MAX_FLOW_TEXT_LENGTH, strict=True))
)

_FLOW_TEXT = _mapping(
    "FlowText",
    **{locale: _optional(_FLOW_TEXTS, 'By key; "" shows nothing, null is the default again') for locale in LOCALES},
)

_BRANDING = _mapping(
    "Branding",
    name=_optional(_TEXT, "Your name, as merchants see it"),
    logoUrl=_optional(_WEB_LINK),
    iconUrl=_optional(_WEB_LINK),
)

_DATA_TYPE = _mapping(
    "DataType",
    fetchOnFirstLink=_optional(_FLAG, "Pulled when a merchant links its books, and by `merchantctl refresh`"),
    syncSchedule=_optional(
        core_schema.int_schema(ge=0, le=MAX_PULL_SCHEDULE_HOURS, strict=True), "Hours between pulls; 0 = none"
    ),
)

_FLOW_SPEC = _mapping(
    "SyncFlowSpec",
    text=_optional(_FLOW_TEXT, "Text of the Sync Flow, by locale"),
    visibleAccounts=_optional(
        _or_null(_checked_after_shape(core_schema.list_schema(_FLOW_ROW, strict=True), checks.reject_duplicates)),
        "Rows that the Sync Flow shows beside the required ones; null = all",
    ),
    redirectUrl=_optional(
        _WEB_LINK,
        "Where merchants go after consent, and at the end of the Sync Flow that `merchantctl link NAME` leads to",
    ),
    whiteListUrls=_optional(
        _checked_after_shape(core_schema.list_schema(_WEB_LINK, strict=True), checks.reject_duplicates)
    ),
    branding=_optional(_BRANDING),
    dataTypes=_optional(
        _free_mapping(_text(_DATA_TYPE_PATTERN), _DATA_TYPE), "What Codat pulls of the books, and when"
    ),
    policy=_optional(_FLOW_POLICY),
)

_SECRET_REF = _checked_after_shape(
    _mapping(
        "SecretRef",
        env=_optional(_text(_VARIABLE_PATTERN), "The environment variable of `merchantctl run` that holds it"),
        file=_optional(_TEXT, "The file that holds it, where `merchantctl run` is"),
    ),
    checks.require_one_secret_place,
    minProperties=1,
    maxProperties=1,
)

_RULE = _checked_after_shape(
    _mapping(
        "Rule",
        type=_required(
            _checked_after_shape(_TEXT, checks.mistyped_word_check(RULE_TYPES, "type of rule")),
            "To the letter, API notes 6.1",
        ),
        webhook=_optional(_WEB_LINK, "Where deliveries go"),
        emails=_optional(
            _checked_after_shape(core_schema.list_schema(_text(_MAIL_PATTERN), strict=True), checks.reject_duplicates)
        ),
    ),
    checks.require_notifier,
)

_CONSUMER = _mapping(
    "Consumer",
    url=_required(_WEB_LINK, "Where deliveries go"),
    eventTypes=_required(
        _checked_after_shape(
            core_schema.list_schema(
                _checked_after_shape(_TEXT, checks.mistyped_word_check(EVENT_TYPES, "event")), min_length=1, strict=True
            ),
            checks.reject_duplicates,
        ),
        "API notes 6.4",
    ),
    companyTags=_optional(
        _checked_after_shape(
            core_schema.list_schema(_text(_TAG_PATTERN), max_length=10, strict=True), checks.reject_duplicates
        ),
        "Only companies that have one of them",
    ),
    secret=_optional(_SECRET_REF, "Where you put the signing secret that Codat's portal shows"),
)

_ALERTS_SPEC = _mapping(
    "AlertRulesSpec",
    rules=_optional(_free_mapping(_text(_HOOK_NAME_PATTERN), _RULE), "Legacy rules, by a name of your own"),
    consumers=_optional(
        _free_mapping(_text(_HOOK_NAME_PATTERN), _CONSUMER), "Webhook consumers, by a name of your own"
    ),
)

_MERCHANT_METADATA = _mapping(
    "MerchantMetadata",
    name=_required(_MERCHANT_NAME, "Your own merchant id, unique in the fleet"),
    renamedFrom=_optional(_text(_NAME_PATTERN), "Its name before: what is remembered of it moves"),
    labels=_optional(_LABELS, "For selectors and waves"),
)

_PROFILE_METADATA = _mapping(
    "ProfileMetadata",
    name=_required(_MANIFEST_NAME, "What merchants and other profiles call it"),
    labels=_optional(_LABELS),
)


_ACCOUNT_METADATA = _mapping(
    "AccountMetadata",
    name=_required(_MANIFEST_NAME, "What the document is called"),
    labels=_optional(_LABELS, "By which an environment of merchantctl.toml chooses it"),
)


def _document(kind: str, metadata: CoreSchema, spec: CoreSchema) -> CoreSchema:
    return _mapping(
        kind,
        apiVersion=_required(_one_of(API_VERSION)),
        kind=_required(_one_of(kind)),
        metadata=_required(metadata),
        spec=_required(spec),
    )


MANIFEST_KINDS: Mapping[str, CoreSchema] = {
    MERCHANT_KIND: _document(MERCHANT_KIND, _MERCHANT_METADATA, _MERCHANT_SPEC),
    PROFILE_KIND: _document(PROFILE_KIND, _PROFILE_METADATA, _PROFILE_SPEC),
    FLOW_KIND: _document(FLOW_KIND, _ACCOUNT_METADATA, _FLOW_SPEC),
    ALERTS_KIND: _document(ALERTS_KIND, _ACCOUNT_METADATA, _ALERTS_SPEC),
}
"""By kind of document."""


def is_manifest_name(text: str) -> bool:
    """Whether a manifest may have this name."""
    return bool(re.fullmatch(_NAME_PATTERN, text)) and find_invisible_flaw(text) is None
