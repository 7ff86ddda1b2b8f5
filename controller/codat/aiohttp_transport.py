"""HTTP over this machine's network: aiohttp in the shape of an httpx transport."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache

import httpx

from controller.model.errors import MerchantctlError


@contextmanager
def _no_certificates() -> Iterator[None]:
    """OpenSSL finds none of this machine's: these variables say where they are."""
    before = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(before, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# As it is imported, aiohttp reads this machine's certificates twice, for contexts of its own. Every request has ours
# instead, so that they only take time: a tenth of a `plan`.
with _no_certificates():
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

OpenNetwork = Callable[[str, int], AbstractAsyncContextManager[httpx.AsyncBaseTransport]]
"""Opens the network to a base URL, for so many requests at once."""

NETWORK_ERRORS = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError, ValueError)
"""What a request may raise that had no answer, or none that can be read."""

MAX_IDLE_S = 3.0
"""Seconds after which an idle connection is not used again: a server that closes one just as a write
enters it leaves that write's outcome unknown, and common servers close after 5."""


@asynccontextmanager
async def open_network(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The real network. MerchantctlError with an aiohttp that would resend writes."""
    # Reading certificates takes as long as twenty requests. Plain HTTP needs none: there, no server would be trusted.
    is_plain = base_url.lower().startswith("http:")
    certificates = _ssl_context_without_certificates() if is_plain else _ssl_context_with_certificates()
    connector = aiohttp.TCPConnector(limit=concurrency, ssl=certificates, keepalive_timeout=MAX_IDLE_S)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        # On a dropped connection aiohttp silently sends PUT and DELETE again: a second write that nobody asked for.
        # Its switch is private, so make sure that it is still there; a test counts the requests at the server.
        if getattr(session, "_retry_connection", None) is not True:
            raise MerchantctlError(
                f"aiohttp {aiohttp.__version__} has not the switch that keeps it from sending a request twice, so "
                "nothing was sent. Install the versions that merchantctl names: "
                "pip install --force-reinstall merchantctl"
            )
        session._retry_connection = False
        yield AiohttpTransport(verify=certificates, trust_env=False, client=session)


@cache
def _ssl_context_without_certificates() -> ssl.SSLContext:
    """Made once per process."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _ssl_context_with_certificates() -> ssl.SSLContext:
    """Read once per process."""
    return httpx.create_ssl_context(trust_env=False)


def was_not_sent(error: BaseException) -> bool:
    """Whether there was no connection to send the request on; False where that is not known."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorError)
