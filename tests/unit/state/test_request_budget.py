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


def test_who_is_alone_has_nearly_all_that_it_wants_and_no_more() -> None:
    assert next_share(Share(0, LIMIT), BudgetState(LIMIT)) == LIMIT - LIMIT // 20
    assert next_share(Share(900, 95), BudgetState(LIMIT)) == 95
    assert next_share(Share(95, 300), BudgetState(LIMIT)) == 300


def test_who_uses_all_gives_what_is_more_than_an_equal_part_and_no_more_than_is_needed() -> None:
    assert next_share(Share(900, LIMIT), BudgetState(LIMIT, (Share(50, LIMIT),))) == LIMIT // 2
    assert next_share(Share(900, LIMIT), BudgetState(LIMIT, (Share(50, 100),))) == 900 - 50
    assert next_share(Share(850, LIMIT), BudgetState(LIMIT, (Share(50, 100),), given_back=50)) == 850, (
        "it is on its way"
    )
    assert next_share(Share(800, LIMIT), BudgetState(LIMIT, (Share(50, 100),))) == 803, "there is enough for both"


def test_who_uses_little_leaves_the_rest_to_the_other() -> None:
    assert next_share(Share(475, 30), BudgetState(LIMIT, (Share(475, LIMIT),))) == 30
    assert next_share(Share(475, LIMIT), BudgetState(LIMIT, (Share(30, 30),))) == LIMIT - 30 - LIMIT // 20


async def test_what_was_not_used_is_free_at_once(store: Store) -> None:
    budget = store.request_budget
    assert await budget.renew("one", wanted=LIMIT, limit=LIMIT, now=START) == 903
    assert await budget.renew("one", wanted=95, limit=LIMIT, now=START + TICK) == 95
    assert await budget.renew("other", wanted=LIMIT, limit=LIMIT, now=START + TICK) == (LIMIT - 95) // 2 + 1
    assert await budget.renew("other", wanted=LIMIT, limit=LIMIT, now=START + TICK) == LIMIT - 95 - 47
    await budget.give_back("other", sent=10, now=START + 2 * TICK)
    assert await budget.renew("third", wanted=LIMIT, limit=LIMIT, now=START + 2 * TICK) == (LIMIT - 95 - 10) // 2 + 1


async def test_who_begins_beside_one_that_has_all_need_not_wait_and_has_half_after_a_minute(store: Store) -> None:
    renew = store.request_budget.renew
    assert await renew("one", wanted=LIMIT, limit=LIMIT, now=START) == 903
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START) == 24
    assert await renew("one", wanted=LIMIT, limit=LIMIT, now=START + TICK) == LIMIT // 2
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START + 2 * TICK) == 24
    for seconds in range(4, 64, 2):
        now = START + timedelta(seconds=seconds)
        assert await renew("one", wanted=LIMIT, limit=LIMIT, now=now) == LIMIT // 2, "no more than once"
    assert await renew("other", wanted=LIMIT, limit=LIMIT, now=START + timedelta(seconds=66)) > 400


async def test_what_one_gave_is_for_those_who_lack_their_part_whoever_asks_first(store: Store) -> None:
    """Else it takes back at once what it gave a minute ago, and the other never comes to its half."""
    renew = store.request_budget.renew
    assert await renew("one", wanted=LIMIT, limit=LIMIT, now=START) == 903
    for seconds in range(2, 150, 2):
        now = START + timedelta(seconds=seconds)
        one = await renew("one", wanted=LIMIT, limit=LIMIT, now=now)
        other = await renew("other", wanted=LIMIT, limit=LIMIT, now=now)
    assert (one, other) == (LIMIT // 2, 428)


@pytest.mark.parametrize("limit", [LIMIT, 14])
async def test_however_many_begin_at_once_they_have_no_more_than_the_limit_and_each_has_a_part_later(
    store: Store, limit: int
) -> None:
    """As where a dozen are deployed beside one that uses all."""
    names, granted = [f"p-{number}" for number in range(12)], dict[str, int]()
    for seconds in range(0, 300, 10):
        for name in names[: 12 if seconds else 1]:
            now = START + timedelta(seconds=seconds)
            granted[name] = await store.request_budget.renew(name, wanted=limit, limit=limit, now=now)
            assert sum(granted.values()) <= limit
    assert min(granted.values()) >= max(1, limit // 36)


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_comes_goes_dies_or_wants_no_minute_sees_more_than_the_limit(store: Store, seed: int) -> None:
    """Each process sends at once what its share leaves to it of the last minute, whenever it wants all it can have."""
    random, now, budget = Random(seed), START, store.request_budget
    names = ("a", "b", "c", "d")
    living: dict[str, int] = {}
    sent: list[tuple[datetime, str, int]] = []
    sent_in_all = 0

    def sent_within_a_minute(name: str | None = None) -> int:
        return sum(count for _, who, count in sent if name in (None, who))

    for _ in range(200):
        now += TICK * random.choice((1, 1, 1, 5))
        sent = [each for each in sent if now - each[0] < MINUTE]
        left = random.choice(names) if random.random() < 0.1 else None
        if left in living:
            del living[left]
            if random.random() < 0.5:  # else it was killed
                await budget.give_back(left, sent=sent_within_a_minute(left), now=now)
        for name in names:
            if name == left or (name not in living and random.random() < 0.8):
                continue
            is_busy = random.random() < 0.6
            wanted = LIMIT if is_busy else min(LIMIT, max(95, 2 * sent_within_a_minute(name)))
            living[name] = await budget.renew(name, wanted=wanted, limit=LIMIT, now=now)
            may_send = max(0, living[name] - sent_within_a_minute(name))
            sent.append((now, name, may_send if is_busy else random.randint(0, min(may_send, 40))))
            sent_in_all += sent[-1][2]
        assert sent_within_a_minute() <= LIMIT
    assert sent_in_all > 0.3 * LIMIT * (now - START) / MINUTE, "most of it can be used"


async def test_what_others_left_before_the_clock_was_put_back_counts_no_longer_than_it_would_have(store: Store) -> None:
    renew = store.request_budget.renew
    assert await renew("dead", wanted=LIMIT, limit=LIMIT, now=START) == 903
    assert await renew("left", wanted=20, limit=LIMIT, now=START) == 20
    await store.request_budget.give_back("left", sent=20, now=START)
    for seconds in range(0, 90, 2):
        share = await renew("new", wanted=LIMIT, limit=LIMIT, now=START - timedelta(hours=1, seconds=-seconds))
        assert share < LIMIT // 20 or seconds >= 82, "what the others sent a moment ago counts for a minute"
    assert share == LIMIT - LIMIT // 20
