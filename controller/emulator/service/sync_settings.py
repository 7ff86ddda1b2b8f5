"""What is pulled when, for the client and for single companies (API notes 3.16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from controller.emulator.service import pulls
from controller.emulator.service.company_records import ConnectionRecord
from controller.emulator.service.errors import ApiError, ValidationItem, not_valid
from controller.emulator.service.platforms import PLATFORMS
from controller.emulator.service.world import World

CLIENT_KEY = "client"
"""The key of the settings that hold for every company without its own."""

_SYNC_SETTINGS_TABLE = "sync-settings"
_SETTING_DATA_TYPES = tuple(sorted(pulls.SUPPORTED_DATA_TYPES["Accounting"] | pulls.SUPPORTED_DATA_TYPES["Commerce"]))
_INTEGER_FIELDS = ("syncSchedule", "syncOrder")
_HOURLY_SCHEDULE = 1
_MAX_SCHEDULE_HOURS = 24 * 366

PullSetting = Mapping[str, Any]


def effective_settings(world: World, key: str) -> list[PullSetting]:
    """One entry for every data type: the company's own, else the client's, else the default."""
    table = world.table(_SYNC_SETTINGS_TABLE)
    own: Mapping[str, PullSetting] = table.get(key) or table.get(CLIENT_KEY, {})
    return [own.get(data_type) or _default_setting(data_type) for data_type in _SETTING_DATA_TYPES]


def overrides_defaults(world: World, key: str) -> bool:
    """Whether settings of its own were stored under a key."""
    return bool(world.table(_SYNC_SETTINGS_TABLE).get(key))


def first_link_data_types(world: World, company_id: str, connection: ConnectionRecord) -> list[str]:
    """The data types to pull when a connection becomes `Linked`, and on «refresh all»."""
    supported = pulls.SUPPORTED_DATA_TYPES[PLATFORMS[connection.platform].source_type]
    wanted = [setting["dataType"] for setting in effective_settings(world, company_id) if setting["fetchOnFirstLink"]]
    return [data_type for data_type in wanted if data_type in supported]


def store_and_schedule(world: World, key: str, body: Mapping[str, Any]) -> None:
    """Store settings, one entry for each data type. Raises ApiError 400, 402 (hourly on a free plan).

    `overridesDefaults: false` takes a company back to the client's settings.
    """
    entries = body.get("settings")
    if not isinstance(entries, list) or not all(_is_setting(entry) for entry in entries):
        raise not_valid()
    if world.settings.strict and {entry["dataType"] for entry in entries} != set(_SETTING_DATA_TYPES):
        raise not_valid()
    if world.settings.company_limit is not None and any(entry["syncSchedule"] == _HOURLY_SCHEDULE for entry in entries):
        message = "Sync schedule not allowed"
        item = ValidationItem("SyncSchedule", f"{message}.", "SyncSettings")
        raise ApiError(402, f"SyncSettingsValidationException: {message}", validation=[item])
    table = world.table(_SYNC_SETTINGS_TABLE)
    if body.get("overridesDefaults") is False:
        table[key] = {}
    else:
        table[key] = {entry["dataType"]: entry for entry in entries}
        _schedule_refreshes(world, key)


def _default_setting(data_type: str) -> PullSetting:
    """Only what a mapping needs is fetched, so that a pull history stays readable; nothing periodically."""
    return {
        "dataType": data_type,
        "fetchOnFirstLink": data_type in pulls.MAPPING_TYPES,
        "syncSchedule": 0,
        "syncOrder": 0,
        "syncFromWindow": 24,
        "monthsToSync": 24,
        "isLocked": False,
    }


def _is_setting(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("dataType") not in _SETTING_DATA_TYPES:
        return False
    has_valid_numbers = all(
        type(entry.get(field)) is int and 0 <= entry[field] <= _MAX_SCHEDULE_HOURS for field in _INTEGER_FIELDS
    )
    return has_valid_numbers and isinstance(entry.get("fetchOnFirstLink"), bool)


def resume(world: World) -> None:
    """Schedule periodic refreshes again, after a data file was read."""
    for key in world.table(_SYNC_SETTINGS_TABLE):
        _schedule_refreshes(world, key)


def _schedule_refreshes(world: World, key: str) -> None:
    for data_type, setting in world.table(_SYNC_SETTINGS_TABLE)[key].items():
        if setting["syncSchedule"]:
            _schedule_refresh(world, key, data_type, setting)


def _schedule_refresh(world: World, key: str, data_type: str, setting: PullSetting) -> None:
    due = world.now() + timedelta(hours=setting["syncSchedule"])
    world.scheduler.call_at(due, partial(_run_refresh, world, key, data_type, setting))


def _run_refresh(world: World, key: str, data_type: str, setting: PullSetting) -> None:
    """Pull one type for every company that these settings apply to, and schedule the next time."""
    table = world.table(_SYNC_SETTINGS_TABLE)
    # The setting was replaced since this was scheduled: the new one has a schedule of its own.
    if table.get(key, {}).get(data_type) is not setting:
        return
    company_ids = (
        [key] if key != CLIENT_KEY else [company_id for company_id in world.companies if not table.get(company_id)]
    )
    for company_id in company_ids:
        if company_id in world.companies:
            _queue_pulls(world, company_id, data_type)
    _schedule_refresh(world, key, data_type, setting)


def _queue_pulls(world: World, company_id: str, data_type: str) -> None:
    for connection in world.companies[company_id].connections:
        is_supported = data_type in pulls.SUPPORTED_DATA_TYPES[PLATFORMS[connection.platform].source_type]
        if is_supported and connection.status == "Linked":
            pulls.queue_pull_unless_running(world, company_id, connection.id, data_type)
