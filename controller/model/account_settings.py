"""The settings of the platform's own account at Codat, which are nobody's among the merchants: desired, live, recorded.

A setting has a path as a field of a merchant has: `text.en-us.configure-misc-nextButton`, `visibleAccounts`,
`redirectUrl`, `branding.logoUrl`, `dataTypes.taxRates.syncSchedule`. Settings that are read and written together are
one part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from controller.model.field_values import Value
from controller.quick_dataclasses import dataclass

ACCOUNT_NAME = "(account)"
"""What stands in the place of a merchant's name where the account's own settings are meant: no merchant may have it."""

VISIBLE_ACCOUNTS_PATH = "visibleAccounts"
REDIRECT_URL_PATH = "redirectUrl"
TEXT_ROOT, DATA_TYPES_ROOT, PROFILE_PART = "text", "dataTypes", "profile"

LOCALES = ("en-us", "fr-fr")
"""Of the Sync Flow's text (API notes 3.6)."""

PROFILE_KEYS: Mapping[str, str] = {
    REDIRECT_URL_PATH: "redirectUrl",
    "whiteListUrls": "whiteListUrls",
    "branding.name": "name",
    "branding.logoUrl": "logoUrl",
    "branding.iconUrl": "iconUrl",
}
"""By path of a setting its key in the client's profile (API notes 3.14)."""

REQUIRED_ROWS = frozenset(
    {
        *("sales-accounts-sales", "sales-accounts-refund"),
        *(f"sales-taxRates-{rate}" for rate in (0, 5, 10, 20)),
        *("sales-other-invoiceStatus", "sales-other-groupingPeriod", "payments-accounts-card"),
    }
)
"""Rows of the Sync Flow that are shown whatever is chosen (API notes 3.7)."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """The live side of the parts that were asked for.

    values  by path everything that Codat has in those parts
    locked  paths that Codat does not let anybody change
    unread  by part why it could not be read
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppliedSetting:
    """What we set last: the value as it was declared, and what Codat made of it (its own text for a reset, say)."""

    declared: Value
    stored: Value


def part_of_setting(path: str) -> str:
    """The part of a setting: `text.en-us`, `visibleAccounts`, `dataTypes` or `profile`."""
    root, *rest = path.split(".")
    if root == TEXT_ROOT:
        return f"{TEXT_ROOT}.{rest[0]}"
    return root if root in (VISIBLE_ACCOUNTS_PATH, DATA_TYPES_ROOT) else PROFILE_PART


def parts_of_settings(paths: Collection[str]) -> list[str]:
    """The parts of these settings, in one order."""
    return sorted({part_of_setting(path) for path in paths})


def is_as_declared(path: str, live: Value, declared: Value, applied: AppliedSetting | None) -> bool:
    """Whether a live setting is as declared: to the letter, lists as sets; or as Codat stored it when we set it."""
    if applied is not None and applied.declared == declared and _settings_equal(path, applied.stored, live):
        return True
    return _settings_equal(path, live, declared)


def _settings_equal(path: str, one: Value, other: Value) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        always = REQUIRED_ROWS if path == VISIBLE_ACCOUNTS_PATH else frozenset[str]()
        return set(one) - always == set(other) - always
    # Where nothing is set, Codat omits the key, has null, or an empty text (API notes 1.4).
    if part_of_setting(path) == PROFILE_PART:
        return (one or None) == (other or None)
    return type(one) is type(other) and one == other
