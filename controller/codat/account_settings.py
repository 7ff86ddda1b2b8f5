"""What the API says of the account's own settings, as values by path, and what is sent to change some. Pure.

    text.en-us.…       the Sync Flow's text of one locale     API notes 3.6
    visibleAccounts    the rows that it shows                 3.7
    redirectUrl, …     the client's profile                   3.14 #45
    dataTypes.…        what is pulled when                    3.16

The profile and the data types are written whole: all that was read goes back as it came, but for what is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.codat.answer_parsing import UnreadableAnswer
from controller.codat.raw_json import JsonObject, VerbatimNumber
from controller.model.account_settings import (
    DATA_TYPES_ROOT,
    PROFILE_KEYS,
    PROFILE_PART,
    TEXT_ROOT,
    VISIBLE_ACCOUNTS_PATH,
    LiveSettings,
)
from controller.model.field_values import Value
from controller.model.name_matching import nfc
from controller.model.platforms import COMMERCE_KEY
from controller.quick_dataclasses import dataclass

_DATA_TYPE_KEYS = ("fetchOnFirstLink", "syncSchedule")
_REQUIRED_PROFILE_KEYS = ("name", "redirectUrl")


@dataclass(frozen=True, slots=True)
class SettingsAddress:
    """Where one part is read and written; `{account}` stands for the account's id."""

    read_path: str
    write_method: str
    write_path: str


def settings_address(part: str) -> SettingsAddress:
    """The address of a part (see `model.account_settings.part_of`)."""
    root, _, locale = part.partition(".")
    if root == TEXT_ROOT:
        path = f"/sync/commerce/config/ui/text?locale={locale}"
        return SettingsAddress(path, "PATCH", path)
    return {
        VISIBLE_ACCOUNTS_PATH: SettingsAddress(
            f"/clients/{{account}}/config/ui/accounts/platform/{COMMERCE_KEY}",
            "POST",
            f"/sync/commerce/config/ui/accounts/platform/{COMMERCE_KEY}",
        ),
        PROFILE_PART: SettingsAddress("/profile", "PUT", "/profile"),
        DATA_TYPES_ROOT: SettingsAddress("/profile/syncSettings", "POST", "/profile/syncSettings"),
    }[part]


def live_settings(part: str, document: JsonObject) -> LiveSettings:
    """What a part's document says. Raises UnreadableAnswer."""
    if part == DATA_TYPES_ROOT:
        return data_types_from(document)
    root, _, locale = part.partition(".")
    if root == TEXT_ROOT:
        return LiveSettings(texts_from(locale, document))
    return LiveSettings((visible_accounts_from if part == VISIBLE_ACCOUNTS_PATH else profile_from)(document))


def settings_write_body(part: str, fresh: JsonObject, changes: Mapping[str, Value]) -> JsonObject:
    """What to send so that these settings change, and nothing else does."""
    makers: Mapping[str, Callable[[JsonObject, Mapping[str, Value]], JsonObject]] = {
        VISIBLE_ACCOUNTS_PATH: lambda _, values: visible_accounts_body(values[VISIBLE_ACCOUNTS_PATH]),
        PROFILE_PART: changed_profile,
        DATA_TYPES_ROOT: changed_data_types,
    }
    return makers.get(part, changed_texts)(fresh, changes)


# The Sync Flow's text -----------------------------------------------------------------------------------


def texts_from(locale: str, body: JsonObject) -> dict[str, Value]:
    """By path each text, from either shape: `{key: text}` and `{key: {text, required}}` (API notes 7 #23)."""
    return {f"{TEXT_ROOT}.{locale}.{key}": _text_from(key, value) for key, value in body.items()}


def _text_from(key: str, value: Any) -> str | None:
    text = value.get("text") if isinstance(value, dict) else value
    if text is not None and not _is_text(text):
        raise UnreadableAnswer(f".{key}: no text")
    return None if text is None else nfc(text)


