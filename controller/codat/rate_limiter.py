"""How fast requests may be sent: a budget a minute, so many at once, and what Codat says of its own quota.

Codat counts arrivals in windows whose beginning we do not know. A place in our budget is therefore taken when a
request leaves and given back a minute after its *answer* came: arrival lies between the two, so no window of
60 seconds anywhere sees more arrivals than the budget, bursts included.

    sent ──── arrives ──── answered ──────────── 60 s ────────────▶ place free again

A read and the write that rests on it take their places together, with one permit, so that the write does not wait in
this queue, for up to a minute, while what was read grows old.

Two lanes. What somebody waits for goes FIRST. A long pass goes in the BACKGROUND: it leaves a part of the
budget and of the requests at once free, and is spread over the minute, since a budget that was spent in a burst lets
nobody through for the rest of it. While it waits, the other lane leaves a part of the budget to it, too.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

BUDGET_WINDOW_S = 60.25
"""Seconds that an answered request keeps its place: a minute, and what two clocks may disagree in it."""

MAX_QUOTA_WAIT_S = 90.0
"""Seconds that are worth waiting for. A quota that returns later is used up."""

SAME_PERIOD_S = 2.0
"""Two answers speak of the same quota period when their resets differ by less: the header is in whole seconds."""

BACKGROUND_SHARE = 0.95
"""Of the budget, and of the requests at once, so much may be in the background's hands."""

BACKGROUND_BURST = 0.04
"""Of the budget, so much may go at once in the background; more comes at an even pace. With the reserve above, nine
tenths of the budget are left for that pace."""

FIRST_SHARE = 0.8
"""Of the budget, so much may be in the other lane's hands while the background waits: a flood of events does not stop
it."""


QUOTA_RESERVE = 0.2
"""Of a day's requests, so much is left by the background to the other lane, and less the later in the day that is
reached: half of it for the listings, which find events, and half for those that are told and for people."""

DAY_S = 86_400.0


class RequestLane(IntEnum):
    """Whose turn it is, the smaller number first."""

    FIRST = 0
    BACKGROUND = 1


_LANE: ContextVar[RequestLane] = ContextVar("lane", default=RequestLane.FIRST)


@contextmanager
def background_requests() -> Iterator[None]:
    """Requests of this task, and of those that it begins meanwhile, are sent in the background."""
    token = _LANE.set(RequestLane.BACKGROUND)
    try:
        yield
    finally:
        _LANE.reset(token)


