"""`merchantctl run` in virtual time, in this process, against an emulator in another one whose clock goes with it.

Everything is the controller's own but its clock, its waiting and the way to the emulator, on which requests are counted
and take a moment of virtual time. A story beside it moves the world and looks at the state, as anybody could.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import sqlite3
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Collection
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import httpx

from benchmarks.stage import AUTHORIZATION, MANIFEST, ask, bound_fleet
from benchmarks.virtual_time import VirtualLoop, run
from controller.codat.aiohttp_transport import open_network
from controller.daemon import loop, scheduler, state_queue
from controller.daemon.bootstrap import run_daemon
from controller.daemon.jobs import abandoned_sync_watcher, heartbeat, shared_view
from controller.environment import Environment
from controller.settings import Settings
from state.process_claims import HEARTBEATS_PER_LEASE

ANSWER_TAKES_S = 0.1
"""Virtual seconds from a request to its answer."""

TICK_INTERVAL_S = 10.0
"""Virtual seconds from one look for those due to the next: what is asked for here is handed out without it."""

POLL_INTERVAL_S = 60.0
"""Virtual seconds from one look to the next at what this state has for other processes, and at the manifests. In real
life they are a few seconds apart and cost nothing beside it; of a virtual week they would be most."""

_IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class CompanyIds:
    """A company, and its connection to its books."""

    name: str
    id: str
    books: str


class EmulatorHand:
    """What a story does to the emulator, whose clock is put forward to the loop's before anything is asked of it."""

    def __init__(self, url: str, clock: VirtualLoop) -> None:
        self._clock, self._connection = clock, http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._ahead = timedelta()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        with self._connection.getresponse() as answer:
            content = answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {content!r}"
            return json.loads(content) if content else None

    def put_clock_forward(self) -> None:
        behind = self._clock.now() - datetime.now(UTC) - self._ahead
        if behind > timedelta(seconds=0.5):
            self._ahead += behind
            self.ask("POST", "/_emulator/clock", {"advance": f"PT{behind.total_seconds():.3f}S"})


@dataclass
class Requests:
    """What left for the emulator: `counts` by method and path; `most` that any minute saw, wherever it begins."""

    counts: Counter[str] = field(default_factory=Counter)
    most: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def add(self, request: httpx.Request, at: float) -> None:
        path = _IDS.sub("{id}", request.url.path)
        self.counts[
            f"{request.method} {path}{' (status)' if 'dataConnections.status' in str(request.url) else ''}"
        ] += 1
        self._recent.append(at)
        while self._recent[0] <= at - 60:
            self._recent.popleft()
        self.most = max(self.most, len(self._recent))


class _CountedWire(httpx.AsyncBaseTransport):
    def __init__(self, below: httpx.AsyncBaseTransport, hand: EmulatorHand, requests: Requests) -> None:
        self._below, self._hand, self._requests = below, hand, requests

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        clock = asyncio.get_running_loop()
        assert isinstance(clock, VirtualLoop)
        self._hand.put_clock_forward()
        self._requests.add(request, clock.time())
        with clock.standing_still():
            response = await self._below.handle_async_request(request)
            try:
                content = b"".join([piece async for piece in response.aiter_raw()])
            finally:
                await response.aclose()
        await asyncio.sleep(ANSWER_TAKES_S)
        return httpx.Response(response.status_code, headers=response.headers, content=content, request=request)


