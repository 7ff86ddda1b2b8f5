"""Serve the web application with uvicorn, in a thread with an event loop of its own.

A pass that plans ten thousand merchants keeps its own loop busy for seconds. Codat does not wait that long for the
answer to a webhook, nor a supervisor for that of a health check.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.model.errors import MerchantctlError, UsageError
from controller.web.connection_limits import ConnectionLimits, LimitedProtocol
from controller.web.webhook import RETRY_AFTER_HEADER

SHUTDOWN_TIMEOUT_S = 5
_START_POLL_S = 0.01
"""Interval of checking whether the server has started."""


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: signals are the controller's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _AnswersToItsEnd:
    """An application whose requests are answered where the server ends before they do: their sender tries again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def note_and_send(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, note_and_send)
        except asyncio.CancelledError:  # only the end of the server cancels a request
            if scope["type"] != "http" or is_answered:
                raise
            response = PlainTextResponse("This process is ending.\n", 503, {"Retry-After": RETRY_AFTER_HEADER})
            await response(scope, receive, send)


@asynccontextmanager
async def serving_web(
    app: ASGIApp,
    host: str,
    port: int,
    limits: ConnectionLimits = ConnectionLimits(),
    shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL. Port 0 takes a free one. Raises UsageError where it cannot listen.

    shutdown_timeout_s  so long requests that are under way at the end are waited for
    """
    listener = _listen(host, port)
    protocol: Any = partial(LimitedProtocol, limits=limits)
    server = _Server(
        uvicorn.Config(
            _AnswersToItsEnd(app),
            http=protocol,
            ws="none",
            lifespan="on",
            access_log=False,
            # The log of this process is set up already, and uvicorn's own would take its place.
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=shutdown_timeout_s,  # type: ignore[arg-type] # any number of seconds does
        )
    )

    def run_server() -> None:
        # uvicorn would end the whole process where the application does not start: that is reported below instead.
        with suppress(SystemExit):
            server.run([listener])

    serving = asyncio.create_task(asyncio.to_thread(run_server))
    try:
        while not server.started:
            if serving.done():
                raise MerchantctlError("the web could not be started; the log says why. --listen off does without it.")
            await asyncio.sleep(_START_POLL_S)
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot listen on {host}:{port}: {reason}. Name another with --listen, or off.") from None