class RateLimiter:
    """Lets requests through: those of the first lane before those in the background, and in each as they came.

    per_minute     requests a minute; 0 = unlimited
    max_in_flight  requests in flight at most; halved when Codat answers 429, raised again by answers that are not 429
    """

    def __init__(self, per_minute: int, max_in_flight: int) -> None:
        self._is_limited, self._budget = per_minute > 0, per_minute
        self._max_concurrency = self._concurrency = float(max_in_flight)
        self._in_flight = [0 for _ in RequestLane]
        self._taken = [0 for _ in RequestLane]  # places of requests in flight, and reserved ones
        self._answered_at: deque[float] = deque()
        self._answered_first_at: deque[float] = deque()  # those of the first lane among them
        self._background_burst = max(1.0, BACKGROUND_BURST * per_minute)
        self._background_tokens, self._tokens_at = self._background_burst, 0.0
        self._paused_until = 0.0
        self._quota_remaining = math.inf
        self._quota_resets_at = 0.0
        self._quota_reserve = 0.0
        self._background_rests_until = 0.0
        self._queues: tuple[deque[tuple[asyncio.Future[bool], int]], ...] = tuple(deque() for _ in RequestLane)
        self._wake_up: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def acquire(self, places: int = 1) -> Permit | None:
        """Wait until a request may be sent, in the lane of this task. None: the quota is used up.

        More than one place is for requests that follow each other: one is in flight at a time, and each counts in the
        budget.
        """
        lane = _LANE.get()
        return Permit(self, lane, places) if await self.acquire_places(places, lane) else None

    async def acquire_places(self, places: int, lane: RequestLane) -> bool:
        """Take so many places once they are free. False: the quota is used up."""
        if self._is_quota_short_of(places, lane):
            return False
        # Behind whoever waits in this lane or in a more urgent one: nobody of the first lane for the background.
        if any(self._queues[: lane + 1]) or self._seconds_to_wait(places, lane) > 0:
            return await self._wait_in_queue(places, lane)
        self._take(places, lane)
        return True

    def record_answer(self, lane: RequestLane, *, throttled: bool) -> None:
        """One request was answered, or never will be: its place is free in a minute. `throttled`: with 429."""
        self._taken[lane] -= 1
        if self._is_limited:
            self._answered_at.append(self._loop.time())
            if lane is RequestLane.FIRST:
                self._answered_first_at.append(self._loop.time())
        if not throttled and self._concurrency < self._max_concurrency:
            # One more at once for each full round of good answers, not for each answer: a 429 halved it, and
            # jumping back at once would earn the next one.
            self._concurrency = min(self._max_concurrency, self._concurrency + 1 / self._concurrency)

    def release(self, lane: RequestLane, unused: int) -> None:
        """Requests whose places were taken together are over, and so many of the places were not needed."""
        self._in_flight[lane] -= 1
        self._taken[lane] -= unused
        if lane is RequestLane.BACKGROUND:
            # What was not sent has cost nothing of the even pace.
            self._background_tokens += unused
        if any(self._queues):
            self._admit()

    def throttle(self, seconds: float) -> None:
        """Codat answered 429: send nothing for so long, and then fewer at once."""
        now = self._loop.time()
        # Requests in flight together are all answered 429 together. That is one event: halve only once.
        if now >= self._paused_until:
            self._concurrency = max(1.0, self._concurrency / 2)
        self._paused_until = max(self._paused_until, now + seconds)

    def update_quota(self, remaining: int, seconds: float, limit: int | None = None) -> None:
        """Codat said how many requests remain in its own quota, in how many seconds that is reset, and perhaps how many
        there are in all."""
        resets_at = self._loop.time() + seconds
        # Answers overtake each other: within one period the smallest number is the latest.
        same_period = abs(resets_at - self._quota_resets_at) < SAME_PERIOD_S
        self._quota_remaining = min(self._quota_remaining, remaining) if same_period else remaining
        self._quota_resets_at = resets_at
        # One that returns in a moment is worth waiting for, whatever it is for.
        is_of_a_day = seconds > MAX_QUOTA_WAIT_S
        self._quota_reserve = QUOTA_RESERVE * (limit or 0) * min(1.0, seconds / DAY_S) if is_of_a_day else 0.0
        if self._quota_reserve and self._remaining_for(RequestLane.BACKGROUND) < 1:
            # For the rest of the day: the reserve shrinks with it, and would let a look through now and then.
            self._background_rests_until = resets_at
        # Who waits would wait for longer than is worth it: each is told at once, and not by a timeout of its own.
        for lane, queue in zip(RequestLane, self._queues, strict=True):
            while queue and self._is_quota_short_of(1, lane):
                waiting, _ = queue.popleft()
                if not waiting.done():
                    waiting.set_result(False)

    def set_budget(self, per_minute: int) -> None:
        """From now on so many requests a minute, 0 = none; what was sent before counts. No effect on one without a
        limit."""
        if self._is_limited and per_minute != self._budget:
            self._budget = per_minute
            self._background_burst = max(1.0, BACKGROUND_BURST * per_minute)
            if any(self._queues):
                self._admit()

    @property
    def has_waiting_requests(self) -> bool:
        """Whether requests wait for their turn."""
        return any(self._queues)

    @property
    def requests_in_last_minute(self) -> int:
        """Requests whose places are taken: under way, or answered within the last minute."""
        since = self._loop.time() - BUDGET_WINDOW_S
        return sum(self._taken) + sum(answered > since for answered in self._answered_at)

    @property
    def max_in_flight(self) -> int:
        """Requests that may be in flight when nothing is throttled."""
        return int(self._max_concurrency)

    @property
    def is_paused(self) -> bool:
        """Codat answered 429, and the pause after it is not over."""
        return self._loop.time() < self._paused_until

    @property
    def knows_quota(self) -> bool:
        """Codat said how many requests remain, and that period is not over."""
        return self._quota_resets_at > self._loop.time()

    @property
    def is_quota_exhausted(self) -> bool:
        """Nothing remains of the quota for requests of this task, and it is reset later than is worth waiting for."""
        return self.is_quota_exhausted_for(_LANE.get())

    @property
    def seconds_until_reset(self) -> float:
        """Seconds until Codat's quota is reset; 0 when that is past or unknown."""
        return max(0.0, self._quota_resets_at - self._loop.time())

    def is_quota_exhausted_for(self, lane: RequestLane) -> bool:
        """The same for a lane: the background leaves a reserve to the other."""
        return self._is_quota_short_of(1, lane)

    def _is_quota_short_of(self, places: int, lane: RequestLane) -> bool:
        is_far_off = self._quota_resets_at - self._loop.time() > MAX_QUOTA_WAIT_S
        return is_far_off and self._remaining_for(lane) < places

    def _remaining_for(self, lane: RequestLane) -> float:
        if lane is not RequestLane.BACKGROUND:
            return self._quota_remaining
        is_resting = self._loop.time() < self._background_rests_until
        return 0.0 if is_resting else self._quota_remaining - self._quota_reserve

    def _take(self, places: int, lane: RequestLane) -> None:
        self._in_flight[lane] += 1
        self._taken[lane] += places
        if lane is RequestLane.BACKGROUND:
            self._background_tokens -= places

    def _seconds_to_wait(self, places: int, lane: RequestLane) -> float:
        """Seconds until the next request may be sent; 0 = now, infinite = not before one in flight is answered."""
        now = self._loop.time()
        if now < self._paused_until:
            return self._paused_until - now
        at_once = int(self._concurrency)
        if sum(self._in_flight) >= at_once:
            return math.inf
        if lane is RequestLane.BACKGROUND and self._in_flight[lane] >= max(1, int(at_once * BACKGROUND_SHARE)):
            return math.inf
        return max(self._seconds_to_budget(now, places, lane), self._seconds_to_quota(now, places, lane))

    def _seconds_to_budget(self, now: float, places: int, lane: RequestLane) -> float:
        """Seconds until our own budget has so many places free; infinite as in `_seconds_to_wait`."""
        if not self._is_limited:
            return 0.0
        if not self._budget:
            return math.inf
        for answered in (self._answered_at, self._answered_first_at):
            while answered and answered[0] + BUDGET_WINDOW_S <= now:
                answered.popleft()
        waits = [self._seconds_to_places(now, places, self._answered_at, sum(self._taken), self._budget)]
        if lane is RequestLane.BACKGROUND:
            # The reserve stays free for an event at any moment, and the pace keeps the rest from going in one burst.
            share = max(1, int(self._budget * BACKGROUND_SHARE))
            waits.append(self._seconds_to_places(now, places, self._answered_at, sum(self._taken), share))
            waits.append(self._seconds_to_tokens(now, places))
        elif self._queues[RequestLane.BACKGROUND]:
            # Only while somebody waits there: alone, the first lane may have the whole budget.
            share = max(1, int(self._budget * FIRST_SHARE))
            waits.append(self._seconds_to_places(now, places, self._answered_first_at, self._taken[lane], share))
        return max(waits)

    def _seconds_to_places(self, now: float, places: int, answered: deque[float], taken: int, budget: int) -> float:
        """Seconds until so many places of a budget are free, of which some are taken and some were answered."""
        # A budget smaller than what is asked for would never have it: all of it, free, must do.
        missing = len(answered) + taken + min(places, budget) - budget
        if missing <= 0:
            return 0.0
        # What is missing beyond the answered ones is in flight: when it will be free, its answer tells.
        if missing > len(answered):
            return math.inf
        return answered[missing - 1] + BUDGET_WINDOW_S - now

    def _seconds_to_tokens(self, now: float, places: int) -> float:
        """Seconds until it is the background's time again, at its even pace."""
        pace = self._budget * (BACKGROUND_SHARE - BACKGROUND_BURST) / BUDGET_WINDOW_S
        self._background_tokens = min(self._background_burst, self._background_tokens + (now - self._tokens_at) * pace)
        self._tokens_at = now
        missing = min(places, self._background_burst) - self._background_tokens
        # A rest of that size is of floating point: it would set a timer for no time at all, again and again.
        return missing / pace if missing > 1e-9 else 0.0

    def _seconds_to_quota(self, now: float, places: int, lane: RequestLane) -> float:
        """Seconds until Codat's quota has so many requests left; infinite as in `_seconds_to_wait`."""
        # Whether Codat had counted the requests in flight when it told the number is not known: assume it had not.
        if self._remaining_for(lane) >= sum(self._taken) + places:
            return 0.0
        if now >= self._quota_resets_at:
            # A new period, of which the next answer tells: until then only our own budget counts.
            self._quota_remaining = math.inf
            return 0.0
        # An answer under way brings a newer number, which may be larger.
        return math.inf if any(self._in_flight) else self._quota_resets_at - now

    async def _wait_in_queue(self, places: int, lane: RequestLane) -> bool:
        waiting: asyncio.Future[bool] = self._loop.create_future()
        entry = (waiting, places)
        self._queues[lane].append(entry)
        self._admit()
        try:
            return await waiting
        except asyncio.CancelledError:
            # Admitted and cancelled in the same turn of the loop: nobody will send, so give the places back.
            if waiting.done() and not waiting.cancelled() and waiting.result():
                self.release(lane, places)
            elif entry in self._queues[lane]:
                # Whoever waits behind it, or since it waits in the background, may go now.
                self._queues[lane].remove(entry)
                self._admit()
            raise

    def _admit(self) -> None:
        """Let through whoever may go now, in order; set a timer for the first who may not."""
        # The background is asked also where the first lane has to wait: that may only have had its share (FIRST_SHARE).
        waits = [self._admit_lane(lane) for lane in RequestLane]
        if self._wake_up:
            self._wake_up.cancel()
        # Without a time to wait for, the next answer calls `_admit`.
        wait = min(waits)
        self._wake_up = None if math.isinf(wait) else self._loop.call_later(wait, self._admit)

    def _admit_lane(self, lane: RequestLane) -> float:
        """Let through whoever of a lane may go now; seconds until the next of them may, infinite where none waits or
        an answer has to come first."""
        queue = self._queues[lane]
        while queue:
            waiting, places = queue[0]
            if waiting.done():  # cancelled while it stood in the queue
                queue.popleft()
                continue
            if self._is_quota_short_of(places, lane):
                queue.popleft()
                waiting.set_result(False)
                continue
            wait = self._seconds_to_wait(places, lane)
            if wait > 0:
                return wait
            self._take(places, lane)
            queue.popleft()
            waiting.set_result(True)
        return math.inf


