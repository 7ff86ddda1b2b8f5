"""The thread that serves: it begins before anybody is told its address, and says why when it cannot."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from controller.model.errors import MerchantctlError, UsageError
from controller.web.app import create_app
from controller.web.context import WebContext
from controller.web.server_thread import serving_web
from tests.web.conftest import Site


@asynccontextmanager
async def broken() -> AsyncIterator[WebContext]:
    raise OSError("the state is not there")
    yield


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serving_web(create_app(broken), "127.0.0.1", port):
                pass


async def test_what_cannot_be_opened_ends_the_start() -> None:
    with pytest.raises(MerchantctlError, match="could not be started"):
        async with serving_web(create_app(broken), "127.0.0.1", 0):
            pass


def test_once_left_nobody_is_answered(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        assert site.api.get("/healthz").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{site.url}/healthz", trust_env=False)


async def test_whoever_is_still_sending_at_the_end_is_told_to_come_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not left without an answer, and the log is not full of tracebacks."""

    begun = Event()

    async def waits_for_the_rest(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] in ("http.request", "lifespan.startup")
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
        else:
            begun.set()
        await receive()

    async with serving_web(waits_for_the_rest, "127.0.0.1", 0, shutdown_timeout_s=0.05) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{")
        assert await asyncio.to_thread(begun.wait, 60)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 10" in answer.lower()
    assert [each.exc_info for each in caplog.records if each.exc_info] == []
