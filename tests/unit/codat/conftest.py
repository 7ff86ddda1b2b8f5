"""`raw`: a server that does as told for each request in turn (`raw_server`). Waits of clients are not sat out."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.hurried_loop import HurriedEventLoop
from tests.unit.codat.raw_server import RawServer, raw_server


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"hurried": HurriedEventLoop}


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server
