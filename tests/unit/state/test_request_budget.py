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
    assert next_share(Share(0, LIMIT), BudgetState(LIMIT)) == LIMIT - LIMIT // 20
    assert next_share(Share(900, 30), BudgetState(LIMIT)) == 900


def test_who_uses_all_gives_what_is_more_than_an_equal_part_and_no_more_than_is_needed() -> None:
    assert next_share(Share(900, LIMIT), BudgetState(LIMIT, (Share(47, LIMIT),))) == LIMIT // 2
    assert next_share(Share(900, LIMIT), BudgetState(LIMIT, (Share(47, 94),))) == 900 - 47
    assert next_share(Share(853, LIMIT), BudgetState(LIMIT, (Share(47, 94),), given_back=47)) == 853, "it is on its way"


def test_who_uses_little_gives_what_the_other_needs() -> None:
    assert next_share(Share(475, 30), BudgetState(LIMIT, (Share(475, 600),))) == 475 - 125
    assert next_share(Share(475, 30), BudgetState(LIMIT, (Share(475, LIMIT),))) == 30


async def test_who_begins_beside_one_that_has_all_need_not_wait_and_has_half_after_a_minute(store: Store) -> None:
    renew = store.request_budget.renew
    assert await renew("one", wanted=LIMIT, limit=LIMIT, now=START) == 903
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START) == 47
    assert await renew("one", wanted=LIMIT, limit=LIMIT, now=START + TICK) == LIMIT // 2
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START + 2 * TICK) == 47
    for seconds in range(4, 64, 2):
        now = START + timedelta(seconds=seconds)
        assert await renew("one", wanted=LIMIT, limit=LIMIT, now=now) == LIMIT // 2, "no more than once"
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START + timedelta(seconds=66)) > 400


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
        living[name] = await store.request_budget.renew(name, wanted=wanted, limit=LIMIT, now=now)
        for each in [other for other in living if other != name]:  # all renew every two seconds
            living[each] = await store.request_budget.renew(each, wanted=LIMIT, limit=LIMIT, now=now)
        shares += [(now, each, share) for each, share in living.items()]
        within = [(each, share) for at, each, share in shares if now - at < MINUTE]
        largest = {
            each: max(share for other, share in within if other == each) for each in {each for each, _ in within}
        }
        assert sum(largest.values()) <= LIMIT + len(names), largest
