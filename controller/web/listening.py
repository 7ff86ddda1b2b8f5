"""The web on a socket, in a thread with a loop of its own: uvicorn's door.

A pass that thinks about ten thousand merchants keeps its own loop busy for seconds. The service does not wait that long
for the answer to a webhook, nor a supervisor for a sign of life.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from controller.model.errors import MerchantctlError, UsageError

_SHUTDOWN_SECONDS = 5
_STARTED = 0.01
"""Seconds between two looks whether it is."""


class _Server(uvicorn.Server):
    """Leaves signals to the controller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[str]:
    """Serves while this lasts; its address. Port 0 takes a free one. Raises UsageError where it may not be taken."""
    listener = _bound(host, port)
    server = _Server(_config(app))
    serving = asyncio.create_task(asyncio.to_thread(_serve, server, listener))
    try:
        await _started(server, serving)
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    with suppress(SystemExit):  # uvicorn would end the process where the application does not start
        server.run([listener])


async def _started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            raise MerchantctlError("the web could not be started; the log says why. --listen off does without it.")
        await asyncio.sleep(_STARTED)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"cannot listen on {host}:{port}: {why}. Name another with --listen, or off.") from None
