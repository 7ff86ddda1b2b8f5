"""What is pulled when, for the client and for single companies (REFERENCE 3.16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from controller.emulator import datasets
from controller.emulator.errors import ApiError, Complaint, not_valid
from controller.emulator.platforms import PLATFORMS
from controller.emulator.records import Connection
from controller.emulator.world import World

CLIENT = "client"
"""The key of the settings that hold for every company without its own."""

_TABLE = "sync-settings"
_TYPES = tuple(sorted(datasets.SUPPORTED["Accounting"] | datasets.SUPPORTED["Commerce"]))
_NUMBERS = ("syncSchedule", "syncOrder")
_HOURLY = 1
_LONGEST = 24 * 366

Setting = Mapping[str, Any]


def settings_of(world: World, key: str) -> list[Setting]:
    """One entry for every data type: a company's own (or CLIENT's), else the client's, else the usual."""
    table = world.table(_TABLE)
    own: Mapping[str, Setting] = table.get(key) or table.get(CLIENT, {})
    return [own.get(data_type) or _usual(data_type) for data_type in _TYPES]


def overrides_defaults(world: World, key: str) -> bool:
    """Whether settings of its own were stored under a key."""
    return bool(world.table(_TABLE).get(key))


def fetched_on_first_link(world: World, company_id: str, connection: Connection) -> list[str]:
    """The data types to pull when a connection becomes `Linked`, and on «refresh all»."""
    able = datasets.SUPPORTED[PLATFORMS[connection.platform].source_type]
    wanted = [each["dataType"] for each in settings_of(world, company_id) if each["fetchOnFirstLink"]]
    return [data_type for data_type in wanted if data_type in able]


def change(world: World, key: str, body: Mapping[str, Any]) -> None:
    """Take settings over, one entry for each data type. Raises ApiError 400, 402 (hourly on a free plan).

    `overridesDefaults: false` takes a company back to the client's settings.
    """
    entries = body.get("settings")
    if not isinstance(entries, list) or not all(_is_setting(each) for each in entries):
        raise not_valid()
    if world.settings.strict and {each["dataType"] for each in entries} != set(_TYPES):
        raise not_valid()
    if world.settings.company_limit is not None and any(each["syncSchedule"] == _HOURLY for each in entries):
        raise _not_allowed()
    table = world.table(_TABLE)
    if body.get("overridesDefaults") is False:
        table[key] = {}
    else:
        table[key] = {each["dataType"]: each for each in entries}
        _enter_refreshes(world, key)


def _usual(data_type: str) -> Setting:
    """Only what a mapping needs is fetched, so that a pull history stays readable; nothing periodically."""
    return {
        "dataType": data_type,
        "fetchOnFirstLink": data_type in datasets.MAPPING_TYPES,
        "syncSchedule": 0,
        "syncOrder": 0,
        "syncFromWindow": 24,
        "monthsToSync": 24,
        "isLocked": False,
    }


def _is_setting(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("dataType") not in _TYPES:
        return False
    whole = all(type(entry.get(field)) is int and 0 <= entry[field] <= _LONGEST for field in _NUMBERS)
    return whole and isinstance(entry.get("fetchOnFirstLink"), bool)


def _not_allowed() -> ApiError:
    message = "Sync schedule not allowed"
    complaint = Complaint("SyncSchedule", f"{message}.", "SyncSettings")
    return ApiError(402, f"SyncSettingsValidationException: {message}", validation=[complaint])


def resume(world: World) -> None:
    """Enter periodic refreshes again, after a data file was read."""
    for key in world.table(_TABLE):
        _enter_refreshes(world, key)


def _enter_refreshes(world: World, key: str) -> None:
    for data_type, setting in world.table(_TABLE)[key].items():
        if setting["syncSchedule"]:
            _enter_refresh(world, key, data_type, setting)


def _enter_refresh(world: World, key: str, data_type: str, setting: Setting) -> None:
    due = world.now() + timedelta(hours=setting["syncSchedule"])
    world.agenda.at(due, partial(_refresh, world, key, data_type, setting))


def _refresh(world: World, key: str, data_type: str, setting: Setting) -> None:
    """Pull one type for every company that these settings hold for, and enter the next time."""
    table = world.table(_TABLE)
    if table.get(key, {}).get(data_type) is not setting:
        return
    held = [key] if key != CLIENT else [each for each in world.companies if not table.get(each)]
    for company_id in held:
        if company_id in world.companies:
            _pull(world, company_id, data_type)
    _enter_refresh(world, key, data_type, setting)


def _pull(world: World, company_id: str, data_type: str) -> None:
    for connection in world.companies[company_id].connections:
        able = data_type in datasets.SUPPORTED[PLATFORMS[connection.platform].source_type]
        if able and connection.status == "Linked":
            datasets.request_unless_running(world, company_id, connection.id, data_type)
