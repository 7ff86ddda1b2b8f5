"""Passes that overlap, in one process and without a socket: a chosen request is held until the story lets it go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import httpx

from tests.end_to_end.place import Place

IsMeant = Callable[[httpx.Request], bool]


class Hold:
    """One request that is held: `reached` once somebody sends it, answered after `let_go`."""

    def __init__(self, is_meant: IsMeant, *, after_answer: bool) -> None:
        self.is_meant, self.after_answer = is_meant, after_answer
        self.reached, self._free = asyncio.Event(), asyncio.Event()

    def let_go(self) -> None:
        self._free.set()

    async def wait(self) -> None:
        self.reached.set()
        await self._free.wait()


class HoldingTransport(httpx.AsyncBaseTransport):
    """Passes requests on, one by one; each hold is for the first request that it means."""

    def __init__(self, below: httpx.AsyncBaseTransport, holds: list[Hold]) -> None:
        self._below, self._holds = below, holds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        held = next((each for each in self._holds if not each.reached.is_set() and each.is_meant(request)), None)
        if held and not held.after_answer:
            await held.wait()
        answer = await self._below.handle_async_request(request)
        if held and held.after_answer:
            await held.wait()
        return answer


class Traffic:
    """The requests of a place from now on."""

    def __init__(self, place: Place) -> None:
        self._holds: list[Hold] = []
        below = place.environment.network

        @asynccontextmanager
        async def opened(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
            async with below(base_url, concurrency) as transport:
                yield HoldingTransport(transport, self._holds)

        network: Callable[[str, int], AbstractAsyncContextManager[httpx.AsyncBaseTransport]] = opened
        place.environment = replace(place.environment, network=network)

    def hold(self, method: str, path_part: str, *, after_answer: bool = False) -> Hold:
        """The next request of that method whose path has that part; `after_answer`: it is done, and the answer late."""

        def is_meant(request: httpx.Request) -> bool:
            return request.method == method and path_part in request.url.path

        hold = Hold(is_meant, after_answer=after_answer)
        self._holds.append(hold)
        return hold
