"""What the rate-limit headers say (REFERENCE 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite

_EPOCH_FROM = 1_000_000_000
"""A bare number at least this large is a date in seconds since 1970, a smaller one is a wait in seconds."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests allowed and left in the current period, as of one answer; None where it did not say.

    resets_at  when the period ends, by our own clock
    """

    limit: int | None
    remaining: int
    resets_at: datetime | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Quota | None:
        """The quota as these headers tell it; None without a readable number of requests left."""
        remaining = count(headers.get("x-rate-limit-remaining"))
        if remaining is None:
            return None
        wait = seconds_until(headers.get("x-rate-limit-reset", ""), headers)
        resets_at = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        return cls(count(headers.get("x-rate-limit-limit")), remaining, resets_at)

    @property
    def seconds_left(self) -> float:
        """Seconds until the period ends; 0 when that is unknown or past."""
        return max(0.0, (self.resets_at - datetime.now(UTC)).total_seconds()) if self.resets_at else 0.0


def after(seconds: float) -> datetime:
    """The instant so many seconds from now, to the nearest second: the service means a whole one, midnight mostly."""
    return (datetime.now(UTC) + timedelta(seconds=seconds + 0.5)).replace(microsecond=0)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """The service's own clock as of an answer, to the second."""
    return _date(headers.get("date", ""))


def count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def seconds_until(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from the service's own now (its `Date`, else our clock) to what the text names; never negative.

    The format of the reset is not documented: ISO 8601, HTTP date, seconds since 1970 and plain seconds are read.
    """
    number = _number(text)
    if number is not None and number < _EPOCH_FROM:
        return max(0.0, number)
    then = datetime.fromtimestamp(min(number, 1e11), UTC) if number is not None else _date(text)
    now = date_of(headers) or datetime.now(UTC)
    return None if then is None else max(0.0, (then - now).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _date(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None
