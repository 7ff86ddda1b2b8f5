"""Rate limits as settings: calls a minute from one address, a day, at once (API notes 2.1 to 2.3).

Windows are fixed: a minute of the emulated clock, and its UTC day. Off until set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from math import ceil
from typing import Any

from controller.emulator.service.clock import LONG_AGO, format_timestamp
from controller.emulator.service.errors import ApiError

UNLIMITED_CALLS = 1_000_000
_TOO_MANY_REQUESTS_TEXT = "You have made too many requests in a given amount of time; please retry later."


@dataclass(slots=True)
class RateLimits:
    """The limits, and what was used of them in the current windows."""

    per_minute: int | None = None
    per_day: int | None = None
    concurrent: int | None = None
    """At once for one company."""
    max_page_size: int | None = None
    """Rows on one page of any list, however many were asked for."""
    _minute: datetime = LONG_AGO
    _day: datetime = LONG_AGO
    _in_minute: Counter[str] = field(default_factory=Counter)
    _in_day: int = 0
    _exhaustion_reported: bool = False
    _in_flight: Counter[str] = field(default_factory=Counter)

    def configure(self, body: Mapping[str, Any]) -> None:
        """Set limits from the body of `POST /_emulator/limits`; what it lacks is off. Raises ApiError 400."""
        for name in ("perMinute", "perDay", "concurrent", "maxPageSize"):
            value = body.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                raise ApiError(400, f'"{name}" is a whole number or null; got {value!r}')
        self.per_minute, self.per_day = body.get("perMinute"), body.get("perDay")
        self.concurrent, self.max_page_size = body.get("concurrent"), body.get("maxPageSize") or None
        self._in_minute.clear()
        self._in_day, self._exhaustion_reported = 0, False

    def to_json(self) -> dict[str, int | None]:
        return {
            "perMinute": self.per_minute,
            "perDay": self.per_day,
            "concurrent": self.concurrent,
            "maxPageSize": self.max_page_size,
        }

    def acquire(self, now: datetime, address: str, company_id: str | None) -> None:
        """Count a call that is about to be served. Raises ApiError 429; a refused call is not counted."""
        self._roll_windows(now)
        if self.per_day is not None and self._in_day >= self.per_day:
            raise _too_many_requests(now, _midnight_after(now))
        if self.per_minute is not None and self._in_minute[address] >= self.per_minute:
            raise _too_many_requests(now, self._minute + timedelta(minutes=1))
        if self.concurrent is not None and company_id and self._in_flight[company_id] >= self.concurrent:
            raise _too_many_requests(now, now + timedelta(seconds=1))
        self._in_day += 1
        self._in_minute[address] += 1
        if company_id:
            self._in_flight[company_id] += 1

    def release(self, company_id: str | None) -> None:
        """A call that `acquire` admitted has been answered."""
        if company_id:
            self._in_flight[company_id] -= 1
            if self._in_flight[company_id] <= 0:
                del self._in_flight[company_id]

    def take_quota_exhausted_until(self, now: datetime) -> datetime | None:
        """When the day's quota resets, if the call just admitted used it up; returned once a day only."""
        if self.per_day is None or self._exhaustion_reported or self._in_day < self.per_day:
            return None
        self._exhaustion_reported = True
        return _midnight_after(now)

    def quota_json(self, now: datetime) -> dict[str, Any]:
        """The day's quota as webhooks report it."""
        self._roll_windows(now)
        quota = UNLIMITED_CALLS if self.per_day is None else self.per_day
        remaining = max(0, quota - self._in_day)
        return {"dailyQuota": quota, "quotaRemaining": remaining, "expiryDate": format_timestamp(_midnight_after(now))}

    def headers(self, now: datetime, address: str) -> list[tuple[bytes, bytes]]:
        """The three headers of every response, for the limit that is nearest."""
        allowed, used, resets = self._nearest_limit(now, address)
        values = (str(allowed), str(max(0, allowed - used)), format_timestamp(resets))
        return [(name, value.encode()) for name, value in zip(_HEADER_NAMES, values, strict=True)]

    def _nearest_limit(self, now: datetime, address: str) -> tuple[int, int, datetime]:
        self._roll_windows(now)
        windows = [(UNLIMITED_CALLS, 0, _midnight_after(now))]
        if self.per_day is not None:
            windows.append((self.per_day, self._in_day, _midnight_after(now)))
        if self.per_minute is not None:
            windows.append((self.per_minute, self._in_minute[address], self._minute + timedelta(minutes=1)))
        return min(windows, key=lambda window: window[0] - window[1])

    def _roll_windows(self, now: datetime) -> None:
        """Begin new windows where the clock has left the old ones."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._in_minute.clear()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if day != self._day:
            self._day = day
            self._in_day, self._exhaustion_reported = 0, False


_HEADER_NAMES = (b"x-rate-limit-limit", b"x-rate-limit-remaining", b"x-rate-limit-reset")


def _midnight_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(tzinfo=UTC))


def _too_many_requests(now: datetime, until: datetime) -> ApiError:
    seconds = max(1, ceil((until - now).total_seconds()))
    return ApiError(429, _TOO_MANY_REQUESTS_TEXT, headers={"Retry-After": str(seconds)})
