"""The rate limiter, on a clock that jumps: what a server that counts by the minute would have seen."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codat.rate_limiter import BUDGET_WINDOW_S, Permit, RateLimiter, background_requests
from tests.unit.codat.virtual_time import run


async def permit_of(rate_limiter: RateLimiter, places: int = 1) -> Permit:
    permit = await rate_limiter.acquire(places)
    assert permit, "the quota is not used up"
    return permit


def give_back(permit: Permit, *, throttled: bool = False) -> None:
    """The one request that it was for is answered."""
    permit.record_answer(throttled=throttled)
    permit.close()


class Server:
    """Answers after a while; knows when each request arrived and how many were there at once."""

    def __init__(self, seed: int, slowest: float) -> None:
        self._chance, self._slowest = random.Random(seed), slowest
        self.arrivals: list[float] = []
        self.at_once = self.most_at_once = 0

    async def answer(self, rate_limiter: RateLimiter, *, throttled: bool = False) -> bool:
        permit = await rate_limiter.acquire()
        if permit is None:
            return False
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._chance.uniform(0, self._slowest))
        self.arrivals.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._chance.uniform(0, self._slowest))
        self.at_once -= 1
        give_back(permit, throttled=throttled)
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
        server, rate_limiter = Server(seed, slowest), RateLimiter(budget, at_once)
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(requests)))
        return server

    server = run(story())
    assert len(server.arrivals) == requests
    assert server.busiest_minute() <= budget
    assert server.most_at_once <= at_once


def test_the_budget_may_be_spent_in_a_burst_and_is_spent_whole() -> None:
    async def story() -> float:
        server, rate_limiter = Server(0, 0.0), RateLimiter(950, 16)
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(3 * 950)))
        return asyncio.get_running_loop().time()

    assert run(story()) <= 2 * BUDGET_WINDOW_S + 1


def test_without_a_budget_nobody_waits() -> None:
    async def story() -> float:
        server, rate_limiter = Server(0, 0.0), RateLimiter(0, 16)
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(5000)))
        return asyncio.get_running_loop().time()

    assert run(story()) == 0.0


def test_a_429_stops_everyone_until_it_ends_and_then_half_as_many_go_at_once() -> None:
    async def story() -> None:
        server, rate_limiter = Server(0, 0.1), RateLimiter(0, 16)
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(32)))
        assert server.most_at_once == 16
        rate_limiter.throttle(30)
        rate_limiter.throttle(30)  # the same volley
        before, began = len(server.arrivals), asyncio.get_running_loop().time()
        server.most_at_once = 0
        await asyncio.gather(*(server.answer(rate_limiter, throttled=True) for _ in range(32)))
        assert min(server.arrivals[before:]) >= began + 30
        assert server.most_at_once == 8

    run(story())


def test_after_a_storm_of_429s_the_way_widens_again() -> None:
    async def story() -> None:
        server, rate_limiter = Server(0, 0.1), RateLimiter(0, 16)
        for _ in range(6):
            rate_limiter.throttle(1)
            await asyncio.sleep(1)
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(300)))
        assert server.most_at_once == 16

    run(story())


@settings(deadline=None, max_examples=60)
@given(limit=st.integers(16, 60), requests=st.integers(1, 200), seed=st.integers(0, 2**16))
def test_what_the_service_says_is_left_is_never_overdrawn(limit: int, requests: int, seed: int) -> None:
    """After the first answer no budget of our own is needed: the headers alone keep us below the limit."""

    async def story() -> int:
        chance, loop, rate_limiter = random.Random(seed), asyncio.get_running_loop(), RateLimiter(0, 16)
        seen: Counter[int] = Counter()

        async def ask() -> None:
            permit = await permit_of(rate_limiter)
            await asyncio.sleep(chance.uniform(0, 3))
            window = int(loop.time() // 60)
            seen[window] += 1
            left, ends = limit - seen[window], 60 * (window + 1)
            await asyncio.sleep(chance.uniform(0, 3))
            if loop.time() < ends:
                rate_limiter.update_quota(left, ends - loop.time())
            give_back(permit, throttled=left < 0)

        await ask()
        await asyncio.gather(*(ask() for _ in range(requests)))
        assert seen.total() == requests + 1
        return max(seen.values())

    assert run(story()) <= limit


def test_an_older_answer_that_comes_later_gives_nothing_back() -> None:
    async def story() -> bool:
        rate_limiter = RateLimiter(0, 16)
        rate_limiter.update_quota(0, 3600.0)
        rate_limiter.update_quota(9, 3600.0)
        return bool(await rate_limiter.acquire())

    assert run(story()) is False


def test_a_quota_that_is_used_up_sends_everyone_home_who_waits() -> None:
    async def story() -> list[Permit | None]:
        rate_limiter = RateLimiter(0, 1)
        first = await permit_of(rate_limiter)
        waiting = [asyncio.ensure_future(rate_limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(1)
        rate_limiter.update_quota(0, 7200.0)
        give_back(first)
        return await asyncio.gather(*waiting)

    assert run(story()) == [None, None, None]


def test_of_a_days_quota_the_background_leaves_a_reserve_that_shrinks_as_the_day_goes_by() -> None:
    def goes(remaining: int, seconds: float) -> tuple[bool, bool, bool]:
        """Whether the background may send, whether events may, and whether the background counts it as used up."""

        async def story() -> tuple[bool, bool, bool]:
            rate_limiter = RateLimiter(0, 16)
            rate_limiter.update_quota(remaining, seconds, 1000)
            first = bool(await rate_limiter.acquire())
            with background_requests():
                return bool(await rate_limiter.acquire()), first, rate_limiter.is_quota_exhausted

        return run(story())

    assert goes(210, 86_400.0) == (True, True, False)
    assert goes(200, 86_400.0) == (False, True, True)
    assert goes(200, 43_200.0) == (True, True, False)
    assert goes(100, 43_200.0) == (False, True, True)
    assert goes(0, 43_200.0) == (False, False, True)
    assert goes(10, 60.0) == (True, True, False), "one that returns in a minute is worth waiting for"


def test_once_only_the_reserve_is_left_the_background_rests_until_the_reset() -> None:
    async def story() -> list[bool]:
        rate_limiter, went = RateLimiter(0, 16), []
        with background_requests():
            rate_limiter.update_quota(200, 86_400.0, 1000)
            for waits in (43_200, 43_201):
                went.append(bool(await rate_limiter.acquire()))
                await asyncio.sleep(waits)
                if rate_limiter.knows_quota:
                    rate_limiter.update_quota(190, 43_200.0, 1000)
            return [*went, bool(await rate_limiter.acquire())]

    assert run(story()) == [False, False, True]


def test_who_waits_in_the_background_is_sent_home_where_only_the_reserve_is_left() -> None:
    async def story() -> tuple[bool, bool]:
        rate_limiter = RateLimiter(0, 1)
        held = await permit_of(rate_limiter)
        event = asyncio.ensure_future(rate_limiter.acquire())
        with background_requests():
            background = asyncio.ensure_future(rate_limiter.acquire())
        await asyncio.sleep(1)
        rate_limiter.update_quota(150, 86_400.0, 1000)
        give_back(held)
        return await background is None, await event is not None

    assert run(story()) == (True, True)


def test_when_the_quota_is_back_everyone_may_go_on() -> None:
    async def story() -> bool:
        rate_limiter = RateLimiter(0, 1)
        rate_limiter.update_quota(0, 7200.0)
        await asyncio.sleep(7201)
        return bool(await rate_limiter.acquire())

    assert run(story()) is True


def test_without_a_share_of_the_budget_nothing_is_sent_until_there_is_one() -> None:
    async def story() -> float:
        rate_limiter = RateLimiter(950, 16)
        rate_limiter.set_budget(0)
        asyncio.get_running_loop().call_later(70, rate_limiter.set_budget, 1)
        await permit_of(rate_limiter)
        return asyncio.get_running_loop().time()

    assert run(story()) == 70


def test_whoever_gives_up_waiting_takes_no_place() -> None:
    async def story() -> None:
        rate_limiter = RateLimiter(0, 1)
        first = await permit_of(rate_limiter)
        gone = [asyncio.ensure_future(rate_limiter.acquire()) for _ in range(2)]
        await asyncio.sleep(0)
        stays = asyncio.ensure_future(rate_limiter.acquire())
        await asyncio.sleep(0)
        gone[0].cancel()
        give_back(first)  # the second is let in, and cancelled before it knows
        gone[1].cancel()
        second = await stays
        assert second
        give_back(second)
        assert await rate_limiter.acquire()

    run(story())


@settings(deadline=None, max_examples=60)
@given(budget=st.integers(2, 20), at_once=st.integers(1, 8), exchanges=st.integers(1, 30), plain=st.integers(0, 60))
def test_a_read_and_its_write_stay_together_and_no_minute_sees_more_than_the_budget(
    budget: int, at_once: int, exchanges: int, plain: int
) -> None:
    server = Server(0, 0.5)

    async def pair(rate_limiter: RateLimiter) -> float:
        permit, loop = await permit_of(rate_limiter, 2), asyncio.get_running_loop()
        began = loop.time()
        for _ in range(2):
            server.arrivals.append(loop.time())
            await asyncio.sleep(0.1)
            permit.record_answer(throttled=False)
        permit.close()
        return loop.time() - began

    async def story() -> list[float]:
        rate_limiter = RateLimiter(budget, at_once)
        pairs = asyncio.gather(*(pair(rate_limiter) for _ in range(exchanges)))
        await asyncio.gather(*(server.answer(rate_limiter) for _ in range(plain)))
        return await pairs

    assert all(took < 0.21 for took in run(story()))
    assert len(server.arrivals) == 2 * exchanges + plain
    assert server.busiest_minute() <= budget


def test_a_pair_larger_than_the_budget_is_let_in_when_all_of_it_is_free() -> None:
    async def story() -> float:
        rate_limiter = RateLimiter(1, 4)
        for _ in range(3):
            permit = await permit_of(rate_limiter, 2)
            for _ in range(2):
                permit.record_answer(throttled=False)
            permit.close()
        return asyncio.get_running_loop().time()

    assert run(story()) == 2 * BUDGET_WINDOW_S


def test_places_that_were_taken_and_not_used_are_free_at_once() -> None:
    async def story() -> float:
        rate_limiter = RateLimiter(2, 1)
        for _ in range(5):
            permit = await permit_of(rate_limiter, 2)
            permit.close()
            permit.close()
        return asyncio.get_running_loop().time()

    assert run(story()) == 0


def test_a_pair_does_not_wait_for_hours_where_one_request_is_left_of_the_quota() -> None:
    async def story() -> tuple[bool, bool]:
        rate_limiter = RateLimiter(0, 4)
        rate_limiter.update_quota(1, 7200.0)
        return bool(await rate_limiter.acquire(2)), bool(await rate_limiter.acquire())

    assert run(story()) == (False, True)


# -- Two lanes


@settings(deadline=None, max_examples=60)
@given(
    budget=st.integers(1, 60),
    at_once=st.integers(1, 20),
    first=st.integers(1, 80),
    background=st.integers(0, 80),
    slowest=st.sampled_from([0.0, 0.01, 1.0, 45.0]),
    seed=st.integers(0, 2**16),
)
def test_both_lanes_together_keep_to_the_budget_and_all_of_both_are_sent(
    budget: int, at_once: int, first: int, background: int, slowest: float, seed: int
) -> None:
    async def story() -> Server:
        server, rate_limiter = Server(seed, slowest), RateLimiter(budget, at_once)

        async def long_pass() -> None:
            with background_requests():
                await asyncio.gather(*(server.answer(rate_limiter) for _ in range(background)))

        await asyncio.gather(long_pass(), *(server.answer(rate_limiter) for _ in range(first)))
        return server

    server = run(story())
    assert len(server.arrivals) == first + background
    assert server.busiest_minute() <= budget
    assert server.most_at_once <= at_once


def test_an_event_waits_for_no_long_pass_and_that_has_nine_tenths_of_the_pace() -> None:
    """Ten minutes of a long pass that would take more than it may have; an event of four requests each ten seconds."""

    async def story() -> tuple[list[float], int]:
        rate_limiter, waits, swept = RateLimiter(950, 16), list[float](), 0
        loop = asyncio.get_running_loop()

        async def request() -> None:
            permit = await permit_of(rate_limiter)
            await asyncio.sleep(0.2)
            give_back(permit)

        async def long_pass() -> None:
            nonlocal swept
            with background_requests():
                while loop.time() < 600:
                    await request()
                    swept += 1

        async def events() -> None:
            for number in range(60):
                await asyncio.sleep(10 * number - loop.time())
                began = loop.time()
                for _ in range(4):
                    await request()
                waits.append(loop.time() - began - 4 * 0.2)

        await asyncio.gather(events(), *(long_pass() for _ in range(40)))
        return waits, swept

    waits, swept = run(story())
    assert max(waits) < 0.5
    assert swept >= 0.88 * 950 * 10


def test_of_two_who_wait_for_the_same_place_the_one_that_somebody_waits_for_goes_first_though_it_came_later() -> None:
    async def story() -> list[str]:
        rate_limiter, sent = RateLimiter(0, 1), list[str]()
        held = await permit_of(rate_limiter)

        async def request(name: str) -> None:
            permit = await permit_of(rate_limiter)
            sent.append(name)
            give_back(permit)

        with background_requests():
            long_pass = asyncio.ensure_future(request("long pass"))
        await asyncio.sleep(0)
        event = asyncio.ensure_future(request("event"))
        await asyncio.sleep(0)
        give_back(held)
        await asyncio.gather(long_pass, event)
        return sent

    assert run(story()) == ["event", "long pass"]


def test_a_long_pass_is_spread_over_the_minute_also_where_all_of_it_could_go_at_once() -> None:
    """Else the places of a burst come back in a burst, a minute later, and in between there is only the reserve."""

    async def story() -> list[float]:
        server, rate_limiter = Server(0, 0.1), RateLimiter(600, 16)
        with background_requests():
            await asyncio.gather(*(server.answer(rate_limiter) for _ in range(600)))
        return server.arrivals

    arrivals = run(story())
    for seconds in (10, 20, 30):
        assert sum(at < seconds for at in arrivals) < 600 * (0.05 + seconds / 60)


def test_a_flood_of_events_leaves_a_part_of_the_budget_to_the_long_pass() -> None:
    async def story() -> int:
        server, rate_limiter, swept = Server(0, 0.1), RateLimiter(600, 16), 0
        loop = asyncio.get_running_loop()

        async def flood() -> None:
            while loop.time() < 600:
                await server.answer(rate_limiter)

        async def long_pass() -> None:
            nonlocal swept
            with background_requests():
                while loop.time() < 600:
                    await server.answer(rate_limiter)
                    swept += 1

        await asyncio.gather(*(flood() for _ in range(40)), *(long_pass() for _ in range(4)))
        return swept

    assert run(story()) >= 0.1 * 600 * 10


def test_once_nobody_waits_in_the_background_any_more_the_first_lane_may_have_all_of_the_budget_at_once() -> None:
    async def story() -> float:
        rate_limiter = RateLimiter(10, 10)
        for _ in range(8):
            give_back(await permit_of(rate_limiter))
        with background_requests():
            give_back(await permit_of(rate_limiter))
            waiting = asyncio.ensure_future(rate_limiter.acquire())
        await asyncio.sleep(0)
        first = asyncio.ensure_future(permit_of(rate_limiter))
        await asyncio.sleep(1)
        assert not first.done(), "a part is the background's as long as it waits"
        waiting.cancel()
        await first
        return asyncio.get_running_loop().time()

    assert run(story()) == 1


def test_a_place_that_was_taken_and_not_used_costs_the_long_pass_nothing() -> None:
    """A write whose read was the plan's takes places for both."""

    async def story() -> float:
        rate_limiter = RateLimiter(600, 16)
        with background_requests():
            for _ in range(600):
                give_back(await permit_of(rate_limiter, 2))
        return asyncio.get_running_loop().time()

    assert run(story()) <= 1.2 * BUDGET_WINDOW_S


def test_a_permit_goes_back_to_the_lane_that_it_was_taken_in_wherever_it_is_given_back() -> None:
    async def story() -> bool:
        rate_limiter = RateLimiter(0, 2)
        with background_requests():
            permit = await permit_of(rate_limiter)
        give_back(permit)
        with background_requests():
            return bool(await asyncio.wait_for(rate_limiter.acquire(), 60))

    assert run(story())
