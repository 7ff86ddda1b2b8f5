"""Local times of a zone as the UTC hour that the API takes. Pure: `now` is an argument.

manifest: time 00:00, timeZone Europe/London

winter   00:00 +00:00  ->  hour 0
summer   00:00 +01:00  ->  hour 23      the hour moves with the offset; the manifest does not
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from functools import cache

from controller.model.field_values import LocalTime
from controller.model.zones import time_zone, time_zone_names

_SAMPLED_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_SAMPLED_WEEKS = 12 * 52
"""Weeks from then on in which each zone's offsets are looked up: the database describes the next years week by week."""

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MAX_LOOKAHEAD = 400 * _DAY
"""A zone whose offset does not change within a year has none that changes regularly."""


def utc_hour(local_time: LocalTime, now: datetime, start: datetime | None) -> int:
    """The UTC hour (0-23) of the next local occurrence after `max(now, start)`, both aware."""
    return next_occurrence(local_time, now, start).hour


def next_occurrence(local_time: LocalTime, now: datetime, start: datetime | None) -> datetime:
    """The UTC instant of the next local occurrence after `max(now, start)`, both aware."""
    return _next_after(local_time, _search_start(now, start))


def explain_utc_hour(local_time: LocalTime, now: datetime, start: datetime | None) -> str:
    """Why the UTC hour is what it is at present, and until when: for a change that the manifest did not cause."""
    first = _next_after(local_time, _search_start(now, start))
    zone = time_zone(local_time.zone)
    offset = first.astimezone(zone).isoformat()[-6:]
    sentence = f"{local_time.time} in {local_time.zone} is {first.hour:02}:00 UTC while that zone is at UTC{offset}"
    for instant in _occurrences(local_time, first):
        if instant > first and instant.hour != first.hour:
            return f"{sentence}, until {instant.astimezone(zone).date()}"
        if instant > first + _MAX_LOOKAHEAD:
            break
    return sentence


def local_midnight(day: date, zone: str | None) -> datetime:
    """00:00 of a local date as a UTC instant; UTC without a zone. A midnight that a gap skips shifts forward."""
    return _instant(day, time(0), time_zone(zone) if zone else UTC)


def local_date(instant: datetime, zone: str | None) -> date:
    """The local date of an instant; UTC without a zone."""
    return instant.astimezone(time_zone(zone) if zone else UTC).date()


def local_time_problem(local_time: LocalTime) -> str | None:
    """None if this time is a whole UTC hour in winter and in summer, else what is wrong and the nearest that are."""
    zone = local_time.zone
    if problem := time_zone_problem(zone):
        return problem
    # Minutes past the hour at which a local time is a whole UTC hour: 30 in India, 0 or 30 in Lord Howe.
    whole_hour_minutes = {offset % _HOUR for offset in _utc_offsets(zone)}
    if whole_hour_minutes == {timedelta(minutes=int(local_time.time[3:]))}:
        return None
    if len(whole_hour_minutes) > 1:
        return f"no time of day in {zone} is a whole UTC hour all year: use schedule.syncHourUtc instead"
    minutes = whole_hour_minutes.pop()
    declared = datetime.combine(date(2026, 1, 1), time.fromisoformat(local_time.time), tzinfo=UTC)
    earlier = declared - (declared - declared.replace(minute=0) - minutes) % _HOUR
    nearest = f"{earlier:%H:%M} or {earlier + _HOUR:%H:%M}"
    return f"{local_time.time} in {zone} is not a whole UTC hour all year; the nearest times that are: {nearest}"


def time_zone_problem(zone: str) -> str | None:
    """None if the IANA database has this zone, else what is wrong and the nearest names."""
    if zone in time_zone_names():
        return None
    nearest = get_close_matches(zone, sorted(time_zone_names()), n=3, cutoff=0.6)
    return f"there is no time zone {zone!r}" + (f"; the nearest: {', '.join(nearest)}" if nearest else "")


def _search_start(now: datetime, start: datetime | None) -> datetime:
    return max(now, start) if start else now


def _next_after(local_time: LocalTime, after: datetime) -> datetime:
    return next(instant for instant in _occurrences(local_time, after) if instant > after)


def _occurrences(local_time: LocalTime, around: datetime) -> Iterator[datetime]:
    """The instants of a local time day by day, from the day before `around` on."""
    zone, wall_time = time_zone(local_time.zone), time.fromisoformat(local_time.time)
    # A gap may shift the time of the day before past midnight, and past `around`.
    day = around.astimezone(zone).date() - _DAY
    while True:
        yield _instant(day, wall_time, zone)
        day += _DAY


def _instant(day: date, wall_time: time, zone: tzinfo) -> datetime:
    """The UTC instant of a local time. In a gap it is shifted forward; of a repeated hour it is the first (fold=0)."""
    return datetime.combine(day, wall_time, tzinfo=zone).astimezone(UTC)


@cache
def _utc_offsets(zone: str) -> frozenset[timedelta]:
    """Every offset from UTC that the zone has in the sampled years."""
    rules = time_zone(zone)
    instants = (_SAMPLED_FROM + timedelta(weeks=week) for week in range(_SAMPLED_WEEKS))
    return frozenset(instant.astimezone(rules).utcoffset() or timedelta() for instant in instants)
