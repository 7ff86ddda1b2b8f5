"""Everyone is looked at once in an interval, evenly spread, and nobody falls out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.daemon.context import DaemonState
from controller.daemon.jobs.resync import PARTS_OF_INTERVAL, Resync, max_look_age_s, select_due_for_resync
from controller.daemon.loop import split_into_passes
from controller.daemon.workqueue import EVERYONE, Lane, WorkQueue
from controller.model.controller_status import ControllerStatus

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = HOUR / PARTS_OF_INTERVAL


@given(st.sets(st.text(min_size=1), min_size=1, max_size=20), st.integers(0, 10**6), st.integers(3600, 3600 * 30))
def test_nobody_is_ever_older_than_an_interval_and_a_part_and_nobody_is_looked_at_twice_in_one(
    names: set[str], offset_s: int, seconds: int
) -> None:
    now = START + timedelta(seconds=offset_s)
    looked_at = dict.fromkeys(names, now)
    looks: Counter[str] = Counter()
    end = now + timedelta(seconds=seconds)
    while now < end:
        now += TICK
        for name in select_due_for_resync(names, looked_at, now, HOUR):
            looked_at[name] = now
            looks[name] += 1
        assert all(now - at <= HOUR + TICK for at in looked_at.values())
    assert max(looks.values(), default=0) <= seconds // 3600 + 2


@pytest.mark.parametrize(
    ("merchants", "resync_s", "pace", "limit_s"),
    [(500, 3600, 950, 3960), (500, 6 * 3600, 950, 6 * 3960), (20_000, 900, 1000, 1650)],
    ids=["an hour", "six hours", "more than the pace allows"],
)
def test_the_age_that_no_look_may_pass_goes_by_resync_and_by_the_pace(
    merchants: int, resync_s: float, pace: int, limit_s: float
) -> None:
    assert max_look_age_s(merchants, resync_s, pace) == pytest.approx(limit_s)


def test_ten_thousand_are_spread_evenly_over_the_interval() -> None:
    names = [f"m-{number:05}" for number in range(10_000)]
    looked_at = dict.fromkeys(names, START)
    numbers = []
    for part in range(1, PARTS_OF_INTERVAL + 1):
        due = select_due_for_resync(names, looked_at, START + part * TICK, HOUR)
        looked_at.update(dict.fromkeys(due, START + part * TICK))
        numbers.append(len(due))
    assert sum(numbers) == 10_000
    assert max(numbers) < 1.15 * 10_000 / PARTS_OF_INTERVAL


def test_whoever_was_looked_at_for_another_reason_since_its_moment_is_left_to_the_next() -> None:
    after_the_moment = START + HOUR
    assert select_due_for_resync(["ann"], {"ann": after_the_moment}, after_the_moment, HOUR) == []
    assert select_due_for_resync(["never looked at"], {}, START, HOUR) == [], "that is for the look at everyone"


async def test_once_the_clock_was_put_back_everyone_is_looked_at_and_then_in_turn_again() -> None:
    queue, ahead = WorkQueue(), START + 5 * HOUR
    state = DaemonState(ControllerStatus(looked_at={"ann": ahead}), resync_asked_at={"ann": ahead})
    resync = Resync(queue, state, lambda: ["ann"], lambda: START, 3600)
    await resync.enqueue_due()
    assert len(queue) == 1
    assert tuple(await queue.get_not_urgent()) == ("ann",)
    await resync.enqueue_due()
    assert len(queue) == 0, "it is asked for once"


async def test_whoever_every_look_so_far_has_missed_is_looked_at_once_everyone_was() -> None:
    """However it came to that: the next look at everyone may be a day away."""
    queue, state = WorkQueue(), DaemonState(ControllerStatus(looked_at={"ann": START}), revised={"cid"})
    resync = Resync(queue, state, lambda: ["ann", "bob", "cid"], lambda: START, 3600)
    await resync.enqueue_due()
    assert len(queue) == 0, "the first look at everyone is still to come"
    state.ready = True
    await resync.enqueue_due()
    assert len(queue) == 1
    assert tuple(await queue.get_not_urgent()) == ("bob",), "those of a new revision wait for it already"
    await resync.enqueue_due()
    assert len(queue) == 0


async def test_a_merchant_that_waits_in_the_queue_is_not_asked_for_again() -> None:
    queue, state = WorkQueue(), DaemonState(ControllerStatus(looked_at={"ann": START}))
    resync = Resync(queue, state, lambda: ["ann"], lambda: START + 1.5 * HOUR, 3600)
    await resync.enqueue_due()
    assert await queue.get_not_urgent() == {"ann": Lane.RESYNC}
    await resync.enqueue_due()
    assert len(queue) == 0


async def test_nobody_is_put_down_while_everyone_is_looked_at_anyway() -> None:
    queue, state = WorkQueue(), DaemonState(ControllerStatus(looked_at={"ann": START}), full_pass_under_way=True)
    await Resync(queue, state, lambda: ["ann"], lambda: START + 3 * HOUR, 3600).enqueue_due()
    assert len(queue) == 0


def test_whom_a_revision_changed_is_looked_at_first_and_apart() -> None:
    assert list(split_into_passes(("ann", "bob", "cid"), {"bob"})) == [("bob",), ("ann", "cid")]
    assert list(split_into_passes(("ann", "bob"), ())) == [("ann", "bob")]
    assert list(split_into_passes(("bob", "cid"), {"ann", "bob"})) == [("ann", "bob"), ("cid",)], "judged as a whole"
    assert list(split_into_passes(("ann", EVERYONE), {"ann"})) == [("ann", EVERYONE)]
