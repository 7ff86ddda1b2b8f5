"""`raw`: a server that does as told for each request in turn (`raw_server`)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.codat.raw_server import RawServer, raw_server


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server
