"""Signing a delivery as Standard Webhooks does (API notes 6.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any

PREFIX = "whsec_"


def new_secret() -> str:
    """A signing secret, one per consumer: `whsec_` and 24 random bytes in Base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def is_secret(value: Any) -> bool:
    """Whether `value` could be a signing secret."""
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return False
    try:
        return bool(base64.b64decode(value.removeprefix(PREFIX), validate=True))
    except ValueError:
        return False


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: `v1,` and the HMAC-SHA256 over id, Unix seconds and raw body."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
