"""When a commerce sync is due, and which time it covers (API notes 4.7). Pure.

startDate          due               due               due
    |--first period--|---one period----|---one period----|
                     ^ boundary: the sync hour in the schedule's zone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.emulator.service.company_records import CompanyRecord

EARLIEST_DATE = datetime(1900, 1, 1, tzinfo=UTC)
_FIRST_YEAR_WITHOUT_DUES = 9000
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """When syncs begin to matter, and the boundary between two of them."""

    start: datetime
    hour: int
    zone: tzinfo
    monthly: bool = False


def parse_schedule(configured: Mapping[str, Any]) -> DueSchedule | None:
    """The `schedule` of a configuration; None when it is not complete enough to run by."""
    zone, start, hour = (
        _zone_or_utc(configured.get("timeZone")),
        configured.get("startDate"),
        configured.get("syncHourUtc"),
    )
    if not isinstance(start, str) or not isinstance(hour, int) or not 0 <= hour <= 23:
        return None
    try:
        begins = _parse_start_date(start, zone)
    except (ValueError, OverflowError):
        return None
    return DueSchedule(begins, hour, zone, configured.get("selectedFrequency") == "Monthly")


def company_schedule(company: CompanyRecord | None) -> DueSchedule | None:
    """The schedule that a company's configuration was saved with, if it was."""
    configured = (company.chosen or {}).get("schedule") if company else None
    return parse_schedule({"syncHourUtc": 0, **configured}) if isinstance(configured, dict) else None


def company_start_instant(company: CompanyRecord) -> datetime:
    """`schedule.startDate` as an instant; long ago before the first configuration."""
    schedule = company_schedule(company)
    return schedule.start if schedule else EARLIEST_DATE


def next_due(schedule: DueSchedule, after: datetime) -> datetime:
    """The first boundary after a moment, and after the start date."""
    after = max(after, schedule.start)
    day = after.astimezone(schedule.zone).date() - _ONE_DAY
    while (due := _due_on_day(schedule, day)) is None or due <= after:
        day += _ONE_DAY
    return due


def previous_due(schedule: DueSchedule, due: datetime) -> datetime:
    """The boundary before one."""
    day = due.astimezone(schedule.zone).date()
    while (earlier := _due_on_day(schedule, day)) is None or earlier >= due:
        day -= _ONE_DAY
    return earlier


def scheduled_start(schedule: DueSchedule, due: datetime, synced_until: datetime | None) -> datetime:
    """Where the sync due at `due` begins.

    At the end of what was last synced, so that a failed period is made up for; but never later than the
    boundary before, which is how a manual run in between comes to be repeated.
    """
    if synced_until is None:
        return schedule.start
    return max(schedule.start, min(synced_until, previous_due(schedule, due)))


def is_plausible_date(moment: datetime) -> bool:
    """Whether a date is one that commerce can have."""
    return EARLIEST_DATE.year <= moment.year < _FIRST_YEAR_WITHOUT_DUES


def business_day(schedule: DueSchedule, moment: datetime) -> date:
    """The day a record belongs to: days end at the boundary, not at midnight."""
    return (moment.astimezone(schedule.zone) - timedelta(hours=schedule.hour)).date()


def _parse_start_date(start: str, zone: tzinfo) -> datetime:
    """The start date as an instant; before commerce there was none, and after year 9000 nothing is due."""
    moment = datetime.fromisoformat(start)
    if moment.year >= _FIRST_YEAR_WITHOUT_DUES:
        raise ValueError(start)
    if moment.year < EARLIEST_DATE.year:
        return EARLIEST_DATE
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC)


def _due_on_day(schedule: DueSchedule, day: date) -> datetime | None:
    if schedule.monthly and day.day != 1:
        return None
    return datetime.combine(day, time(schedule.hour), schedule.zone).astimezone(UTC)


def _zone_or_utc(name: Any) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        return UTC
