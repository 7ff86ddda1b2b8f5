"""Time that passes with each request and wherever a test lets it, and is the same on every machine.

watch = Stopwatch()
place.environment = watch.environment(place.environment)
watch.pass_time(0.05)
"""

from __future__ import annotations

from dataclasses import replace

import httpx

from controller.environment import Environment
from tests.intercept import Forward, intercepted


class Stopwatch:
    """What an environment measures intervals with. A request is under way longer than a document stays fresh."""

    def __init__(self, seconds_a_request: float = 0.06) -> None:
        self._seconds_a_request, self._now = seconds_a_request, 0.0

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    def environment(self, below: Environment) -> Environment:
        async def timed(request: httpx.Request, onward: Forward) -> httpx.Response:
            self.pass_time(self._seconds_a_request)
            return await onward(request)

        return replace(intercepted(below, timed), monotonic=lambda: self._now)
