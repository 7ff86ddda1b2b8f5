"""Whether a delivery comes from Codat. Pure, over the raw bytes; all comparisons take constant time."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from hashlib import sha256

from standardwebhooks import Webhook

from controller.web.context import WebhookSecrets
from state import AUTHORIZATION_KEY_ID, DeliveryProof

MAX_SIGNATURE_AGE = timedelta(minutes=5)
"""How far a signed time may be from now, either way: limits replays (API notes 6.5)."""


class NotProven(Enum):
    """Why a delivery is not believed.

    UNSIGNED  it bears neither a signature by one of our keys nor the agreed header
    STALE     the signature is right, and of another time than now
    """

    UNSIGNED = auto()
    STALE = auto()


def find_proof(
    secrets: WebhookSecrets, headers: Mapping[str, str], body: bytes, clocks: Collection[datetime]
) -> DeliveryProof | NotProven:
    """By what it is proven: a fresh signature by one of our keys, or the agreed header of the legacy generation; or why
    it is not.

    clocks  now by this machine's clock and by Codat's. One of them is enough: what is told of Codat's is as old as its
            last answer, so that it is wrong once ours was put right, until the next
    """
    signed_at = _parse_timestamp(webhook_header(headers, "timestamp"))
    key = _signing_key(secrets, headers, body, signed_at) if signed_at else None
    is_fresh = signed_at is not None and any(abs(now - signed_at) <= MAX_SIGNATURE_AGE for now in clocks)
    # The signature goes before the header: it tells by which of several secrets, for which a consumer may wait.
    if key is not None and is_fresh:
        return DeliveryProof(secrets.sources.get(key, ""), sha256(b"webhook key " + key).hexdigest()[:16])
    if _has_agreed_authorization(secrets, headers):
        return DeliveryProof("", AUTHORIZATION_KEY_ID)
    return NotProven.UNSIGNED if key is None else NotProven.STALE


def webhook_header(headers: Mapping[str, str], name: str) -> str:
    """`webhook-id`, `-timestamp` or `-signature`; before Aug 2024 they began with `svix` (API notes 6.5)."""
    return headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or ""


def _has_agreed_authorization(secrets: WebhookSecrets, headers: Mapping[str, str]) -> bool:
    given = headers.get("authorization", "").encode()
    return any(hmac.compare_digest(given, agreed) for agreed in secrets.authorization)


def _signing_key(secrets: WebhookSecrets, headers: Mapping[str, str], body: bytes, signed_at: datetime) -> bytes | None:
    # The library signs and we compare: its own `verify` uses the machine's clock only, and refuses a good signature
    # where a malformed one stands beside it in the header.
    text = _decode_utf8(body)
    if text is None:
        return None
    given = webhook_header(headers, "signature").encode().split(b" ")
    proven = None
    for key in secrets.signing:
        expected = Webhook(key).sign(webhook_header(headers, "id"), signed_at, text).encode()
        if any(hmac.compare_digest(signature, expected) for signature in given):
            proven = key
    return proven


def _parse_timestamp(seconds: str) -> datetime | None:
    """The instant of Unix seconds as text; None where it is not one."""
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _decode_utf8(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
