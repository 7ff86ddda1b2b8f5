"""Which texts are an address that a webhook can be sent to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def is_web_address(text: Any) -> bool:
    """An absolute http or https address with a host."""
    if not isinstance(text, str) or not text.isascii() or any(character.isspace() for character in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
