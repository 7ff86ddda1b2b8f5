"""What the rate-limit headers say (API notes 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite

from controller.quick_dataclasses import dataclass

_MIN_EPOCH_S = 1_000_000_000
"""A bare number at least this large is a date in seconds since 1970, a smaller one is a wait in seconds."""

_MAX_EPOCH_S = 1e11
"""Some 3,000 years: a larger number is taken for this one, as `datetime` could not hold it."""

MAX_HEADER_WAIT_S = 86_400.0
"""Seconds that a header can make us wait: the longest period of a quota is a day. More is a mistake."""

_MAX_COUNT_DIGITS = 15

PLAUSIBLE_SERVER_YEARS = range(2020, 2200)
"""A `Date` outside of them is a mistake of the server, and would overflow in sums with it."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Codat's own quota in the current period, as of one answer; None where the answer did not say.

    limit      requests allowed
    remaining  requests left
    resets_at  when the period ends, by our own clock
    """

    limit: int | None
    remaining: int
    resets_at: datetime | None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Quota | None:
        """The quota in these headers; None without a readable number of remaining requests."""
        remaining = parse_count(headers.get("x-rate-limit-remaining"))
        if remaining is None:
            return None
        seconds = seconds_until(headers.get("x-rate-limit-reset", ""), headers)
        resets_at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return cls(parse_count(headers.get("x-rate-limit-limit")), remaining, resets_at)

    @property
    def seconds_until_reset(self) -> float:
        """Seconds until the period ends; 0 when that is unknown or past."""
        return max(0.0, (self.resets_at - datetime.now(UTC)).total_seconds()) if self.resets_at else 0.0


def instant_after(seconds: float) -> datetime:
    """The instant so many seconds from now, to the nearest second: Codat means a whole one, mostly midnight."""
    return (datetime.now(UTC) + timedelta(seconds=seconds + 0.5)).replace(microsecond=0)


def server_date(headers: Mapping[str, str]) -> datetime | None:
    """Codat's own clock as of an answer, to the second; None without a `Date` in a plausible year."""
    date = _parse_date(headers.get("date", ""))
    return date if date and date.year in PLAUSIBLE_SERVER_YEARS else None


def parse_count(text: str | None) -> int | None:
    """A whole number that is not negative; None for anything else, a number of absurd length included."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _MAX_COUNT_DIGITS else None


def seconds_until(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from Codat's own now (its `Date`, else our clock) to what a header names: 0 to MAX_HEADER_WAIT_S.

    None for what is neither date nor number. The format of the reset is not documented: ISO 8601, HTTP date,
    seconds since 1970 and plain seconds are read.
    """
    try:
        number: float | None = float(text)
    except ValueError:
        number = None
    if number is not None and not isfinite(number):
        return None
    if number is not None and number < _MIN_EPOCH_S:
        seconds = number
    else:
        instant = _parse_date(text) if number is None else datetime.fromtimestamp(min(number, _MAX_EPOCH_S), UTC)
        if instant is None:
            return None
        # Both by Codat's clock, so that ours may be wrong without making the wait wrong.
        seconds = (instant - (server_date(headers) or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), MAX_HEADER_WAIT_S)


def _parse_date(text: str) -> datetime | None:
    """An aware instant, of ISO 8601 or an HTTP date; UTC where it names no zone."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parse(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None
