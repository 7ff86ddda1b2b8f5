"""A server below HTTP libraries: it does as told for each request in turn, and counts what really arrived."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

DROP = b""
"""Close the connection without a word."""


def answer(status: int = 200, body: Any = None, **headers: str) -> bytes:
    """A whole response; `body` as JSON unless it is bytes; `Retry_After` becomes `Retry-After`."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


@dataclass
class RawServer:
    """`script` holds the answers to come, `usual` the one after them; `seen` what arrived, as `METHOD target`."""

    url: str = ""
    script: list[bytes] = field(default_factory=list)
    usual: bytes = field(default_factory=answer)
    seen: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(
            (line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length")), "0"
        )
        self.bodies.append(await reader.readexactly(int(size)))
        self.heads.append(head)
        self.seen.append(" ".join(head.split()[:2]))
        reply = self.script.pop(0) if self.script else self.usual
        writer.write(reply)
        await writer.drain()
        return reply != DROP


@asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
