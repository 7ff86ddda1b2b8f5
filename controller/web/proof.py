"""Whether a delivery is the service's own. Pure, over the raw bytes; a comparison tells nothing by its time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from controller.web.ports import Secrets

TOLERANCE = timedelta(minutes=5)
"""How far a signed time may be from ours, either way (REFERENCE 6.5)."""


def proven(secrets: Secrets, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """A fresh signature by one of our keys, or the legacy generation's header as it was agreed."""
    return _authorized(secrets, headers) or _signed(secrets, headers, body, now)


def signed_header(headers: Mapping[str, str], name: str) -> str:
    """`webhook-id`, `-timestamp` or `-signature`; before Aug 2024 they began with `svix` (REFERENCE 6.5)."""
    return headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or ""


def _authorized(secrets: Secrets, headers: Mapping[str, str]) -> bool:
    given = headers.get("authorization", "").encode()
    return any(hmac.compare_digest(given, agreed) for agreed in secrets.authorization)


def _signed(secrets: Secrets, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """The library signs and we compare: its own `verify` knows no other clock than the machine's, and one
    malformed signature in the header makes it refuse the good one beside it."""
    stamped, text = _instant(signed_header(headers, "timestamp")), _text(body)
    if stamped is None or text is None or abs(now - stamped) > TOLERANCE:
        return False
    given = signed_header(headers, "signature").encode().split(b" ")
    ours = [Webhook(key).sign(signed_header(headers, "id"), stamped, text).encode() for key in secrets.signing]
    return any(hmac.compare_digest(one, other) for one in given for other in ours)


def _instant(seconds: str) -> datetime | None:
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
