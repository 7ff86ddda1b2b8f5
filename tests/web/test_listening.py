"""The thread that serves: it begins before anybody is told its address, and says why when it cannot."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from controller.model.errors import MerchantctlError, UsageError
from controller.web.app import create_app
from controller.web.context import WebContext
from controller.web.server import serving_web
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
