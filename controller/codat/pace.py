"""How fast we may ask: a budget a minute, so many at once, and what the service itself says.

The service counts arrivals in windows that begin when it likes. A place in our budget is therefore taken when a
request leaves and given back a minute after its *answer* came: arrival lies between the two, so no window of
60 seconds anywhere sees more arrivals than the budget, bursts included.

    leaves ──── arrives ──── answered ──────────── 60 s ────────────▶ place free again
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

WINDOW = 60.25
"""Seconds that an answered request keeps its place: a minute, and what two clocks may disagree in it."""

PATIENCE = 90.0
"""Seconds that are worth waiting for. A quota that returns later is used up."""


class Pace:
    """Admission to the network, in order of asking.

    per_minute  budget of requests a minute; 0 = no budget
    at_once     requests in flight at most; halved when the service says 429, regained by answers that are none
    """

    def __init__(self, per_minute: int, at_once: int) -> None:
        self._budget = per_minute
        self._widest = self._width = float(at_once)
        self._in_flight = 0
        self._answered: deque[float] = deque()
        self._not_before = 0.0
        self._left = math.inf
        self._left_until = 0.0
        self._line: deque[asyncio.Future[bool]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def enter(self) -> bool:
        """Wait for leave to send. True: send, and `leave` after the answer. False: the quota is used up."""
        if self.used_up:
            return False
        if self._line or self._wait() > 0:
            return await self._stand_in_line()
        self._in_flight += 1
        return True

    def leave(self, *, welcome: bool) -> None:
        """An answer came, or none will. `welcome` when it was not a 429: the way widens again."""
        self._in_flight -= 1
        if self._budget:
            self._answered.append(self._loop.time())
        if welcome and self._width < self._widest:
            self._width = min(self._widest, self._width + 1 / self._width)
        if self._line:
            self._admit()

    def pause(self, seconds: float) -> None:
        """The service said 429: nobody leaves for so long, and then fewer at once. A volley counts once."""
        now = self._loop.time()
        if now >= self._not_before:
            self._width = max(1.0, self._width / 2)
        self._not_before = max(self._not_before, now + seconds)

    def told(self, left: int, seconds: float) -> None:
        """The service said how many requests are left, and in how many seconds there will be more.

        Answers overtake each other: within one period the smallest number told is the latest.
        """
        until = self._loop.time() + seconds
        same_period = abs(until - self._left_until) < 2
        self._left = min(self._left, left) if same_period else left
        self._left_until = until
        if self.used_up:
            self._send_home()

    @property
    def at_once(self) -> int:
        """Requests that may be in flight when all is well."""
        return int(self._widest)

    @property
    def runs_low(self) -> bool:
        """The service said how many requests are left, and that period is not over."""
        return self._left_until > self._loop.time()

    @property
    def used_up(self) -> bool:
        """Nothing is left, and more comes later than is worth waiting for."""
        return self._left <= 0 and self._left_until - self._loop.time() > PATIENCE

    @property
    def seconds_until_more(self) -> float:
        """Until the period that the service spoke of ends."""
        return max(0.0, self._left_until - self._loop.time())

    def _wait(self) -> float:
        """Seconds until the next may leave; infinite = until somebody comes back."""
        now = self._loop.time()
        if now < self._not_before:
            return self._not_before - now
        if self._in_flight >= int(self._width):
            return math.inf
        return max(self._wait_for_budget(now), self._wait_for_service(now))

    def _wait_for_budget(self, now: float) -> float:
        if not self._budget:
            return 0.0
        answered = self._answered
        while answered and answered[0] + WINDOW <= now:
            answered.popleft()
        if len(answered) + self._in_flight < self._budget:
            return 0.0
        return answered[0] + WINDOW - now if answered else math.inf

    def _wait_for_service(self, now: float) -> float:
        """Requests in flight may or may not be in the number told: they are taken to be not."""
        if self._left > self._in_flight:
            return 0.0
        if now >= self._left_until:
            self._left = math.inf
            return 0.0
        return math.inf if self._in_flight else self._left_until - now

    async def _stand_in_line(self) -> bool:
        place: asyncio.Future[bool] = self._loop.create_future()
        self._line.append(place)
        self._admit()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._line:
            if self._line[0].done():
                self._line.popleft()
                continue
            wait = self._wait()
            if wait > 0:
                self._wake_in(wait)
                return
            self._in_flight += 1
            self._line.popleft().set_result(True)

    def _wake_in(self, seconds: float) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = None if math.isinf(seconds) else self._loop.call_later(seconds, self._admit)

    def _send_home(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(False)
