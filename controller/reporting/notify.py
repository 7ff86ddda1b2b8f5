"""One message to a chat or a collector: a POST of JSON to an address. What goes wrong here stops at this door.

The address itself is a secret, since whoever knows it may post: it is in no result and no message.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

PATIENCE = 5.0
"""Seconds that an attempt may take."""

PAUSE = 1.0
"""Seconds before the one repetition."""


async def post(url: str, message: Mapping[str, Any]) -> str | None:
    """Sends it, and once again after a failure that may pass. None: it arrived; else why it did not. Never raises."""
    body = json.dumps(message).encode()
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        failure, again = await _attempt(client, url, body)
        if again:
            await asyncio.sleep(PAUSE)
            failure, _ = await _attempt(client, url, body)
        return failure


async def _attempt(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[str | None, bool]:
    """Why it failed, and whether asking again may help."""
    try:
        answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return "the address is none that can be posted to", False
    except (httpx.HTTPError, OSError) as error:
        return f"no answer ({type(error).__name__})", True
    if answer.is_success:
        return None, False
    return f"the answer was {answer.status_code}", answer.status_code == 429 or answer.status_code >= 500