def changed_texts(fresh: JsonObject, changes: Mapping[str, Value]) -> JsonObject:
    """The body that sets texts by path, in the shape in which they were read."""
    body: JsonObject = {}
    for path, text in changes.items():
        key = path.split(".", 2)[2]
        nested = fresh.get(key)
        body[key] = {**nested, "text": text} if isinstance(nested, dict) else text
    return body


# The rows that it shows ---------------------------------------------------------------------------------


def visible_accounts_from(body: JsonObject) -> dict[str, Value]:
    """By path the rows that are shown; None where Codat names none, which is all."""
    rows = body.get("visibleAccounts")
    if rows is not None and not (isinstance(rows, list) and all(map(_is_text, rows))):
        raise UnreadableAnswer(".visibleAccounts: no list of rows")
    return {VISIBLE_ACCOUNTS_PATH: None if rows is None else tuple(rows)}


def visible_accounts_body(rows: Value) -> JsonObject:
    """The body that shows exactly these rows and the required ones; None: all."""
    return {} if rows is None else {"visibleAccounts": rows}


# The profile --------------------------------------------------------------------------------------------


def profile_from(body: JsonObject) -> dict[str, Value]:
    """By path what the profile says. UnreadableAnswer without what a profile always has."""
    for key in _REQUIRED_PROFILE_KEYS:
        if not isinstance(body.get(key), str | None) or key not in body:
            raise UnreadableAnswer(f".{key}: missing")
    return {path: _profile_value(key, body.get(key)) for path, key in PROFILE_KEYS.items()}


def _profile_value(key: str, value: Any) -> Value:
    if isinstance(value, list) and all(map(_is_text, value)):
        return tuple(value)
    if value is not None and not _is_text(value):
        raise UnreadableAnswer(f".{key}: neither text nor a list of it")
    return None if value is None else str(value)


def changed_profile(fresh: JsonObject, changes: Mapping[str, Value]) -> JsonObject:
    """The whole profile as it was read, with these settings."""
    return {**fresh, **{PROFILE_KEYS[path]: value for path, value in changes.items()}}


# The data types -----------------------------------------------------------------------------------------


def data_types_from(body: JsonObject) -> LiveSettings:
    """By path what is pulled when, and which of that is locked."""
    values: dict[str, Value] = {}
    locked: set[str] = set()
    for entry in _data_type_entries(body):
        paths = {key: f"{DATA_TYPES_ROOT}.{entry['dataType']}.{key}" for key in _DATA_TYPE_KEYS}
        values |= {path: _data_type_value(entry.get(key)) for key, path in paths.items()}
        locked |= set(paths.values()) if entry.get("isLocked") is True else set()
    return LiveSettings(values, frozenset(locked))


def changed_data_types(fresh: JsonObject, changes: Mapping[str, Value]) -> JsonObject:
    """All entries as they were read, with these settings. That they are the account's own goes along: else they would
    be given up for Codat's defaults."""
    by_type: dict[str, JsonObject] = {}
    for path, value in changes.items():
        _, data_type, key = path.split(".")
        by_type.setdefault(data_type, {})[key] = value
    entries = [entry | by_type.get(entry["dataType"], {}) for entry in _data_type_entries(fresh)]
    return {**fresh, "settings": entries, "overridesDefaults": True}


def _data_type_entries(body: JsonObject) -> list[JsonObject]:
    entries = body.get("settings")
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and isinstance(each.get("dataType"), str) for each in entries
    ):
        raise UnreadableAnswer(".settings: no list of data types")
    return entries


def _is_text(value: object) -> bool:
    """A number is text of a kind here."""
    return isinstance(value, str) and not isinstance(value, VerbatimNumber)


def _data_type_value(value: Any) -> Value:
    if isinstance(value, VerbatimNumber):
        return int(value) if value.isdecimal() else str(value)
    return value if isinstance(value, bool | str) else None
