"""How long a portal edit may be lost: from the receipt of a document to the departure of its successor, at the default
pace, which this fleet of writes uses up."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import httpx

from benchmarks.stage import Figure, ask, fleet_in_sync, serve_emulator_process
from controller.codat.aiohttp_transport import open_network
from controller.environment import Environment
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest

WRITING_MERCHANTS = 300
"""More requests than a minute's budget: one to plan and three to write for each."""


class Stopwatch(httpx.AsyncBaseTransport):
    """The network, with the time from each document's receipt to its successor's departure, in milliseconds: by the
    clock, and of this process's own processor, which is what the clock shows where nobody else wants it."""

    def __init__(self, below: httpx.AsyncBaseTransport, windows: list[tuple[float, float]]) -> None:
        self._below, self._windows, self._received = below, windows, dict[str, tuple[float, float]]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            clock, processor = self._received[path]
            self._windows.append((1000 * (perf_counter() - clock), 1000 * (process_time() - processor)))
        response = await self._below.handle_async_request(request)
        body = b"".join([piece async for piece in response.aiter_raw()])
        await response.aclose()
        self._received[path] = perf_counter(), process_time()
        return httpx.Response(response.status_code, headers=response.headers, content=body, request=request)


def measure(merchants: int = WRITING_MERCHANTS) -> list[Figure]:
    windows: list[tuple[float, float]] = []

    @asynccontextmanager
    async def network(base_url: str, concurrency: int) -> AsyncIterator[Stopwatch]:
        async with open_network(base_url, concurrency) as below:
            yield Stopwatch(below, windows)

    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as folder:
        settings = replace(fleet_in_sync(url, Path(folder), merchants), requests_per_minute=950)
        for company in ask(url, "GET", "/meta/companies?page=1&pageSize=5000")["results"]:
            ask(url, "PATCH", f"/_emulator/companies/{company['id']}/configuration", {"enabled": False})
        everything = RunPolicy(frozenset({"disable", "remap", "reschedule"}))
        order = RunRequest(Scope(), everything, lambda plan: True)
        asyncio.run(plan_and_apply(settings, order, environment=Environment(network=network)))
    clock, processor = (sorted(column) for column in zip(*windows, strict=True))
    return [
        Figure(f"documents written, {merchants} merchants drifted", len(windows), "", f">= {merchants}"),
        Figure("read to write, median", clock[len(clock) // 2], "ms"),
        Figure("read to write, 99th percentile", clock[len(clock) * 99 // 100], "ms", "<= 50"),
        Figure("of it own processor, median", processor[len(clock) // 2], "ms"),
        Figure("of it own processor, 99th percentile", processor[len(clock) * 99 // 100], "ms", "<= 50"),
    ]
