"""One request: authorization, time-outs, what may be retried and what must not.

A read is retried while that may help. A write is retried only when it certainly was not done: it provably never
left, or the answer was 429. Every other write without an answer is OutcomeUnknown, and the caller has to read what
became of it (API notes 1.9).

A write that rests on a read (the API has no ETag) goes through `read_then_write`: both take their places in the
budget together. Where the write would have to wait or to be retried, the caller's read is done again first.
"""

from __future__ import annotations

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import httpx

from controller.codat.aiohttp_transport import NETWORK_ERRORS, was_not_sent
from controller.codat.answer_body import AnswerTooLarge, read_body, read_error_body
from controller.codat.answer_parsing import UnreadableAnswer, sanitize_text
from controller.codat.circuit_breaker import CircuitBreaker
from controller.codat.error_mapping import (
    ApiAnswer,
    NoAnswer,
    error_for_answer,
    error_for_exhausted_quota,
    error_for_no_answer,
    error_for_unreadable_answer,
    retry_after_seconds,
    throttle_seconds,
)
from controller.codat.quota_headers import Quota, instant_after, parse_count, server_date
from controller.codat.rate_limiter import MAX_QUOTA_WAIT_S, QUOTA_RESERVE, Permit, RateLimiter
from controller.model.errors import (
    ApiKeyRefused,
    RateLimited,
    RemoteError,
    TransientError,
    Unauthorized,
    UsageError,
)
from controller.quick_dataclasses import dataclass

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
Query = Mapping[str, str | int]
SleepFunction = Callable[[float], Awaitable[None]]
ClockFunction = Callable[[], datetime]


TIMEOUTS_S = {"connect": 10.0, "read": 60.0, "pool": None}

MAX_EXCHANGE_S = 150.0
"""Seconds that one request and its answer may take in all, however slowly the answer trickles in."""

MIN_THROTTLE_WAIT_S = 0.5
"""Seconds to send nothing after a 429 at the least: when it does not say how long, or says «now»."""

MAX_REQUEST_ATTEMPTS = 5
"""How often one request is sent, unless it is answered 429: then only the time limits."""

MAX_RETRY_S = 300.0
"""Seconds from the first attempt in which another may begin."""

MAX_BACKOFF_S = 30.0

READ_AND_WRITE_PLACES = 2
"""Places in the budget that a read and its write take together."""

KEY_CHECK_PATH = "/meta/companies"
"""A request that is about no merchant: refused here, the key itself is refused."""

