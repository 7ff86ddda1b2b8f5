"""Somebody between the client and the emulator, without a socket: answers in its place, or changes what it says.

async def worse(request: httpx.Request, onward: Onward) -> httpx.Response:
    answer = await onward(request)
    return httpx.Response(403) if request.url.path.endswith("/commerce") else answer

place.environment = between(place.environment, worse)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from controller.environment import Environment

Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Interceptor = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]


class _Between(httpx.AsyncBaseTransport):
    def __init__(self, wire: httpx.AsyncBaseTransport, middle: Interceptor) -> None:
        self._wire, self._middle = wire, middle

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._middle(request, self._wire.handle_async_request)


def intercepted(environment: Environment, middle: Interceptor) -> Environment:
    """The environment, in whose network `middle` sees every request."""

    @asynccontextmanager
    async def opened(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
        async with environment.network(base_url, concurrency) as wire:
            yield _Between(wire, middle)

    return replace(environment, network=opened)
