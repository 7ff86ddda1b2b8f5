"""Times of a schedule in cron's words, in a time zone of its own. Pure.

    minute hour day-of-month month day-of-week      0 7 * * mon-fri

`*`, numbers, names (jan, mon), ranges (1-5), steps (*/15, 8-18/2) and lists (1,15). Sunday is 0 or 7. As in cron, where
both days are restricted either is enough. A time that a change of clocks leaves out comes an hour later; one that it
brings twice counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from controller.model.errors import UsageError
from controller.quick_dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Sequence[tuple[str, int, int, Sequence[str], int]] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of the month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of the week", 0, 7, _DAYS, 0),
)
"""Name, least, most, names, and the number of the first name."""

_LONGEST_SEARCH = timedelta(days=8 * 366)
"""29 February comes at least once in eight years."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a schedule. `days` and `weekdays` (0 = Sunday) are None where they are not restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    zone: ZoneInfo

    def last_at_or_before(self, now: datetime) -> datetime | None:
        """The latest time that is not after `now`, in UTC; None where there is none in years."""
        today = now.astimezone(self.zone).date()
        for back in range(-1, _LONGEST_SEARCH.days):
            due = [at for at in self._times(today - timedelta(days=back)) if at <= now]
            if due:
                return max(due)
        return None

    def _times(self, day: date) -> Iterator[datetime]:
        if day.month not in self.months or not self._is_due_on(day):
            return
        for hour in self.hours:
            for minute in self.minutes:
                yield datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)

    def _is_due_on(self, day: date) -> bool:
        by_month = None if self.days is None else day.day in self.days
        by_week = None if self.weekdays is None else day.isoweekday() % 7 in self.weekdays
        restricted = [each for each in (by_month, by_week) if each is not None]
        return any(restricted) or not restricted


def parse_cron(text: str, zone: ZoneInfo) -> Cron:
    """Raises UsageError, which says which field is wrong."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise UsageError(f"cron {text!r}: there are five fields: minute hour day-of-month month day-of-week")
    parsed = (_parse_field(field, *rule) for field, rule in zip(fields, _FIELDS, strict=True))
    minutes, hours, days, months, weekdays = parsed
    return Cron(
        minutes,
        hours,
        None if fields[2] == "*" else days,
        months,
        None if fields[4] == "*" else frozenset(day % 7 for day in weekdays),
        zone,
    )


def _parse_field(text: str, name: str, least: int, most: int, names: Sequence[str], first: int) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,2}))?", part)
        if match is None:
            raise UsageError(f"cron: {part!r} is no {name}")
        start, end, step = match.groups()
        if start == "*":
            low, high = least, most
        else:
            low = _number(start, name, names, first)
            high = _number(end, name, names, first) if end else most if step else low
        if not least <= low <= high <= most or step == "0":
            raise UsageError(f"cron: {part!r} is no {name} from {least} to {most}")
        numbers.update(range(low, high + 1, int(step or 1)))
    return frozenset(numbers)


def _number(word: str, name: str, names: Sequence[str], first: int) -> int:
    if word in names:
        return names.index(word) + first
    if not word.isdigit():
        raise UsageError(f"cron: {word!r} is no {name}")
    return int(word)
