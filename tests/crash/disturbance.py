"""One disturbance at one point of a run: the network and the store, with a hand on each.

Points are numbered as they come: requests and commits of the state apart. The request's faults are the emulator's
own, ordered for that one request, so that they happen on real HTTP. A killed process says nothing any more: every
later request and commit dies too, and only what is on disk is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx

import controller.app
import controller.codat.client
import controller.codat.transport

REQUEST_FAULTS: dict[str, dict[str, Any]] = {
    "answer lost": {"do": "lose-answer"},
    "garbled": {"do": "garbage"},
    "429": {"do": "status", "code": 429, "retryAfter": "0"},
    "500 done": {"do": "status", "code": 500, "done": True},
    "500 not done": {"do": "status", "code": 500},
    "503": {"do": "status", "code": 503},
    "stale": {"do": "stale"},
}
KILLS = ("killed before the request", "killed after the request", "killed before the commit", "killed after the commit")
FAULTS = (*KILLS, *REQUEST_FAULTS)

COMMITS = frozenset(
    {"bind", "bind_connection", "saw_configured", "retire", "unretire", "record_applied", "record_applied_many"}
    | {"begin_intent", "close_intent", "settle_company", "settle_connection", "quarantine", "release"}
    | {"note_findings", "remember_verdicts", "begin_run", "end_run", "note_events", "note_writes"}
)
"""The store's methods that commit, but for the lock's: a dead process's lock is taken over, and we live on."""


class Killed(BaseException):
    """The process is dead. Nothing catches this."""


@dataclass
class Disturbance:
    """What is to happen at which point; what has happened so far.

    fault  a word of FAULTS, or None: only look
    at     the number of the request or of the commit
    order  tells the emulator of a fault: `emulator.fault`
    die    ends the process; returns only by raising
    """

    fault: str | None = None
    at: int = -1
    order: Callable[..., None] = lambda *args, **more: None
    die: Callable[[], None] = lambda: None
    dead: bool = False
    requests: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    def before_request(self, request: httpx.Request) -> bool:
        """Whether this is the point at which the process dies once the answer is there."""
        self._stay_dead()
        mine = len(self.requests) == self.at
        self.requests.append(f"{request.method} {request.url.path}")
        if mine and self.fault in REQUEST_FAULTS:
            self.order(self.requests[-1], **REQUEST_FAULTS[self.fault])
        if mine and self.fault == "killed before the request":
            self.kill()
        return mine and self.fault == "killed after the request"

    def before_commit(self, name: str) -> bool:
        self._stay_dead()
        mine = len(self.commits) == self.at
        self.commits.append(name)
        if mine and self.fault == "killed before the commit":
            self.kill()
        return mine and self.fault == "killed after the commit"

    def kill(self) -> NoReturn:
        self.dead = True
        self.die()
        raise Killed

    def _stay_dead(self) -> None:
        if self.dead:
            raise Killed


class Wire(httpx.AsyncBaseTransport):
    """The real network, disturbed."""

    def __init__(self, network: httpx.AsyncBaseTransport, disturbance: Disturbance) -> None:
        self._network, self._disturbance = network, disturbance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        dies = self._disturbance.before_request(request)
        response = await self._network.handle_async_request(request)
        if dies:
            await response.aread()
            self._disturbance.kill()
        return response


class Mortal:
    """The real store, disturbed. Each writing method is one commit."""

    def __init__(self, store: Any, disturbance: Disturbance) -> None:
        self._store, self._disturbance = store, disturbance

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in COMMITS:
            return method

        async def commit(*args: Any, **more: Any) -> Any:
            dies = self._disturbance.before_commit(name)
            answer = await method(*args, **more)
            if dies:
                self._disturbance.kill()
            return answer

        return commit


@contextmanager
def disturbed(disturbance: Disturbance) -> Iterator[None]:
    """Until the block ends, every run of this process meets the disturbance."""
    open_network, open_state = controller.codat.client.open_network, controller.app.open_state

    @asynccontextmanager
    async def network(concurrency: int) -> AsyncIterator[Wire]:
        async with open_network(concurrency) as real:
            yield Wire(real, disturbance)

    @asynccontextmanager
    async def state(url: str) -> AsyncIterator[Mortal]:
        async with open_state(url) as real:
            yield Mortal(real, disturbance)

    controller.codat.client.open_network, controller.app.open_state = network, state
    try:
        yield
    finally:
        controller.codat.client.open_network, controller.app.open_state = open_network, open_state
