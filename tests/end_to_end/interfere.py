"""Something that happens at the moment of a given request of a run: somebody else's write, a lost answer, a late one.

    meddle(place, at(CREATE_COMPANY, someone_else))     before the first such request leaves
    meddle(place, after=...)                            once it was answered, before the run sees the answer

What happens may be another whole run: it is awaited in the middle of this one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from tests.end_to_end.place import Place

BeforeRequest = Callable[[httpx.Request], Awaitable[httpx.Response | None]]
AfterResponse = Callable[[httpx.Request, httpx.Response], Awaitable[httpx.Response]]


async def no_interference(request: httpx.Request) -> httpx.Response | None:
    return None


async def unchanged_response(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return response


class MeddlingTransport(httpx.AsyncBaseTransport):
    """The network below, with a hand on each request."""

    def __init__(self, below: httpx.AsyncBaseTransport, before: BeforeRequest, after: AfterResponse) -> None:
        self._below, self._before, self._after = below, before, after

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        instead = await self._before(request)
        if instead is not None:
            return instead
        response = await self._below.handle_async_request(request)
        await response.aread()
        return await self._after(request, response)


def interfere(place: Place, before: BeforeRequest = no_interference, after: AfterResponse = unchanged_response) -> None:
    """From now on, in every run here."""
    opened = place.environment.network

    @asynccontextmanager
    async def network(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
        async with opened(base_url, concurrency) as below:
            yield MeddlingTransport(below, before, after)

    place.environment = replace(place.environment, network=network)


def is_call(request: httpx.Request, call: str) -> bool:
    """Whether it is that METHOD and path template."""
    method, template = call.split(" ")
    pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
    return request.method == method and re.fullmatch(pattern, request.url.path) is not None


def at_request(call: str, happens: Callable[[], object], *, time: int = 1) -> BeforeRequest:
    """Before the so many-th such request leaves."""
    seen = 0

    async def before(request: httpx.Request) -> httpx.Response | None:
        nonlocal seen
        if is_call(request, call):
            seen += 1
            if seen == time:
                come = happens()
                if isinstance(come, Awaitable):
                    await come
        return None

    return before
