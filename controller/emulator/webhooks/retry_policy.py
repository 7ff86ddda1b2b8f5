"""When each webhook generation retries a delivery, as tables (API notes 6.3, 6.5). Pure.

answer        legacy                               newer
2xx           done                                 done
3xx           follows it, this once                failure
408 420 …     again, at most three times           again, eight attempts over about 28 hours
any other     gives up at once                     again
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

Generation = Literal["legacy", "newer"]

DELIVERY_TIMEOUT_S = 15.0
"""How long an endpoint may take. The API notes give it for the newer service only."""

DISABLE_AFTER = timedelta(days=5)
"""A newer endpoint that failed everything for so long is disabled."""

_LEGACY_RETRY_STATUSES = {408, 420, 429, 460, 502, 503, 504, 522, 524}
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}

# Waits before the second and later attempts; each begins when the attempt before it failed.
_RETRY_DELAYS: dict[Generation, tuple[timedelta, ...]] = {
    "legacy": tuple(timedelta(seconds=seconds) for seconds in (15, 45, 60)),
    "newer": (
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=10),
        timedelta(hours=10),
    ),
}


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What came back from an endpoint: a status, or None when nothing did."""

    status: int | None
    retry_after: str | None = None
    location: str | None = None

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        return self.status in _REDIRECT_STATUSES and bool(self.location)


def retry_delay(generation: Generation, attempts: int, reply: EndpointReply, now: datetime) -> timedelta | None:
    """How long to wait after that many failed attempts, or None to give the event up.

    `now` is the real time: an HTTP-date in `Retry-After` speaks of that.
    """
    waits = _RETRY_DELAYS[generation]
    is_final = generation == "legacy" and reply.status is not None and reply.status not in _LEGACY_RETRY_STATUSES
    if is_final or attempts > len(waits):
        return None
    requested = _retry_after_delay(reply.retry_after, now) if generation == "legacy" else None
    return waits[attempts - 1] if requested is None else requested


def _retry_after_delay(retry_after: str | None, now: datetime) -> timedelta | None:
    if retry_after is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,6}\s*", retry_after):
        return timedelta(seconds=int(retry_after))
    try:
        retry_at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    retry_at = retry_at if retry_at.tzinfo else retry_at.replace(tzinfo=UTC)
    return max(retry_at - now, timedelta())
