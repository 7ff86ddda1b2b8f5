"""The service's dates and times, all forms of them (REFERENCE 1.5), and the sync hour (REFERENCE 7 row 8)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from controller.model.schedule import complaint_about_zone, next_occurrence
from controller.model.values import Clock

_SKELETON_YEAR = 1
_UTC_NAMES = {"", "utc", "etc/utc", "z"}


def instant(text: str | None, zone: tzinfo = UTC) -> datetime | None:
    """An aware UTC instant; a time without an offset is local to `zone`. ValueError for what is no date."""
    if not text:
        return None
    when = datetime.fromisoformat(text)
    if when.year <= _SKELETON_YEAR:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)


def zone_of(name: str | None) -> tzinfo | None:
    """The zone of a live `timeZone`, UTC where it is absent; None for a name that the database does not have."""
    if not name or name.lower() in _UTC_NAMES:
        return UTC
    return None if complaint_about_zone(name) else ZoneInfo(name)


def start_date(text: str | None, zone_name: str | None) -> datetime | str | None:
    """The start as a UTC instant; None for the skeleton's `0001-…`; as text where its zone is unknown."""
    zone = zone_of(zone_name)
    try:
        when = instant(text, zone or UTC)
    except ValueError:
        return text
    if when and zone is None and datetime.fromisoformat(text or "").tzinfo is None:
        return f"{text} {zone_name}"
    return when


def sync_hour(hour: int | None, zone_name: str | None, now: datetime, start: datetime | None) -> int | str | None:
    """The UTC hour of the next local occurrence; as text (`18:30 UTC`) where it is no whole one, or not known.

    A live `timeZone` means that the hour is local to it; without one it is UTC.
    """
    if hour is None or zone_of(zone_name) is UTC:
        return hour
    clock = local_clock(hour, zone_name)
    if clock is None:
        return f"{hour} in {zone_name}"
    when = next_occurrence(clock, now, start)
    return f"{when:%H:%M} UTC" if when.minute else when.hour


def local_clock(hour: int | None, zone_name: str | None) -> Clock | None:
    """The sync hour in live's own time zone; None without a zone, or with one that nobody knows."""
    zone = zone_of(zone_name)
    if hour is None or not 0 <= hour <= 23 or zone is UTC or zone is None or zone_name is None:
        return None
    return Clock(f"{hour:02}:00", zone_name)


def utc_text(when: datetime) -> str:
    """An instant as we send it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