class Permit:
    """Places that were taken together, for requests one after another; `close` gives back what was not used.

    It remembers its lane, so that whoever gives it back, and where, makes no difference.
    """

    __slots__ = ("_is_open", "_lane", "_places", "_rate_limiter", "remaining")

    def __init__(self, rate_limiter: RateLimiter, lane: RequestLane, places: int) -> None:
        self._rate_limiter, self._lane = rate_limiter, lane
        self._places = self.remaining = places
        self._is_open = True

    @property
    def is_blocked(self) -> bool:
        """Whether Codat has said meanwhile that nothing may be sent."""
        return self._rate_limiter.is_paused or self._rate_limiter.is_quota_exhausted_for(self._lane)

    def record_answer(self, *, throttled: bool) -> None:
        """One of the requests was answered, or never will be: its place is used. `throttled`: with 429."""
        assert self.remaining > 0, "more requests than places were taken for"
        self.remaining -= 1
        self._rate_limiter.record_answer(self._lane, throttled=throttled)

    async def renew(self) -> bool:
        """Give all places back and wait for them again. False: the quota is used up."""
        self.close()
        self._is_open = await self._rate_limiter.acquire_places(self._places, self._lane)
        self.remaining = self._places if self._is_open else 0
        return self._is_open

    def close(self) -> None:
        """Give back the places that were not used. Closing twice does no harm."""
        if self._is_open:
            self._is_open = False
            self._rate_limiter.release(self._lane, self.remaining)
