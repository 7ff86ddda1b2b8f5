"""Rate limits as settings: calls a minute from one address, a day, at once (REFERENCE 2.1 to 2.3).

Windows are fixed: a minute of the emulated clock, and its UTC day. Off until set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from math import ceil
from typing import Any

from controller.emulator.clock import NEVER, stamp
from controller.emulator.errors import ApiError

UNLIMITED = 1_000_000
_TOO_MANY = "You have made too many requests in a given amount of time; please retry later."


@dataclass(slots=True)
class Limits:
    """What is allowed, and what was used of it in the current windows."""

    per_minute: int | None = None
    per_day: int | None = None
    concurrent: int | None = None
    """At once for one company."""
    _minute: datetime = NEVER
    _day: datetime = NEVER
    _in_minute: Counter[str] = field(default_factory=Counter)
    _in_day: int = 0
    _told: bool = False
    _at_once: Counter[str] = field(default_factory=Counter)

    def order(self, wanted: Mapping[str, Any]) -> None:
        """Set limits from the body of `POST /_emulator/limits`; what it lacks is off. Raises ApiError 400."""
        for name in ("perMinute", "perDay", "concurrent"):
            value = wanted.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                raise ApiError(400, f'"{name}" is a whole number or null; got {value!r}')
        self.per_minute, self.per_day = wanted.get("perMinute"), wanted.get("perDay")
        self.concurrent = wanted.get("concurrent")
        self._in_minute.clear()
        self._in_day, self._told = 0, False

    def shown(self) -> dict[str, int | None]:
        return {"perMinute": self.per_minute, "perDay": self.per_day, "concurrent": self.concurrent}

    def enter(self, now: datetime, address: str, company_id: str | None) -> None:
        """Count a call that is about to be served. Raises ApiError 429; a refused call is not counted."""
        self._turn(now)
        if self.per_day is not None and self._in_day >= self.per_day:
            raise _too_many(now, _midnight_after(now))
        if self.per_minute is not None and self._in_minute[address] >= self.per_minute:
            raise _too_many(now, self._minute + timedelta(minutes=1))
        if self.concurrent is not None and company_id and self._at_once[company_id] >= self.concurrent:
            raise _too_many(now, now + timedelta(seconds=1))
        self._in_day += 1
        self._in_minute[address] += 1
        if company_id:
            self._at_once[company_id] += 1

    def leave(self, company_id: str | None) -> None:
        """A call that `enter` let in is answered."""
        if company_id:
            self._at_once[company_id] -= 1
            if self._at_once[company_id] <= 0:
                del self._at_once[company_id]

    def used_up(self, now: datetime) -> datetime | None:
        """When the day's quota comes back, if the call just let in was its last; told once."""
        if self.per_day is None or self._told or self._in_day < self.per_day:
            return None
        self._told = True
        return _midnight_after(now)

    def quota(self, now: datetime) -> dict[str, Any]:
        """The day's quota as webhooks tell it."""
        self._turn(now)
        whole = UNLIMITED if self.per_day is None else self.per_day
        left = max(0, whole - self._in_day)
        return {"dailyQuota": whole, "quotaRemaining": left, "expiryDate": stamp(_midnight_after(now))}

    def headers(self, now: datetime, address: str) -> list[tuple[bytes, bytes]]:
        """The three headers of every response, for the limit that is nearest."""
        allowed, used, resets = self._nearest(now, address)
        values = (str(allowed), str(max(0, allowed - used)), stamp(resets))
        return [(name, value.encode()) for name, value in zip(_HEADER_NAMES, values, strict=True)]

    def _nearest(self, now: datetime, address: str) -> tuple[int, int, datetime]:
        self._turn(now)
        windows = [(UNLIMITED, 0, _midnight_after(now))]
        if self.per_day is not None:
            windows.append((self.per_day, self._in_day, _midnight_after(now)))
        if self.per_minute is not None:
            windows.append((self.per_minute, self._in_minute[address], self._minute + timedelta(minutes=1)))
        return min(windows, key=lambda window: window[0] - window[1])

    def _turn(self, now: datetime) -> None:
        """Begin new windows where the clock has left the old ones."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._in_minute.clear()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if day != self._day:
            self._day = day
            self._in_day, self._told = 0, False


_HEADER_NAMES = (b"x-rate-limit-limit", b"x-rate-limit-remaining", b"x-rate-limit-reset")


def _midnight_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(tzinfo=UTC))


def _too_many(now: datetime, until: datetime) -> ApiError:
    seconds = max(1, ceil((until - now).total_seconds()))
    return ApiError(429, _TOO_MANY, headers={"Retry-After": str(seconds)})
