"""Codat's dates and times in all their forms (API notes 1.5), and the sync hour (API notes 7 #8)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from controller.model.field_values import LocalTime
from controller.model.local_times import next_occurrence, time_zone_problem
from controller.model.zones import time_zone

_UNSET_YEAR = 1
"""Codat writes a date that is not set as `0001-01-01T00:00:00`."""

_UTC_NAMES = {"", "utc", "etc/utc", "z"}


def parse_instant(text: str | None, zone: tzinfo = UTC) -> datetime | None:
    """An aware UTC instant; a time without an offset is local to `zone`. None where it is absent or not set.

    ValueError for what is no date.
    """
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    if instant.year <= _UNSET_YEAR:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)


def parse_time_zone(name: str | None) -> tzinfo | None:
    """The zone of a live `timeZone`, UTC where it is absent; None for a name that is not in the IANA database."""
    if not name or name.lower() in _UTC_NAMES:
        return UTC
    return None if time_zone_problem(name) else time_zone(name)


def parse_start_date(text: str | None, zone_name: str | None) -> datetime | str | None:
    """The start as a UTC instant; None where it is not set; as text where its zone is unknown or it is no date."""
    zone = parse_time_zone(zone_name)
    try:
        start = parse_instant(text, zone or UTC)
    except ValueError:
        return text
    if start and zone is None and datetime.fromisoformat(text or "").tzinfo is None:
        return f"{text} {zone_name}"
    return start


def utc_sync_hour(hour: int | None, zone_name: str | None, now: datetime, start: datetime | None) -> int | str | None:
    """The UTC hour of the next sync; as text where that is no whole hour (`18:30 UTC`) or its zone is unknown.

    A live `timeZone` means that the hour is local to it; without one it is UTC.
    """
    if hour is None or parse_time_zone(zone_name) is UTC:
        return hour
    local_time = local_sync_time(hour, zone_name)
    if local_time is None:
        return f"{hour} in {zone_name}"
    next_sync = next_occurrence(local_time, now, start)
    return f"{next_sync:%H:%M} UTC" if next_sync.minute else next_sync.hour


def local_sync_time(hour: int | None, zone_name: str | None) -> LocalTime | None:
    """The sync hour in live's own time zone; None where that is UTC, absent or unknown."""
    zone = parse_time_zone(zone_name)
    if hour is None or not 0 <= hour <= 23 or zone is UTC or zone is None or zone_name is None:
        return None
    return LocalTime(f"{hour:02}:00", zone_name)


def format_utc(instant: datetime) -> str:
    """An instant as it is sent to Codat: `2026-12-01T00:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
