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
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, NoReturn
from unittest.mock import patch

import httpx

from state.database import Database
from tests.end_to_end.place import Place

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
FAULTS_AT_COMMITS = ("killed before the commit", "killed after the commit")
KILL_FAULTS = ("killed before the request", "killed after the request", *FAULTS_AT_COMMITS)
EDIT_FAULTS = ("undeclared field edited", "declared field edited")
"""The merchant in the portal, just before the request."""
ALL_FAULTS = (*KILL_FAULTS, *REQUEST_FAULTS, *EDIT_FAULTS)
CREATE_PATTERN = r"POST /meta/companies/sync|POST /meta/companies/[^/]+/connections"
SAVE_PATTERN = r"POST /config/companies/[^/]+/sync/commerce"
WORLD_FAULTS = {
    "edited after our POST": SAVE_PATTERN,
    "edited while our POST waits": SAVE_PATTERN,
    "consented": ".*",
    "completed late": CREATE_PATTERN,
    "gateway's 404": r"GET /companies/[^/]+",
    "gateway's 504, done": r"(POST|PUT|PATCH|DELETE) .*",
    "page shifted": r"GET /meta/companies",
}
"""What the rest of the world does at the very moment of a request, and at which requests it can."""
FAULTS_AT_REQUESTS = tuple(fault for fault in (*ALL_FAULTS, *WORLD_FAULTS) if fault not in FAULTS_AT_COMMITS)


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
    order_fault: Callable[..., None] = lambda *args, **more: None
    edit_in_portal: Callable[[str, str], None] = lambda fault, request: None
    end_process: Callable[[], None] = lambda: None
    is_dead: bool = False
    has_happened: bool = False
    requests: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    def _is_now(self, reached: int, faults: Collection[str]) -> bool:
        now = reached == self.at and self.fault in faults
        self.has_happened = self.has_happened or now
        return now

    def before_request(self, request: httpx.Request) -> bool:
        """Whether this is the point at which the process dies once the answer is there."""
        self.raise_if_dead()
        mine = self._is_now(len(self.requests), FAULTS_AT_REQUESTS)
        self.requests.append(f"{request.method} {request.url.path}")
        if mine and self.fault in REQUEST_FAULTS:
            self.order_fault(self.requests[-1], **REQUEST_FAULTS[self.fault])
        if mine and (self.fault in EDIT_FAULTS or self.fault in WORLD_FAULTS):
            self.edit_in_portal(self.fault, self.requests[-1])
        if mine and self.fault == "killed before the request":
            self.kill()
        return mine and self.fault == "killed after the request"

    def before_commit(self, name: str) -> bool:
        self.raise_if_dead()
        mine = self._is_now(len(self.commits), FAULTS_AT_COMMITS)
        self.commits.append(name)
        if mine and self.fault == "killed before the commit":
            self.kill()
        return mine and self.fault == "killed after the commit"

    def kill(self) -> NoReturn:
        self.is_dead = True
        self.end_process()
        raise Killed

    def raise_if_dead(self) -> None:
        if self.is_dead:
            raise Killed


class DisturbedTransport(httpx.AsyncBaseTransport):
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
def disturbed(place: Place, disturbance: Disturbance) -> Iterator[None]:
    """Until the block ends, every run of this place meets the disturbance. One may be within another."""
    environment, writing = place.environment, Database.writing

    @asynccontextmanager
    async def network(base_url: str, concurrency: int) -> AsyncIterator[DisturbedTransport]:
        async with environment.network(base_url, concurrency) as real:
            yield DisturbedTransport(real, disturbance)

    @wraps(writing)  # one within another finds it by its name
    @asynccontextmanager
    async def transaction(database: Database) -> AsyncIterator[Any]:
        whose = sys._getframe(2).f_code.co_qualname  # whoever opens it: `Intents.begin`
        disturbance.raise_if_dead()
        async with writing(database) as connection:
            yield connection
            dies = disturbance.before_commit(whose)
        if dies:
            disturbance.kill()

    place.environment = replace(environment, network=network)
    try:
        with patch.object(Database, writing.__name__, transaction):
            yield
    finally:
        place.environment = environment
