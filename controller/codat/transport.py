"""One request: authorization, time-outs, what may be asked again and what must not.

A read is asked again while that may help. A write is asked again only when it certainly was not done: it provably
never left, or the answer was 429. Every other loss is OutcomeUnknown, for whoever asked to look (REFERENCE 1.9).
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from time import monotonic
from typing import TypeVar

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from controller.codat.pace import PATIENCE, Pace
from controller.codat.quota import Quota, after, count, date_of
from controller.codat.refusal import Answer, Lost, lost, refused, retry_after, unreadable, used_up, wait_of
from controller.model.errors import RateLimited, RemoteError, Transient, UsageError

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
Query = Mapping[str, str | int]

TIME_OUT = {"connect": 10.0, "read": 60.0, "pool": None}
LONGEST = 150.0
"""Seconds that one exchange may take in all, however slowly its answer drips."""

IDLE = 3.0
"""Seconds after which an idle connection is not used again: a server that closes one just as a write
enters it leaves that write's outcome unknown, and common servers close after 5."""

UNTOLD = 0.5
"""Seconds that everyone waits after a 429 that does not say how long."""

ATTEMPTS = 5
DEADLINE = 300.0
"""How often, and for how many seconds from its first try, one request is asked."""


@asynccontextmanager
async def open_network(concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The wire itself, for so many requests at once.

    aiohttp would silently send PUT and DELETE again on a dropped connection; its switch is private, and a test
    that counts requests at the server holds it.
    """
    trusted = _trusted()
    connector = aiohttp.TCPConnector(limit=concurrency, ssl=trusted, keepalive_timeout=IDLE)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        session._retry_connection = False
        yield AiohttpTransport(verify=trusted, trust_env=False, client=session)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust. Reading them takes as long as twenty requests, so once is enough for a process."""
    return httpx.create_ssl_context(trust_env=False)


class Transport:
    """Sends requests to one API with one key, and turns what comes back into values or typed errors.

    reads, writes  requests sent so far, every attempt counted
    """

    def __init__(self, base_url: str, api_key: str, network: httpx.AsyncBaseTransport, pace: Pace) -> None:
        self._base = _checked(base_url)
        credential = b64encode(api_key.encode()).decode()
        self._secrets = tuple(filter(None, (api_key, credential)))
        self._headers = httpx.Headers(
            {
                "Authorization": f"Basic {credential}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "merchantctl",
            }
        )
        self._network = network
        self._pace = pace
        self._last_headers: Mapping[str, str] = {}
        self.reads = 0
        self.writes = 0

    @property
    def quota(self) -> Quota | None:
        """What the last answer said of the quota."""
        return Quota.of(self._last_headers)

    @property
    def resume_at(self) -> datetime | None:
        """When there will be more of a quota that is used up; None while requests go through."""
        return after(self._pace.seconds_until_more) if self._pace.used_up else None

    @property
    def server_time(self) -> datetime | None:
        """The service's own clock as of the last answer, to the second; None where it did not say."""
        return date_of(self._last_headers)

    async def read(self, path: str, parse: Callable[[bytes], T], query: Query | None = None) -> T:
        """GET, asked again while that may help. `parse` raises ValueError for what it does not believe."""
        return await self._ask("GET", path, None, parse, query)

    async def write(self, method: str, path: str, body: bytes | None, parse: Callable[[bytes], T]) -> T:
        """A change, sent again only when it certainly was not done."""
        return await self._ask(method, path, body, parse, None)

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        parse: Callable[[bytes], T],
        query: Query | None,
    ) -> T:
        request, patience = self._request(method, path, body, query), Patience()
        while True:
            outcome = await self._exchange(request)
            _LOG.debug("%s %s: %s", method, path, outcome.status if isinstance(outcome, Answer) else "no answer")
            try:
                return self._believe(outcome, f"{method} {path}", parse, write=method != "GET")
            except RemoteError as error:
                problem = error
            await self._wait(problem, outcome, patience, write=method != "GET")

    def _believe(self, outcome: Answer | Lost | None, address: str, parse: Callable[[bytes], T], *, write: bool) -> T:
        """The parsed body of a success; every other outcome is raised as what it means."""
        if outcome is None:
            raise used_up(address, self._pace.seconds_until_more)
        if isinstance(outcome, Lost):
            raise lost(outcome, address, write=write)
        if not 200 <= outcome.status < 300:
            raise refused(outcome, address, write=write)
        try:
            return parse(outcome.body)
        except (ValueError, RecursionError):
            problem = unreadable(address, outcome.status, write=write)
        raise problem

    async def _wait(
        self, problem: RemoteError, outcome: Answer | Lost | None, patience: Patience, *, write: bool
    ) -> None:
        """Let the time pass after which asking again may help; raise the problem where it may not."""
        limited = isinstance(problem, RateLimited)
        may_help = limited or problem.not_sent or (not write and type(problem) is Transient)
        asked_for = retry_after(outcome.headers) if isinstance(outcome, Answer) else None
        seconds = patience.next(asked_for, limited=limited) if may_help else None
        if seconds is None:
            raise problem from None
        _LOG.info("%s: again in %.1f s", problem, seconds)
        if not limited:
            await asyncio.sleep(seconds)
        elif asked_for is None:
            self._pace.pause(seconds)

    async def _exchange(self, request: httpx.Request) -> Answer | Lost | None:
        """Send once. None: not sent, since the service said that its quota is used up."""
        if not await self._pace.enter():
            return None
        welcome = True
        try:
            self._count(request)
            async with asyncio.timeout(LONGEST):
                response = await self._network.handle_async_request(request)
                answer = self._answer(response, await response.aread())
            welcome = answer.status != 429
            self._heed(answer)
            return answer
        except (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError, ValueError) as problem:
            return Lost(self._safe(problem), isinstance(problem.__cause__, aiohttp.ClientConnectorError))
        finally:
            self._pace.leave(welcome=welcome)

    def _request(self, method: str, path: str, body: bytes | None, query: Query | None) -> httpx.Request:
        headers = (
            self._headers if body is None else httpx.Headers({**self._headers, "Content-Type": "application/json"})
        )
        return httpx.Request(
            method, self._base + path, params=query, headers=headers, content=body, extensions={"timeout": TIME_OUT}
        )

    def _count(self, request: httpx.Request) -> None:
        if request.method == "GET":
            self.reads += 1
        else:
            self.writes += 1

    def _heed(self, answer: Answer) -> None:
        """Let the pace know before anyone takes this place. Dates are dear: read only while the quota runs low."""
        self._last_headers = answer.headers
        left = count(answer.headers.get("x-rate-limit-remaining"))
        if left is not None and (left <= 2 * self._pace.at_once or self._pace.runs_low):
            quota = self.quota
            self._pace.told(left, quota.seconds_left if quota else 0.0)
        if answer.status == 429:
            self._hold(wait_of(answer.headers))

    def _hold(self, seconds: float | None) -> None:
        if seconds is not None and seconds > PATIENCE:
            self._pace.told(0, seconds)
        else:
            self._pace.pause(UNTOLD if seconds is None else seconds)

    def _answer(self, response: httpx.Response, body: bytes) -> Answer:
        """What came back; the words of a refusal without the key, should it echo ours."""
        safe = body if response.is_success else self._without_secrets(body.decode(errors="replace")).encode()
        return Answer(response.status_code, response.headers, safe)

    def _safe(self, problem: BaseException) -> str:
        """A foreign exception in words."""
        return self._without_secrets(f"{type(problem.__cause__ or problem).__name__} {problem}".strip())

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class Patience:
    """How long one request goes on: half a second, doubled each time, at random between half and all of it."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._tries = 1

    def next(self, asked_for: float | None, *, limited: bool) -> float | None:
        """Seconds to wait before the next try, None = no more. A service that is merely busy gets more tries."""
        self._tries += 1
        if (self._tries > ATTEMPTS and not limited) or (asked_for or 0.0) > PATIENCE:
            return None
        backed_off = min(30.0, 0.25 * 2 ** (self._tries - 2)) * random.uniform(0.5, 1.0)
        seconds = max(asked_for, 0.05) if asked_for is not None else backed_off
        return seconds if monotonic() + seconds - self._began <= DEADLINE else None


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise UsageError("the base URL must be like https://api.codat.io, without user, password or query")
    return base_url.rstrip("/")
