"""Limits on the connections of the web port, where uvicorn has none.

uvicorn takes headers of any size, as slowly as they come, and any number of connections: a stranger could use up every
file descriptor of the process, or all of its memory.

connected ─▶ headers ─▶ body ─▶ answer ─▶ (kept alive: the next request)
   each stage has a deadline; headers have a size limit; beyond `connections` the longest idle one is closed
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from controller.quick_dataclasses import dataclass


def _connection_limit() -> int:
    """A quarter of the process's file descriptors, 200 at most: state, manifests and API need the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 200 if soft == resource.RLIM_INFINITY else max(8, min(200, soft // 4))


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times are in seconds.

    connections   open at once
    header_bytes  of a request's first line and headers, and of what comes between and after the pieces of a body;
                  checked after each read, so one read more may have come
    header_s      from the connection, or from a kept-alive request's first byte, to the end of its headers
    body_s        from there to the end of the body
    answer_s      from there until the answer has been sent: ends clients that do not read
    """

    connections: int = _connection_limit()
    header_bytes: int = 32_768
    header_s: float = 10.0
    body_s: float = 15.0
    answer_s: float = 60.0


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, within `limits`."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._in_message = self._has_progressed = False
        self._idle_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline(self._limits.header_s)
        if len(self.connections) > self._limits.connections:
            self._close_longest_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._in_message:
            self._set_deadline(self._limits.header_s)
        self._has_progressed = False
        super().data_received(data)
        # Only bytes that ended no headers and held nothing of a body count: a small request may come in one piece.
        self._header_bytes = 0 if self._has_progressed or not self._in_message else self._header_bytes + len(data)
        if self._header_bytes > self._limits.header_bytes and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_progressed = True
        self._set_deadline(self._limits.body_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._set_deadline(None if self.cycle.response_complete else self._limits.answer_s)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        if self._in_message:
            # Answered before the whole body had come, say because it is too long: do not read the rest, however long.
            self.transport.close()
        self._set_deadline(None)
        super().on_response_complete()

    def _set_deadline(self, seconds: float | None) -> None:
        """Start the deadline of a stage; None: none, as between two requests, where uvicorn has its own."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._abort)

    def _abort(self) -> None:
        self._deadline = None
        self.transport.abort()

    def _close_longest_idle(self) -> None:
        """Close the connection that has been idle longest, so that clients that do send a request are served."""
        idle = [
            connection
            for connection in self.connections
            if isinstance(connection, LimitedProtocol) and connection._is_closable
        ]
        # Where all others are being answered, the newcomer has to go itself.
        min(idle, key=lambda connection: connection._idle_since, default=self).transport.abort()

    @property
    def _is_closable(self) -> bool:
        """Whether none of its requests is being answered. It may be sending one: a body as slow as headers proves
        nothing of who sends it."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return not self.transport.is_closing() and (self._in_message or is_answered)