class VirtualRun:
    """The controller that runs, and what there is to be seen of it."""

    def __init__(self, settings: Settings, clock: VirtualLoop) -> None:
        self.settings, self.clock = settings, clock
        self.hand, self.requests = EmulatorHand(settings.base_url, clock), Requests()
        self._controller: asyncio.Task[int] | None = None
        self._state = settings.state.removeprefix("sqlite:///")

    @asynccontextmanager
    async def _network(self, base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
        async with open_network(base_url, concurrency) as below:
            yield _CountedWire(below, self.hand, self.requests)

    def start(self) -> None:
        environment = Environment(self.clock.now, self.clock.time, asyncio.sleep, self._network)
        self._controller = asyncio.create_task(run_daemon(self.settings, environment=environment))

    async def stop(self) -> None:
        assert self._controller is not None, "it was not started"
        os.kill(os.getpid(), signal.SIGTERM)
        await self._controller

    async def wait(self, seconds: float) -> None:
        """Lets the world go on for so long."""
        assert self._controller is not None, "it was not started"
        done, _ = await asyncio.wait({self._controller}, timeout=seconds)
        assert not done, f"the controller ended by itself: {self._controller}"
        self.hand.put_clock_forward()

    def ages(self) -> dict[str, float]:
        """Seconds since the last look at each merchant that anybody has looked at."""
        now = self.clock.now()
        times = self.read("select merchant, seen_at from seen")
        return {name: (now - datetime.fromisoformat(at).replace(tzinfo=UTC)).total_seconds() for name, at in times}

    def read(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._state}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def size_of_state(self) -> float:
        """MiB in use by its rows and indexes."""
        ((pages,),), ((free,),), ((size,),) = (
            self.read(f"pragma {each}") for each in ("page_count", "freelist_count", "page_size")
        )
        return float((pages - free) * size / 2**20)


def resident_mib() -> float:
    """Of this process."""
    with open("/proc/self/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS"))) / 1024


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def virtual_fleet(url: str, folder: Path, merchants: int, pace: int, resync_s: float) -> Settings:
    """A fleet in sync whose manifests are in one file."""
    settings = bound_fleet(url, folder, merchants, "configured", MANIFEST)
    for each in settings.manifests.iterdir():
        each.unlink()
    write_manifests(settings.manifests, load_companies(url))
    return replace(settings, requests_per_minute=pace, resync=resync_s)


def load_companies(url: str) -> tuple[CompanyIds, ...]:
    found: list[Any] = []
    page, total = 1, 1
    while len(found) < total:
        answer = ask(url, "GET", f"/meta/companies?page={page}&pageSize=5000")
        found, total, page = found + answer["results"], answer["totalResults"], page + 1
    return tuple(_company(each) for each in found)


def _company(row: dict[str, Any]) -> CompanyIds:
    (books,) = [each["id"] for each in row["dataConnections"] if each["sourceType"] == "Accounting"]
    return CompanyIds(row["name"], row["id"], books)


def write_manifests(folder: Path, companies: tuple[CompanyIds, ...], changed: Collection[str] = ()) -> None:
    """All in one file: whether it changed is asked for every three seconds."""
    other = MANIFEST.replace('"205"', '"260"')
    texts = ((other if each.name in changed else MANIFEST).format(name=each.name) for each in companies)
    (folder / "new").write_text("---\n".join(texts))
    (folder / "new").rename(folder / "fleet.yaml")


class Story(Protocol):
    def __call__(self, controller: VirtualRun) -> Awaitable[Any]:
        """Starts and ends it, and what it found; to be pickled, as what it is given is."""


def tell(story: Story, settings: Settings, log: Path) -> Any:
    """Has a story told in a process of its own, where nothing else takes memory. `log`: its file."""
    here, there = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_tell, args=(story, settings, log, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise AssertionError(f"it ended without an answer:\n{log.read_text()[-3000:]}") from None
    finally:
        process.join()


def _tell(story: Story, settings: Settings, log: Path, answer: Any) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)
    os.close(descriptor)

    loop.MANIFEST_POLL_INTERVAL_S = loop.SCHEMA_CHECK_INTERVAL_S = POLL_INTERVAL_S
    loop.ROLLOUT_DRIVE_INTERVAL_S = POLL_INTERVAL_S  # type: ignore[attr-defined]
    scheduler.CLOCK_CHECK_INTERVAL_S = POLL_INTERVAL_S
    shared_view.SHARED_VIEW_INTERVAL_S = abandoned_sync_watcher.MANUAL_SYNC_CHECK_INTERVAL_S = POLL_INTERVAL_S
    heartbeat.SIGN_OF_LIFE_INTERVAL_S = state_queue.HEARTBEAT_INTERVAL_S = POLL_INTERVAL_S
    state_queue.TICK_INTERVAL_S = TICK_INTERVAL_S
    settings = replace(settings, lock_lease=HEARTBEATS_PER_LEASE * POLL_INTERVAL_S)

    async def told(clock: VirtualLoop) -> Any:
        return await story(VirtualRun(settings, clock))

    answer.send(run(told))
