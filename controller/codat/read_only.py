"""The same client with the writing hand tied, twice: its methods refuse, and so does the network below them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn

import httpx

from controller.codat.client import Reader
from controller.codat.pace import Pace
from controller.codat.transport import Transport, open_network
from controller.model.errors import WritesForbidden


@asynccontextmanager
async def open_read_only(
    base_url: str, api_key: str, *, requests_per_minute: int = 950, concurrency: int = 16
) -> AsyncIterator[ReadOnly]:
    """A client that cannot write, whatever it is asked. Parameters as of `client.open_client`."""
    async with open_network(concurrency) as network:
        yield ReadOnly(Transport(base_url, api_key, OnlyGet(network), Pace(requests_per_minute, concurrency)))


class OnlyGet(httpx.AsyncBaseTransport):
    """A network that takes nothing but GET."""

    def __init__(self, network: httpx.AsyncBaseTransport) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            raise WritesForbidden(f"{request.method} {request.url.path}: this client only reads; nothing was sent")
        return await self._network.handle_async_request(request)


class ReadOnly(Reader):
    """Reader, and every writing method of Client as a refusal (WritesForbidden)."""

    async def create_company(self, name: str) -> NoReturn:
        _refuse("create company")

    async def rename_company(self, company_id: str, name: str) -> NoReturn:
        _refuse("rename company")

    async def delete_company(self, company_id: str) -> NoReturn:
        _refuse("delete company")

    async def create_connection(self, company_id: str, platform: str) -> NoReturn:
        _refuse("create connection")

    async def unlink(self, company_id: str, connection_id: str) -> NoReturn:
        _refuse("unlink connection")

    async def set_configuration(self, company_id: str, document: bytes) -> NoReturn:
        _refuse("set configuration")

    async def refresh(self, company_id: str) -> NoReturn:
        _refuse("refresh")

    async def refresh_type(self, company_id: str, data_type: str) -> NoReturn:
        _refuse("refresh")

    async def sync_latest(self, company_id: str, until: datetime | None) -> NoReturn:
        _refuse("sync")

    async def sync_range(self, company_id: str, start: datetime, finish: datetime) -> NoReturn:
        _refuse("sync")

    async def upload(self, company_id: str, data_type: str, body: Mapping[str, Any]) -> NoReturn:
        _refuse("upload")


def _refuse(what: str) -> NoReturn:
    raise WritesForbidden(f"{what}: this client only reads; nothing was sent")
