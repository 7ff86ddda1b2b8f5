"""One disturbance at one point of a run: the network and the store, with a hand on each.

Points are numbered as they come: requests and commits of the state apart. A request's fault is the emulator's own,
ordered for that one request, so that it happens on real HTTP; a commit is whatever ends a writing transaction of the
state, so none can be overlooked. A killed process says nothing any more: every later request and transaction dies
too, and only what is on disk is left.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx

import controller.codat.client
from state.database import Database

READ_FAULTS: dict[str, dict[str, Any]] = {
    "stale": {"do": "stale"},
    "stale several times": {"do": "stale", "times": 4},
    "unreadable": {"do": "status", "code": 503, "retryAfter": "0", "times": 5},
}
"""What happens to reads alone. The last is asked as often as we ask, and fails for good."""
REQUEST_FAULTS: dict[str, dict[str, Any]] = {
    "dropped": {"do": "drop"},
    "answer lost": {"do": "lose-answer"},
    "truncated": {"do": "truncate"},
    "garbled": {"do": "garbage"},
    "429": {"do": "status", "code": 429, "retryAfter": "0"},
    "500 done": {"do": "status", "code": 500, "done": True},
    "500 not done": {"do": "status", "code": 500},
    "503": {"do": "status", "code": 503},
    **READ_FAULTS,
}
AT_COMMITS = ("killed before the commit", "killed after the commit")
KILLS = ("killed before the request", "killed after the request", *AT_COMMITS)
EDITS = ("undeclared field edited", "declared field edited")
"""The merchant in the portal, just before the request."""
FAULTS = (*KILLS, *REQUEST_FAULTS, *EDITS)
AT_REQUESTS = tuple(fault for fault in FAULTS if fault not in AT_COMMITS)


class Killed(BaseException):
    """The process is dead. Nothing catches this."""


@dataclass
class Disturbance:
    """What is to happen at which point; what has happened so far.

    fault  a word of FAULTS, or None: only look
    at     the number of the request or of the commit
    order  tells the emulator of a fault: `emulator.fault`
    edit   edits in the portal; told the fault and the request that it comes before
    die    ends the process; returns only by raising
    """

    fault: str | None = None
    at: int = -1
    order: Callable[..., None] = lambda *args, **more: None
    edit: Callable[[str, str], None] = lambda fault, request: None
    die: Callable[[], None] = lambda: None
    dead: bool = False
    happened: bool = False
    requests: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    def _is_now(self, reached: int, faults: Collection[str]) -> bool:
        now = reached == self.at and self.fault in faults
        self.happened = self.happened or now
        return now

    def before_request(self, request: httpx.Request) -> bool:
        """Whether this is the point at which the process dies once the answer is there."""
        self.stay_dead()
        mine = self._is_now(len(self.requests), AT_REQUESTS)
        self.requests.append(f"{request.method} {request.url.path}")
        if mine and self.fault in REQUEST_FAULTS:
            self.order(self.requests[-1], **REQUEST_FAULTS[self.fault])
        if mine and self.fault in EDITS:
            self.edit(self.fault, self.requests[-1])
        if mine and self.fault == "killed before the request":
            self.kill()
        return mine and self.fault == "killed after the request"

    def before_commit(self, name: str) -> bool:
        self.stay_dead()
        mine = self._is_now(len(self.commits), AT_COMMITS)
        self.commits.append(name)
        if mine and self.fault == "killed before the commit":
            self.kill()
        return mine and self.fault == "killed after the commit"

    def kill(self) -> NoReturn:
        self.dead = True
        self.die()
        raise Killed

    def stay_dead(self) -> None:
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


@contextmanager
def disturbed(disturbance: Disturbance) -> Iterator[None]:
    """Until the block ends, every run of this process meets the disturbance. One may be within another."""
    open_network, writing = controller.codat.client.open_network, Database.writing

    @asynccontextmanager
    async def network(concurrency: int) -> AsyncIterator[Wire]:
        async with open_network(concurrency) as real:
            yield Wire(real, disturbance)

    @asynccontextmanager
    async def transaction(database: Database) -> AsyncIterator[Any]:
        whose = sys._getframe(2).f_code.co_name  # whoever opens it: `begin_intent`
        disturbance.stay_dead()
        async with writing(database) as connection:
            yield connection
            dies = disturbance.before_commit(whose)
        if dies:
            disturbance.kill()

    controller.codat.client.open_network, Database.writing = network, transaction
    try:
        yield
    finally:
        controller.codat.client.open_network, Database.writing = open_network, writing
