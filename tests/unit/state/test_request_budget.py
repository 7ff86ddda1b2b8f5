"""Processes that share a budget never send more than the limit in any minute, all together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from state import Store
from state.request_budget import BudgetState, Share, next_share

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
LIMIT = 950
TICK = timedelta(seconds=2)
MINUTE = timedelta(seconds=60)


def test_who_is_alone_has_nearly_all_of_it_and_keeps_it_though_it_is_idle() -> None:
    alone = BudgetState(LIMIT, 0, ())
    assert next_share(Share(0, LIMIT), alone) == LIMIT
    assert next_share(Share(500, LIMIT), alone) == LIMIT - LIMIT // 20
    assert next_share(Share(LIMIT, 30), alone) == LIMIT


def test_who_has_too_little_is_given_half_by_the_other() -> None:
    hungry = BudgetState(LIMIT, 47, (Share(47, LIMIT),))
    assert next_share(Share(900, LIMIT), hungry) == LIMIT // 2
    content = BudgetState(LIMIT, 47, (Share(47, 30),))
    assert next_share(Share(800, LIMIT), content) == LIMIT - 47 - LIMIT // 20


def test_who_sends_little_leaves_the_rest_to_the_other() -> None:
    assert next_share(Share(475, 30), BudgetState(LIMIT, 475, (Share(475, LIMIT),))) == 30


async def test_who_begins_beside_one_that_has_all_need_not_wait(store: Store) -> None:
    await store.request_budget.settle("one", wanted=LIMIT, limit=LIMIT, now=START)
    await store.request_budget.settle("one", wanted=LIMIT - 60, limit=LIMIT, now=START + TICK)
    later = START + 2 * MINUTE
    await store.request_budget.settle("one", wanted=LIMIT, limit=LIMIT, now=later)
    assert await store.request_budget.settle("other", wanted=LIMIT, limit=LIMIT, now=later) >= 1
    assert await store.request_budget.settle("one", wanted=LIMIT, limit=LIMIT, now=later + TICK) == LIMIT // 2
    afterwards = later + MINUTE + 3 * TICK
    assert await store.request_budget.settle("other", wanted=LIMIT, limit=LIMIT, now=afterwards) > 400


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_comes_goes_dies_or_wants_no_minute_sees_more_than_the_limit(store: Store, seed: int) -> None:
    """Each process may send its whole share in any minute, and its share of a moment ago just before it is smaller."""
    random, now = Random(seed), START
    names = ("a", "b", "c", "d")
    living: dict[str, int] = {}
    shares: list[tuple[datetime, str, int]] = []
    for _ in range(120):
        now += TICK * random.choice((1, 1, 1, 5))
        name = random.choice(names)
        if name in living and random.random() < 0.05:
            del living[name]
            if random.random() < 0.5:  # else it was killed
                await store.request_budget.give_back(name, now)
            continue
        wanted = random.choice((30, 200, LIMIT))
        living[name] = await store.request_budget.settle(name, wanted=wanted, limit=LIMIT, now=now)
        for each in [other for other in living if other != name]:  # all settle every two seconds
            living[each] = await store.request_budget.settle(each, wanted=LIMIT, limit=LIMIT, now=now)
        shares += [(now, each, share) for each, share in living.items()]
        within = [(each, share) for at, each, share in shares if now - at < MINUTE]
        largest = {
            each: max(share for other, share in within if other == each) for each in {each for each, _ in within}
        }
        assert sum(largest.values()) <= LIMIT + len(names), largest
