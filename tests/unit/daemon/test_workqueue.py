"""Who is due when, on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.daemon.workqueue import WorkQueue
from tests.unit.codat.virtual_time import run

Taken = list[tuple[float, tuple[str, ...]]]


async def take(queue: WorkQueue, until: float, busy: float = 0) -> Taken:
    """What a taker is handed and when, who needs `busy` seconds for each handful."""
    loop, taken = asyncio.get_running_loop(), []
    loop.call_at(until, queue.close)
    while work := await queue.get_not_urgent():
        taken.append((round(loop.time(), 3), tuple(work)))
        await asyncio.sleep(busy)
        await queue.done(work)
    return taken


def told(story: Callable[[WorkQueue], Awaitable[Taken]]) -> Taken:
    async def begin() -> Taken:
        return await story(WorkQueue())

    return run(begin())


def test_who_is_due_together_is_handed_out_together() -> None:
    async def story(queue: WorkQueue) -> Taken:
        queue.add(["bob", "ann"])
        queue.add(["cid"], after_s=60)
        return await take(queue, until=100)

    assert told(story) == [(0, ("ann", "bob")), (60, ("cid",))]


def test_the_earliest_time_wins_whichever_came_first() -> None:
    async def story(queue: WorkQueue) -> Taken:
        queue.add(["ann", "bob"], after_s=60)
        queue.add(["ann"], after_s=10)
        queue.add(["bob"], after_s=90)
        return await take(queue, until=200)

    assert told(story) == [(10, ("ann",)), (60, ("bob",))]


def test_who_is_added_while_another_is_waited_for_is_not_kept_waiting() -> None:
    async def story(queue: WorkQueue) -> Taken:
        queue.add(["late"], after_s=3600)
        asyncio.get_running_loop().call_later(5, queue.add, ["now"])
        return await take(queue, until=10)

    assert told(story) == [(5, ("now",))]


def test_who_is_added_while_in_hand_is_handed_out_once_more_and_only_afterwards() -> None:
    async def story(queue: WorkQueue) -> Taken:
        queue.add(["ann"])
        for second in (1, 2, 3):
            asyncio.get_running_loop().call_later(second, queue.add, ["ann"])
        return await take(queue, until=100, busy=10)

    assert told(story) == [(0, ("ann",)), (10, ("ann",))]


@pytest.mark.parametrize("waiting", [[], ["ann"]])
def test_a_closed_queue_hands_nobody_out_and_keeps_nobody_waiting(waiting: list[str]) -> None:
    async def story(queue: WorkQueue) -> Taken:
        queue.add(waiting, after_s=3600)
        return await take(queue, until=1)

    assert told(story) == []


ADDED = st.tuples(st.integers(0, 50), st.sampled_from("abcd"), st.integers(0, 50))


@given(st.lists(ADDED, max_size=30), st.integers(0, 20))
def test_nobody_is_lost_or_handed_out_before_his_time_or_twice_for_one_asking(
    added: list[tuple[int, str, int]], busy: int
) -> None:
    """Each handing out answers all askings whose time has come; one is never before the first of them is due."""

    async def story(queue: WorkQueue) -> Taken:
        loop = asyncio.get_running_loop()
        for at, key, after in added:
            loop.call_at(at, queue.add, [key], after)
        return await take(queue, until=1000, busy=busy)

    taken = told(story)
    for name in "abcd":
        askings = sorted((at + after, at) for at, key, after in added if key == name)
        times = [time for time, keys in taken if name in keys]
        assert len(times) <= len(askings)
        for due, asked in askings:
            assert any(asked <= time <= due + busy for time in times), (name, due, asked, taken)
        for time in times:
            assert any(due <= time and asked <= time for due, asked in askings)
