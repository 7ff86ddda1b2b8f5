"""The read-only client: nothing but GET ever arrives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.codat.aiohttp_transport import open_network
from controller.codat.client import Client, Reader
from controller.codat.rate_limiter import RateLimiter
from controller.codat.read_only import GetOnlyTransport, ReadOnlyClient, open_read_only_client
from controller.codat.transport import Transport
from controller.model.errors import WritesForbidden
from controller.model.hooks import Hook, HookKind
from controller.model.observed import Company
from tests.narrowing import expect
from tests.unit.codat.raw_server import RawServer, answer

WRITES = sorted(set(dir(Client)) - set(dir(Reader)))
READS = sorted(name for name in dir(Reader) if not name.startswith("_"))


FITTING: dict[tuple[str, int], object] = {
    ("read_then_write", 0): lambda api: api.create_company("x"),
    ("rename_company", 2): None,
    ("set_configuration", 1): b"{}",
    ("create_hook", 0): Hook(HookKind.CONSUMER, frozenset({"connection.deleted"}), "https://hooks.example"),
    ("set_settings", 0): "profile",
    ("set_settings", 1): {},
    ("start_sync_until", 1): None,
    ("start_sync_of_range", 1): datetime(2026, 12, 1, tzinfo=UTC),
    ("start_sync_of_range", 2): datetime(2026, 12, 2, tzinfo=UTC),
}
"""What a method needs that takes more than text, by the place of the argument."""


def arguments(method: Callable[..., Any]) -> list[Any]:
    return ["x"] * len(inspect.signature(method).parameters)


@pytest.mark.parametrize("name", [name for name in WRITES if not name.startswith("_")])
async def test_every_writing_method_refuses_and_nothing_is_sent(raw: RawServer, name: str) -> None:
    async with open_read_only_client(raw.url, "key") as client:
        method = getattr(client, name)
        with pytest.raises(WritesForbidden, match="only reads"):
            await method(*arguments(method))
    assert raw.seen == []


@pytest.mark.parametrize("name", [name for name in WRITES if not name.startswith("_")])
async def test_even_a_client_that_would_write_sends_nothing_over_a_network_that_only_reads(
    raw: RawServer, name: str
) -> None:
    raw.usual = answer(200, {"id": "x", "name": "x"})
    async with open_network(raw.url, 4) as network:
        client = Client(Transport(raw.url, "key", GetOnlyTransport(network), RateLimiter(0, 4)))
        method = getattr(client, name)
        with pytest.raises(WritesForbidden):
            await method(*[FITTING.get((name, i), "x") for i, _ in enumerate(arguments(method))])
    assert all(seen.startswith("GET ") for seen in raw.seen)


def test_no_writing_method_even_asks_the_network() -> None:
    assert [name for name in WRITES if not name.startswith("_") and name not in vars(ReadOnlyClient)] == []


def test_both_clients_read_alike() -> None:
    assert all(getattr(ReadOnlyClient, name) is getattr(Client, name) for name in READS)


async def test_it_reads(raw: RawServer) -> None:
    raw.usual = answer(200, {"id": "c1", "name": "acme", "dataConnections": []})
    async with open_read_only_client(raw.url, "key") as client:
        assert expect(Company, await client.company("c1")).name == "acme"
        assert (client.reads, client.writes) == (1, 0)
