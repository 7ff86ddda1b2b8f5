"""Read-only client: its write methods raise, and the network below it rejects every method but GET."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn

import httpx

from controller.codat.aiohttp_transport import OpenNetwork, open_network
from controller.codat.client import Client
from controller.codat.rate_limiter import RateLimiter
from controller.codat.raw_json import JsonObject
from controller.codat.transport import ClockFunction, SleepFunction, Transport, utc_now
from controller.model.errors import WritesForbidden
from controller.model.hooks import Hook


@asynccontextmanager
async def open_read_only_client(
    base_url: str,
    api_key: str,
    *,
    requests_per_minute: int = 950,
    concurrency: int = 16,
    network: OpenNetwork = open_network,
    sleep: SleepFunction = asyncio.sleep,
    clock: ClockFunction = utc_now,
) -> AsyncIterator[ReadOnlyClient]:
    """A client that cannot write. Parameters as of `client.open_client`."""
    async with network(base_url, concurrency) as opened:
        rate_limiter = RateLimiter(requests_per_minute, concurrency)
        yield ReadOnlyClient(Transport(base_url, api_key, GetOnlyTransport(opened), rate_limiter, sleep, clock))


class GetOnlyTransport(httpx.AsyncBaseTransport):
    """Sends GET requests only; raises WritesForbidden for any other."""

    def __init__(self, network: httpx.AsyncBaseTransport) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            raise WritesForbidden(f"{request.method} {request.url.path}: this client only reads; nothing was sent")
        return await self._network.handle_async_request(request)


class ReadOnlyClient(Client):
    """A Client whose every writing method raises WritesForbidden."""

    async def read_then_write(self, read_and_write: Callable[[Client], Awaitable[object]]) -> NoReturn:
        _refuse("read, then write")

    async def create_company(self, name: str, idempotency_key: str | None = None) -> NoReturn:
        _refuse("create company")

    async def rename_company(
        self, company_id: str, name: str, before_write: Callable[[], Awaitable[None]] | None = None
    ) -> NoReturn:
        _refuse("rename company")

    async def delete_company(self, company_id: str) -> NoReturn:
        _refuse("delete company")

    async def create_connection(self, company_id: str, platform: str, idempotency_key: str | None = None) -> NoReturn:
        _refuse("create connection")

    async def unlink_connection(self, company_id: str, connection_id: str) -> NoReturn:
        _refuse("unlink connection")

    async def delete_connection(self, company_id: str, connection_id: str) -> NoReturn:
        _refuse("delete connection")

    async def push_account(
        self, company_id: str, connection_id: str, account: Mapping[str, str], idempotency_key: str | None = None
    ) -> NoReturn:
        _refuse("push account")

    async def set_configuration(self, company_id: str, document: bytes) -> NoReturn:
        _refuse("set configuration")

    async def refresh(self, company_id: str) -> NoReturn:
        _refuse("refresh")

    async def refresh_type(self, company_id: str, data_type: str) -> NoReturn:
        _refuse("refresh")

    async def start_sync_until(self, company_id: str, until: datetime | None) -> NoReturn:
        _refuse("sync")

    async def start_sync_of_range(self, company_id: str, start: datetime, finish: datetime) -> NoReturn:
        _refuse("sync")

    async def upload(self, company_id: str, data_type: str, body: Mapping[str, Any]) -> NoReturn:
        _refuse("upload")

    async def set_settings(self, part: str, document: JsonObject) -> NoReturn:
        _refuse("set settings")

    async def create_hook(self, hook: Hook) -> NoReturn:
        _refuse("create rule or webhook consumer")

    async def delete_consumer(self, consumer_id: str) -> NoReturn:
        _refuse("delete webhook consumer")


def _refuse(operation: str) -> NoReturn:
    raise WritesForbidden(f"{operation}: this client only reads; nothing was sent")
