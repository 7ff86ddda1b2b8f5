"""The pace, on a clock that jumps: what a server that counts by the minute would have seen."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codat.pace import WINDOW, Pace
from tests.unit.codat.virtual_time import run


class Server:
    """Answers after a while; knows when each request arrived and how many were there at once."""

    def __init__(self, seed: int, slowest: float) -> None:
        self._chance, self._slowest = random.Random(seed), slowest
        self.arrivals: list[float] = []
        self.at_once = self.most_at_once = 0

    async def answer(self, pace: Pace, *, welcome: bool = True) -> bool:
        if not await pace.enter():
            return False
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._chance.uniform(0, self._slowest))
        self.arrivals.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._chance.uniform(0, self._slowest))
        self.at_once -= 1
        pace.leave(welcome=welcome)
        return True

    def busiest_minute(self) -> int:
        times = sorted(self.arrivals)
        return max(bisect_left(times, start + 60) - index for index, start in enumerate(times))


@settings(deadline=None, max_examples=60)
@given(
    budget=st.integers(1, 40),
    at_once=st.integers(1, 20),
    requests=st.integers(1, 150),
    slowest=st.sampled_from([0.0, 0.01, 1.0, 45.0]),
    seed=st.integers(0, 2**16),
)
def test_no_minute_anywhere_sees_more_arrivals_than_the_budget(
    budget: int, at_once: int, requests: int, slowest: float, seed: int
) -> None:
    async def story() -> Server:
        server, pace = Server(seed, slowest), Pace(budget, at_once)
        await asyncio.gather(*(server.answer(pace) for _ in range(requests)))
        return server

    server = run(story())
    assert len(server.arrivals) == requests
    assert server.busiest_minute() <= budget
    assert server.most_at_once <= at_once


def test_the_budget_may_be_spent_in_a_burst_and_is_spent_whole() -> None:
    async def story() -> float:
        server, pace = Server(0, 0.0), Pace(950, 16)
        await asyncio.gather(*(server.answer(pace) for _ in range(3 * 950)))
        return asyncio.get_running_loop().time()

    assert run(story()) <= 2 * WINDOW + 1


def test_without_a_budget_nobody_waits() -> None:
    async def story() -> float:
        server, pace = Server(0, 0.0), Pace(0, 16)
        await asyncio.gather(*(server.answer(pace) for _ in range(5000)))
        return asyncio.get_running_loop().time()

    assert run(story()) == 0.0


def test_a_429_stops_everyone_until_it_ends_and_then_half_as_many_go_at_once() -> None:
    async def story() -> None:
        server, pace = Server(0, 0.1), Pace(0, 16)
        await asyncio.gather(*(server.answer(pace) for _ in range(32)))
        assert server.most_at_once == 16
        pace.pause(30)
        pace.pause(30)  # the same volley
        before, began = len(server.arrivals), asyncio.get_running_loop().time()
        server.most_at_once = 0
        await asyncio.gather(*(server.answer(pace, welcome=False) for _ in range(32)))
        assert min(server.arrivals[before:]) >= began + 30
        assert server.most_at_once == 8

    run(story())


def test_after_a_storm_of_429s_the_way_widens_again() -> None:
    async def story() -> None:
        server, pace = Server(0, 0.1), Pace(0, 16)
        for _ in range(6):
            pace.pause(1)
            await asyncio.sleep(1)
        await asyncio.gather(*(server.answer(pace) for _ in range(300)))
        assert server.most_at_once == 16

    run(story())


@settings(deadline=None, max_examples=60)
@given(limit=st.integers(16, 60), requests=st.integers(1, 200), seed=st.integers(0, 2**16))
def test_what_the_service_says_is_left_is_never_overdrawn(limit: int, requests: int, seed: int) -> None:
    """After the first answer no budget of our own is needed: the headers alone keep us below the limit."""

    async def story() -> int:
        chance, loop, pace = random.Random(seed), asyncio.get_running_loop(), Pace(0, 16)
        seen: Counter[int] = Counter()

        async def ask() -> None:
            assert await pace.enter()
            await asyncio.sleep(chance.uniform(0, 3))
            window = int(loop.time() // 60)
            seen[window] += 1
            left, ends = limit - seen[window], 60 * (window + 1)
            await asyncio.sleep(chance.uniform(0, 3))
            if loop.time() < ends:
                pace.told(left, ends - loop.time())
            pace.leave(welcome=left >= 0)

        await ask()
        await asyncio.gather(*(ask() for _ in range(requests)))
        assert seen.total() == requests + 1
        return max(seen.values())

    assert run(story()) <= limit


def test_an_older_answer_that_comes_later_gives_nothing_back() -> None:
    async def story() -> bool:
        pace = Pace(0, 16)
        pace.told(0, 3600.0)
        pace.told(9, 3600.0)
        return await pace.enter()

    assert run(story()) is False


def test_a_quota_that_is_used_up_sends_everyone_home_who_waits() -> None:
    async def story() -> list[bool]:
        pace = Pace(0, 1)
        assert await pace.enter()
        waiting = [asyncio.ensure_future(pace.enter()) for _ in range(3)]
        await asyncio.sleep(1)
        pace.told(0, 7200.0)
        pace.leave(welcome=True)
        return await asyncio.gather(*waiting)

    assert run(story()) == [False, False, False]


def test_when_the_quota_is_back_everyone_may_go_on() -> None:
    async def story() -> bool:
        pace = Pace(0, 1)
        pace.told(0, 7200.0)
        await asyncio.sleep(7201)
        return await pace.enter()

    assert run(story()) is True


def test_whoever_gives_up_waiting_takes_no_place() -> None:
    async def story() -> None:
        pace = Pace(0, 1)
        assert await pace.enter()
        gone = [asyncio.ensure_future(pace.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        stays = asyncio.ensure_future(pace.enter())
        await asyncio.sleep(0)
        gone[0].cancel()
        pace.leave(welcome=True)  # the second is let in, and cancelled before it knows
        gone[1].cancel()
        assert await stays
        pace.leave(welcome=True)
        assert await pace.enter()

    run(story())
