"""Send an alert or a report to a chat or a collector: a POST of JSON to a URL. Errors are returned, never raised.

The URL itself is a secret, since whoever knows it may post: it appears in no result and no message.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

ATTEMPT_TIMEOUT_S = 5.0
"""Longest time of one attempt."""

POST_TIMEOUT_S = 30.0
"""Longest time of a report's only attempt: it is larger than an alert."""

_JSON = {"Content-Type": "application/json"}

RETRY_DELAY_S = 1.0
"""Wait before the only retry."""


async def post_alert(url: str, message: Mapping[str, Any], sleep: Callable[[float], Awaitable[None]]) -> str | None:
    """Send a message, retrying once after a transient failure. Returns None, or why it did not arrive. Never raises."""
    body = json.dumps(message).encode()
    async with httpx.AsyncClient(timeout=ATTEMPT_TIMEOUT_S, trust_env=False) as client:
        failure, may_retry = await _attempt(client, url, body)
        if may_retry:
            await sleep(RETRY_DELAY_S)
            failure, _ = await _attempt(client, url, body)
        return failure


async def post_once(url: str, message: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Send a message once. None where it arrived; else why it did not, and whether it certainly did not and a later
    attempt may help. Never raises."""
    body = json.dumps(message).encode()
    async with httpx.AsyncClient(timeout=POST_TIMEOUT_S, trust_env=False) as client:
        try:
            async with client.stream("POST", url, content=body, headers=_JSON) as response:
                status = response.status_code
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return "the address is none that can be posted to", False
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return f"nobody answers there ({type(error).__name__})", True
        except (httpx.HTTPError, OSError) as error:
            return f"whether it arrived is not known ({type(error).__name__})", False
    return None if 200 <= status < 300 else (f"the answer was {status}", status == 429 or status >= 500)


async def _attempt(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[str | None, bool]:
    """Send once. Returns why it failed (None: it arrived), and whether a retry may help."""
    try:
        # Streamed, because the body is never read: only the status matters, and a body may be endless.
        async with client.stream("POST", url, content=body, headers=_JSON) as response:
            status = response.status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return "the address is none that can be posted to", False
    except (httpx.HTTPError, OSError) as error:
        return f"no answer ({type(error).__name__})", True
    if 200 <= status < 300:
        return None, False
    return f"the answer was {status}", status == 429 or status >= 500
