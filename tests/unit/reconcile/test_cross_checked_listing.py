"""A listing of the companies, held against those that are known to be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from controller.codat.client import open_client
from controller.model.errors import ApiKeyRefused
from controller.model.observed import Listing
from controller.reconcile.observe import cross_check_listing
from controller.reconcile.snapshot import CompanyIndex
from tests.unit.codat.virtual_time import run

NOBODY = CompanyIndex.from_listing(Listing((), complete=True, began_at=datetime(2026, 12, 1, tzinfo=UTC)))


def test_once_the_key_is_refused_nobody_else_is_asked_for() -> None:
    """What ends the run ends its reads: they went on for minutes, one for each company that the list lacks."""
    asked: list[str] = []

    async def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        await asyncio.sleep(1)
        return httpx.Response(401, json={"error": "No such key."})

    @asynccontextmanager
    async def network(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
        yield httpx.MockTransport(refuse)

    async def story() -> None:
        async with open_client("http://api.example", "a-key", concurrency=1, network=network) as client:
            with pytest.raises(ApiKeyRefused):
                await cross_check_listing(NOBODY, [f"c{number}" for number in range(30)], (), client)
            refused_after = len(asked)
            await asyncio.sleep(600)
            assert len(asked) == refused_after

    run(story())
