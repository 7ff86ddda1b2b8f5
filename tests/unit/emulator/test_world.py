"""The world: time, what becomes due, what was before the last write, and what a reset leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.emulator.controls import seeding
from controller.emulator.service.clock import Clock, Scheduler, format_timestamp, parse_timestamp
from controller.emulator.service.errors import ApiError
from controller.emulator.service.world import World
from tests.narrowing import present

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_time_stands_still_while_something_due_is_done() -> None:
    world, seen = World(), []
    begun = world.now()
    world.scheduler.call_at(begun + timedelta(seconds=40), lambda: seen.append(world.now()))
    world.scheduler.call_at(begun + timedelta(seconds=10), lambda: seen.append(world.now()))
    world.scheduler.call_at(begun + timedelta(seconds=90), lambda: seen.append(world.now()))

    world.clock.advance(timedelta(seconds=60))
    world.run_due()

    assert seen == [begun + timedelta(seconds=10), begun + timedelta(seconds=40)]
    assert world.now() >= begun + timedelta(seconds=60)


def test_what_one_action_enters_is_done_in_the_same_catching_up() -> None:
    world, seen = World(), []
    begun = world.now()

    def first() -> None:
        world.scheduler.call_at(world.now() + timedelta(seconds=5), lambda: seen.append("second"))
        seen.append("first")

    world.scheduler.call_at(begun + timedelta(seconds=5), first)
    world.clock.advance(timedelta(seconds=20))
    world.run_due()

    assert seen == ["first", "second"]


def test_entries_of_one_moment_are_done_in_the_order_they_were_made() -> None:
    agenda = Scheduler()
    seen: list[int] = []
    for number in range(5):
        agenda.call_at(MOMENT, partial(seen.append, number))

    while due := agenda.pop_due(MOMENT):
        due[1]()

    assert seen == [0, 1, 2, 3, 4]


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_stamp_reads_back_as_the_moment_it_was(moment: datetime) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-04-22T16:58:17Z", datetime(2022, 4, 22, 16, 58, 17, tzinfo=UTC)),
        ("2022-04-22T16:58:26.8185875Z", datetime(2022, 4, 22, 16, 58, 26, 818587, tzinfo=UTC)),
        ("2021-11-15T01:00:00", datetime(2021, 11, 15, 1, tzinfo=UTC)),
        ("2021-11-15T01:00:00-05:00", datetime(2021, 11, 15, 6, tzinfo=UTC)),
        ("2022-10-23", datetime(2022, 10, 23, tzinfo=UTC)),
    ],
)
def test_every_form_of_date_is_read(text: str, moment: datetime) -> None:
    assert parse_timestamp(text) == moment


def sown(world: World, count: int = 1) -> None:
    seeding.seed_companies(world, seeding.SeedRequest(count, "gbol", "linked", "m-"))


def test_the_world_before_the_last_write_is_exactly_that() -> None:
    world = World()
    with world.keeping_previous_world():
        sown(world)
    before, moment = dict(world.companies), world.now()
    with world.keeping_previous_world():
        sown(world)
        world.table("rules")["r"] = {"id": "r"}

    earlier = present(world.world_before_last_write(5.0))

    assert dict(earlier.companies) == before
    assert earlier.table("rules") == {}
    assert earlier.now() >= moment
    assert earlier.now() == earlier.now()
    world.clock.advance(timedelta(seconds=6))
    assert world.world_before_last_write(5.0) is None


def test_what_changed_nothing_or_was_refused_was_no_write() -> None:
    world = World()
    with world.keeping_previous_world():
        sown(world)
    with world.keeping_previous_world():
        pass
    with pytest.raises(ApiError), world.keeping_previous_world():
        raise ApiError(400, "no")

    assert not present(world.world_before_last_write(5.0)).companies


def test_a_reset_leaves_nothing_and_puts_the_settings_back() -> None:
    world = World()
    world.settings.merge = True
    world.clock.advance(timedelta(days=3))
    world.scheduler.call_at(world.now(), lambda: pytest.fail("forgotten"))
    sown(world, 3)
    world.table("rules")["r"] = {}

    world.reset()
    world.run_due()

    assert (dict(world.companies), world.table("rules"), world.settings.merge) == ({}, {}, False)
    assert world.clock.offset == timedelta()
    assert Clock().now() - world.now() < timedelta(seconds=1)
