"""The emulator without a socket: what a client sends is handed to the application itself, in the same process.

    application = build(World(Settings(account=ACCOUNT)))
    Environment(network=network(application))        what a run needs to reach it
    httpx.Client(transport=Bridge(application))      what a test needs

Only where no socket is the subject: what a client makes of a connection that breaks is a matter of real HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from controller.emulator.http.app import Application

TEST_ACCOUNT = "3c1f0a52-6f0e-4b7c-9d55-0a1f7be2c901"
"""Whose account the tests' emulators are copies of; `running(Settings(account=...))` is somebody else's."""


class FakeConnection:
    """Stands for the connection of one request, which a fault can end."""

    def __init__(self) -> None:
        self.broken = False

    def abort(self) -> None:
        self.broken = True

    close = abort


class AsgiTransport(httpx.AsyncBaseTransport):
    """An httpx transport that ends in an ASGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await exchange_once(self._application, request, await request.aread())


class SyncAsgiTransport(httpx.BaseTransport):
    """The same for whoever does not run in an event loop, or stands in the middle of one."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = _stepped(exchange_once(self._application, request, request.read()))
        return response


def network_to(application: Application) -> Callable[[str, int], AbstractAsyncContextManager[AsgiTransport]]:
    """For `Environment(network=...)`."""

    @asynccontextmanager
    async def opened(base_url: str, concurrency: int) -> AsyncIterator[AsgiTransport]:
        yield AsgiTransport(application)

    return opened


async def exchange_once(application: Application, request: httpx.Request, body: bytes) -> httpx.Response:
    """One request and its answer. RemoteProtocolError where a fault broke the connection."""
    line, sent = FakeConnection(), list[Any]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(_scope(request, line), receive, send)
    if line.broken or not sent:
        raise httpx.RemoteProtocolError("the server ended the connection without a whole answer", request=request)
    start, *rest = sent
    content = b"".join(each.get("body", b"") for each in rest)
    return httpx.Response(start["status"], headers=start["headers"], content=content, request=request)


def _scope(request: httpx.Request, line: FakeConnection) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port or 80),
        "client": ("127.0.0.1", 1),
        "emulator.transport": line,
    }


def _stepped(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs it without an event loop: the application never waits, but to let others run, or where latency is set."""
    try:
        while True:
            assert work.send(None) is None, "this call waits for something: it needs a server of its own"
    except StopIteration as done:
        return done.value
