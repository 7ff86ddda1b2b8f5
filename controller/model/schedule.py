"""Wall-clock times of a zone as the UTC hour that the API takes. Pure: `now` is an argument.

manifest: time 00:00, timeZone Europe/London

winter   00:00 +00:00  ->  hour 0
summer   00:00 +01:00  ->  hour 23      the hour moves with the offset; the manifest does not
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from controller.model.values import Clock

_SAMPLED_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_SAMPLED_WEEKS = 12 * 52
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_NOT_A_PLACE = {"localtime", "Factory"}


def utc_hour(clock: Clock, now: datetime, start: datetime | None) -> int:
    """The UTC hour (0-23) of the next local occurrence after `max(now, start)`, both aware."""
    return next_occurrence(clock, now, start).hour


def next_occurrence(clock: Clock, now: datetime, start: datetime | None) -> datetime:
    """The UTC instant of the next local occurrence after `max(now, start)`, both aware."""
    return _next(clock, _base(now, start))


def next_change(clock: Clock, now: datetime, start: datetime | None) -> str:
    """Why the hour is what it is at present, and until when: words for a plan whose manifest did not move."""
    first = _next(clock, _base(now, start))
    local = first.astimezone(ZoneInfo(clock.zone))
    words = f"{clock.time} in {clock.zone} is {first.hour:02}:00 UTC while that zone is at UTC{local.isoformat()[-6:]}"
    moved = _first_on_another_hour(clock, first)
    return f"{words}, until {moved}" if moved else words


def midnight_utc(day: date, zone: str | None) -> datetime:
    """00:00 of a local date as a UTC instant; UTC without a zone. A midnight that a gap skips shifts forward."""
    return _instant(day, time(0), ZoneInfo(zone) if zone else UTC)


def local_date(instant: datetime, zone: str | None) -> date:
    """The local date of an instant; UTC without a zone."""
    return instant.astimezone(ZoneInfo(zone) if zone else UTC).date()


def complaint_about(clock: Clock) -> str | None:
    """None if this time is a whole UTC hour in winter and in summer, else what is wrong and the nearest that are."""
    wrong = complaint_about_zone(clock.zone)
    if wrong:
        return wrong
    fitting = {offset % _HOUR for offset in _offsets(clock.zone)}
    wanted = timedelta(minutes=int(clock.time[3:]))
    if fitting == {wanted}:
        return None
    if len(fitting) > 1:
        return f"no time of day in {clock.zone} is a whole UTC hour all year: use schedule.syncHourUtc instead"
    nearest = " or ".join(_nearest(clock.time, fitting.pop()))
    return f"{clock.time} in {clock.zone} is not a whole UTC hour all year; the nearest times that are: {nearest}"


def complaint_about_zone(zone: str) -> str | None:
    """None if the IANA database has this zone, else what is wrong and the nearest names."""
    if zone in _zones():
        return None
    near = get_close_matches(zone, sorted(_zones()), n=3, cutoff=0.6)
    return f"there is no time zone {zone!r}" + (f"; the nearest: {', '.join(near)}" if near else "")


def _base(now: datetime, start: datetime | None) -> datetime:
    return max(now, start) if start else now


def _next(clock: Clock, after: datetime) -> datetime:
    return next(instant for instant in _occurrences(clock, after) if instant > after)


def _occurrences(clock: Clock, around: datetime) -> Iterator[datetime]:
    """The clock's instants day by day, from the day before `around`: a gap may shift that one past midnight."""
    zone, wall = ZoneInfo(clock.zone), time.fromisoformat(clock.time)
    day = around.astimezone(zone).date() - _DAY
    while True:
        yield _instant(day, wall, zone)
        day += _DAY


def _instant(day: date, wall: time, zone: tzinfo) -> datetime:
    """fold=0: in a gap the offset before it counts, which shifts forward; of a repeat it is the first."""
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)


def _first_on_another_hour(clock: Clock, first: datetime) -> date | None:
    for instant in _occurrences(clock, first):
        if instant > first and instant.hour != first.hour:
            return instant.astimezone(ZoneInfo(clock.zone)).date()
        if instant > first + 400 * _DAY:
            return None
    return None


@cache
def _offsets(zone: str) -> frozenset[timedelta]:
    """Every offset from UTC that the zone has, week by week, over the years that the database describes."""
    place = ZoneInfo(zone)
    weeks = (_SAMPLED_FROM + timedelta(weeks=week) for week in range(_SAMPLED_WEEKS))
    return frozenset(week.astimezone(place).utcoffset() or timedelta() for week in weeks)


def _nearest(wall: str, minutes: timedelta) -> tuple[str, str]:
    wanted = datetime.combine(date(2026, 1, 1), time.fromisoformat(wall), tzinfo=UTC)
    earlier = wanted - (wanted - wanted.replace(minute=0) - minutes) % _HOUR
    return f"{earlier:%H:%M}", f"{earlier + _HOUR:%H:%M}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NOT_A_PLACE)