KEY_PROOF_VALIDITY = timedelta(seconds=30)
"""How long a key that was proven good is not checked again: 403 may come for many merchants at once."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class RequestCounters:
    """Requests sent so far, every attempt counted, and the headers of the last answer.

    last_date_header  the last `Date` that an answer had, as it came
    skew              what had to be added to our clock to have Codat's when that text first came
    """

    reads: int = 0
    writes: int = 0
    last_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    last_date_header: str = ""
    skew: timedelta | None = None

    def update_skew(self, headers: Mapping[str, str], now: datetime) -> None:
        """Update `skew` from an answer's `Date`; `now` is our clock. An answer without one, as a gateway's, changes
        nothing: what another answer said holds."""
        # Parsing a date is slow and many answers bear the same second. Only the first of them tells the skew to
        # the second anyway: later ones of that second would make our clock look ahead.
        date_header = headers.get("date", "")
        if date_header != self.last_date_header and (server_time := server_date(headers)):
            self.last_date_header, self.skew = date_header, server_time - now


@dataclass(slots=True)
class KeyProof:
    """When the key was last seen to be good where no merchant is asked about. `lock`: one check at a time."""

    proven_at: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)


class NotWritten(Exception):
    """Inside `read_then_write`: the write was not done and may not wait.

    No RemoteError, so that no caller's `read_and_write` that handles those takes it for an answer.
    """

    def __init__(self, problem: RemoteError, outcome: ApiAnswer | NoAnswer | None) -> None:
        super().__init__()
        self.problem, self.outcome = problem, outcome


def hash_api_key(api_key: str) -> str:
    """What the state remembers of a key: enough to know it again, and nothing that opens an account."""
    return sha256(b"merchantctl " + api_key.encode()).hexdigest()


class Transport:
    """Sends requests to one API with one key, and turns what comes back into values or typed errors."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        network: httpx.AsyncBaseTransport,
        rate_limiter: RateLimiter,
        sleep: SleepFunction = asyncio.sleep,
        clock: ClockFunction = utc_now,
    ) -> None:
        self.base_url = _validated_base_url(base_url)
        self.key_hash = ""
        # One for this transport and the copies of it that `read_then_write` makes.
        self._secrets: set[str] = set()
        self._headers = httpx.Headers(
            {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "merchantctl"}
        )
        self._key_proof = KeyProof()
        self.use_key(api_key)
        self._breaker = CircuitBreaker()
        self._network = network
        self._rate_limiter = rate_limiter
        self._sleep = sleep
        self.now = clock
        self._counters = RequestCounters()
        self._exchange_permit: Permit | None = None

    @property
    def reads(self) -> int:
        """Reading requests sent so far, every attempt counted."""
        return self._counters.reads

    @property
    def writes(self) -> int:
        """Writing requests sent so far, every attempt counted."""
        return self._counters.writes

    @property
    def rate_limiter(self) -> RateLimiter:
        return self._rate_limiter

    def use_key(self, api_key: str) -> None:
        """Send all further requests with this key."""
        self.key_hash = hash_api_key(api_key)
        credential = b64encode(api_key.encode()).decode()
        # Old keys stay secret: an answer under way may still echo one.
        self._secrets.update(filter(None, (api_key, credential)))
        self._headers["Authorization"] = f"Basic {credential}"
        self._key_proof.proven_at = None

    @property
    def quota(self) -> Quota | None:
        """What the last answer said of the quota."""
        return Quota.from_headers(self._counters.last_headers)

    @property
    def resume_at(self) -> datetime | None:
        """When a quota that is used up will be reset; None while requests go through."""
        return instant_after(self._rate_limiter.seconds_until_reset) if self._rate_limiter.is_quota_exhausted else None

    @property
    def server_time(self) -> datetime | None:
        """Codat's own clock as of the last answer, to the second; None where it did not say."""
        return server_date(self._counters.last_headers)

    @property
    def skew(self) -> timedelta | None:
        """What has to be added to our clock to have Codat's, as an answer said last; None where none did."""
        return self._counters.skew

    async def read(self, path: str, parse: Callable[[bytes], T], query: Query | None = None) -> T:
        """GET, retried while that may help. `parse` raises ValueError for a body that is not what was asked for."""
        return await self._send_with_retries("GET", path, None, parse, query)

    async def write(
        self,
        method: str,
        path: str,
        body: bytes | None,
        parse: Callable[[bytes], T],
        idempotency_key: str | None = None,
    ) -> T:
        """A change, retried only when it certainly was not done. The key only names it (API notes 1.9)."""
        return await self._send_with_retries(method, path, body, parse, None, idempotency_key)

    async def read_then_write(self, read_and_write: Callable[[Transport], Awaitable[T]]) -> T:
        """Run `read_and_write`: one read and the write that rests on it, both through the transport that it is given.

        Neither waits in the queue after the other. Where the write would have to wait (429, a pause, not sent), or
        was refused so that it certainly was not done, it is run again from its read once the wait is over.
        """
        retries, address = RetryBudget(), "a read and its write"
        while True:
            permit = await self._rate_limiter.acquire(READ_AND_WRITE_PLACES)
            if permit is None:
                raise error_for_exhausted_quota(address, self._rate_limiter.seconds_until_reset)
            # Shares everything with this transport (counters, breaker, limiter) but the permit.
            transport = copy(self)
            transport._exchange_permit = permit
            try:
                return await read_and_write(transport)
            except NotWritten as not_written:
                problem, outcome = not_written.problem, not_written.outcome
            finally:
                permit.close()
            await self._wait_to_retry_or_raise(problem, outcome, retries, write=True)

    async def _send_with_retries(
        self,
        method: str,
        path: str,
        body: bytes | None,
        parse: Callable[[bytes], T],
        query: Query | None,
        idempotency_key: str | None = None,
    ) -> T:
        request, retries, write = self._build_request(method, path, body, query), RetryBudget(), method != "GET"
        if idempotency_key:
            request.headers["Idempotency-Key"] = idempotency_key
        address = f"{method} {path}"
        while True:
            if write and self._exchange_permit:
                assert self._exchange_permit.remaining, "read_then_write allows one read and one write"
                # Another request was answered 429 since our read. What we read would grow old while we wait.
                if self._rate_limiter.is_paused:
                    raise NotWritten(RateLimited(f"{address}: not sent: Codat is busy", retry_at=None), None)
            outcome = await self._send_once(request)
            _LOG.debug("%s: %s", address, outcome.status if isinstance(outcome, ApiAnswer) else "no answer")
            try:
                value = self._value_or_raise(outcome, address, parse, write=write)
            except RemoteError as error:
                problem = error
            else:
                self._breaker.record_answer()
                return value
            self._breaker.record_failed_attempt(problem)
            if isinstance(problem, Unauthorized):
                await self._raise_if_key_refused(problem, path)
            # Certainly not done, so a retry would be safe; but its document is as old as the read before it.
            if write and self._exchange_permit and (isinstance(problem, RateLimited) or problem.not_sent):
                raise NotWritten(problem, outcome) from None
            await self._wait_to_retry_or_raise(problem, outcome, retries, write=write)
            # The attempt that failed used up one of the two places: both anew, or the write would find none.
            if self._exchange_permit:
                await self._exchange_permit.renew()

    def _value_or_raise(
        self, outcome: ApiAnswer | NoAnswer | None, address: str, parse: Callable[[bytes], T], *, write: bool
    ) -> T:
        """The parsed body of a success; every other outcome is raised as what it means."""
        if outcome is None:
            raise error_for_exhausted_quota(address, self._rate_limiter.seconds_until_reset)
        if isinstance(outcome, NoAnswer):
            raise error_for_no_answer(outcome, address, write=write)
        if not 200 <= outcome.status < 300:
            raise error_for_answer(outcome, address, write=write)
        if outcome.unreadable_reason:
            raise error_for_unreadable_answer(address, outcome.status, outcome.unreadable_reason, write=write)
        reason = ""
        try:
            return parse(outcome.body)
        except UnreadableAnswer as error:
            reason = self._without_secrets(sanitize_text(str(error)))
        except (ValueError, RecursionError):
            pass
        # Raised outside of `except`: the foreign exception quotes the body, and must not be its context.
        raise error_for_unreadable_answer(address, outcome.status, reason, write=write)

    async def _raise_if_key_refused(self, problem: Unauthorized, path: str) -> None:
        """ApiKeyRefused where the key is to blame, and not what was asked for (API notes 2.6)."""
        if self._exchange_permit:  # nothing more is sent with it, and the check below needs a place itself
            self._exchange_permit.close()
            self._exchange_permit = None
        if path == KEY_CHECK_PATH or await self._probe_key_refused():
            raise ApiKeyRefused(f"{problem}: Codat refuses the API key; check the API key") from None

    async def _probe_key_refused(self) -> bool:
        """Whether the key is refused where no merchant is asked about; False where that is not answered."""
        async with self._key_proof.lock:
            proven_at = self._key_proof.proven_at
            # Not of a time to come: this machine's clock was put back since.
            if proven_at and timedelta() <= self.now() - proven_at < KEY_PROOF_VALIDITY:
                return False
            request = self._build_request("GET", KEY_CHECK_PATH, None, {"page": 1, "pageSize": 1})
            outcome = await self._send_once(request)
            if not isinstance(outcome, ApiAnswer):
                return False
            if 200 <= outcome.status < 300:
                self._key_proof.proven_at = self.now()
            return outcome.status in (401, 403)

    async def _wait_to_retry_or_raise(
        self, problem: RemoteError, outcome: ApiAnswer | NoAnswer | None, retries: RetryBudget, *, write: bool
    ) -> None:
        """Wait until a retry may help; raise the problem where it may not, or must not be."""
        throttled = isinstance(problem, RateLimited)
        # Exactly TransientError: its subclasses (not ready, of another form) would be answered the same at once.
        unanswered_read = not write and type(problem) is TransientError and self._breaker.may_retry
        retryable = throttled or (write and problem.not_sent) or unanswered_read
        retry_after_s = retry_after_seconds(outcome.headers) if isinstance(outcome, ApiAnswer) else None
        delay_s = retries.next_delay(retry_after_s, throttled=throttled) if retryable else None
        if delay_s is None:
            if not write:
                self._breaker.record_given_up_read_or_raise(problem)
            raise problem from None
        _LOG.info("%s: again in %.1f s", problem, delay_s)
        # Others may have the places meanwhile; they are taken anew after the wait.
        if self._exchange_permit:
            self._exchange_permit.close()
        if throttled:
            # A 429 is about the whole account: pause every request, and let this one queue with the others. What was
            # not sent got none of its own: it waits for the pause that there is.
            if outcome:
                self._rate_limiter.throttle(delay_s)
        else:
            await self._sleep(delay_s)

    async def _send_once(self, request: httpx.Request) -> ApiAnswer | NoAnswer | None:
        """What came back. None: not sent, since Codat said that its quota is used up."""
        permit = await self._acquire_permit_for_one()
        if permit is None:
            return None
        throttled = False
        try:
            if request.method == "GET":
                self._counters.reads += 1
            else:
                self._counters.writes += 1
            # As it leaves: it may have waited for minutes, and the key was changed since.
            request.headers["Authorization"] = self._headers["Authorization"]
            async with asyncio.timeout(MAX_EXCHANGE_S):
                response = await self._network.handle_async_request(request)
                self._counters.update_skew(response.headers, self.now())
                answer = await self._read_answer(response)
            throttled = answer.status == 429
            # Before `finally` frees this place for the next request, which must know of the 429 or the quota.
            self._update_rate_limiter(answer)
            return answer
        except NETWORK_ERRORS as problem:
            description = f"{type(problem.__cause__ or problem).__name__} {problem}".strip()
            # Only a failure to connect proves that nothing left.
            not_sent = was_not_sent(problem)
            return NoAnswer(self._without_secrets(sanitize_text(description)), not_sent)
        finally:
            permit.record_answer(throttled=throttled)
            if permit is not self._exchange_permit:
                permit.close()

    async def _acquire_permit_for_one(self) -> Permit | None:
        """A permit with a place for one more request: that of the read and its write, where this is one of the two.
        None: the quota is used up."""
        permit = self._exchange_permit
        if permit is None:
            return await self._rate_limiter.acquire()
        # A pause began, or this is a retry: wait for all places anew, so that the write still follows its read at once.
        must_wait = permit.is_blocked or not permit.remaining
        return None if must_wait and not await permit.renew() else permit

    def _build_request(self, method: str, path: str, body: bytes | None, query: Query | None) -> httpx.Request:
        headers = (
            self._headers if body is None else httpx.Headers({**self._headers, "Content-Type": "application/json"})
        )
        url = self.base_url + path
        return httpx.Request(
            method, url, params=query, headers=headers, content=body, extensions={"timeout": TIMEOUTS_S}
        )

    def _update_rate_limiter(self, answer: ApiAnswer) -> None:
        """Tell the rate limiter what this answer says of the quota and of a pause."""
        self._counters.last_headers = answer.headers
        remaining = parse_count(answer.headers.get("x-rate-limit-remaining"))
        limit = parse_count(answer.headers.get("x-rate-limit-limit"))
        # The reset is a date, slow to parse, and matters only once requests in flight could use up what remains, or
        # the background what it leaves to others.
        matters_below = max(2 * self._rate_limiter.max_in_flight, QUOTA_RESERVE * (limit or 0))
        if remaining is not None and (remaining <= matters_below or self._rate_limiter.knows_quota):
            quota = self.quota
            self._rate_limiter.update_quota(remaining, quota.seconds_until_reset if quota else 0.0, limit)
        if answer.status != 429:
            return
        seconds = throttle_seconds(answer.headers)
        if seconds is not None and seconds > MAX_QUOTA_WAIT_S:
            # Too long to wait for: as if the quota were used up, so that requests fail at once and say until when.
            self._rate_limiter.update_quota(0, seconds)
        else:
            self._rate_limiter.throttle(max(seconds or 0.0, MIN_THROTTLE_WAIT_S))

    async def _read_answer(self, response: httpx.Response) -> ApiAnswer:
        """The answer with its body; that of an error without the key, should Codat echo it."""
        status, headers = response.status_code, response.headers
        if not response.is_success:
            try:
                error_text = (await read_error_body(response)).decode(errors="replace")
            except NETWORK_ERRORS:  # the sentence broke off; what the status says holds
                error_text = ""
            return ApiAnswer(status, headers, self._without_secrets(error_text).encode())
        try:
            return ApiAnswer(status, headers, await read_body(response))
        except AnswerTooLarge as error:
            return ApiAnswer(status, headers, b"", unreadable_reason=str(error))

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class RetryBudget:
    """How often and how long one request is retried.

    The first delay is a quarter of a second, doubled each time, at random between half and all of it. What Codat asks
    for counts where it is longer: a `Retry-After: 0` does not mean that a retry at once would help.
    """

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._started_at = self._now()
        self._backoff_s = 0.25
        self._attempts = 1

    def next_delay(self, retry_after_s: float | None, *, throttled: bool) -> float | None:
        """Seconds to wait before the next attempt, None = no more. A 429 is no failed attempt: only time limits it."""
        self._attempts += not throttled
        if self._attempts > MAX_REQUEST_ATTEMPTS or (retry_after_s or 0.0) > MAX_QUOTA_WAIT_S:
            return None
        delay_s = max(retry_after_s or 0.0, self._backoff_s * random.uniform(0.5, 1.0))
        self._backoff_s = min(MAX_BACKOFF_S, 2 * self._backoff_s)
        return delay_s if self._now() + delay_s - self._started_at <= MAX_RETRY_S else None


def _validated_base_url(base_url: str) -> str:
    """Without its last slash. UsageError for what cannot be the base of an API."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise UsageError("the base URL must be like https://api.codat.io, without user, password or query")
    return base_url.rstrip("/")
