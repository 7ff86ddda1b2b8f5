"""What the last look at each merchant saw, which controllers live, and the fleet in the course of time."""

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from state import LastLookRow, ProcessIdentity, Sample, Store
from state.database import open_database
from state.process import process_start_mark
from state.samples import superfluous_samples
from state.tables import samples

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
ONE = ProcessIdentity("host-a", 7, "mark", "merchantctl run")
OTHER = ProcessIdentity("host-b", 7, "mark", "merchantctl run")


async def test_a_later_look_takes_the_place_of_an_earlier_one_and_never_the_other_way_round(store: Store) -> None:
    await store.last_looks.save_if_newer(
        [LastLookRow("acme", NOON, "plan 1", "-"), LastLookRow("bakery", NOON, "plan 1", "-")]
    )
    await store.last_looks.save_if_newer([LastLookRow("acme", LATER, "plan 2", "-")])
    await store.last_looks.save_if_newer(
        [LastLookRow("acme", NOON, "plan of a slow process", "-"), LastLookRow("bakery", LATER, "plan 1", "-")]
    )
    assert await store.last_looks.load() == [
        LastLookRow("acme", LATER, "plan 2", "-"),
        LastLookRow("bakery", LATER, "plan 1", "-"),
    ]
    assert await store.last_looks.load_times() == {"acme": LATER, "bakery": LATER}
    assert (await store.last_looks.load_times(since=LATER)).keys() == {"acme", "bakery"}
    assert await store.last_looks.load_times(since=LATER + timedelta(seconds=1)) == {}


async def test_a_look_of_a_clock_that_was_put_back_is_replaced(store: Store) -> None:
    await store.last_looks.save_if_newer([LastLookRow("acme", NOON + timedelta(hours=5), "plan of a clock ahead", "-")])
    await store.last_looks.save_if_newer(
        [LastLookRow("acme", NOON, "plan", "-")], believed_until=NOON + timedelta(minutes=2)
    )
    assert await store.last_looks.load() == [LastLookRow("acme", NOON, "plan", "-")]


async def test_of_more_merchants_than_one_transaction_takes_each_is_kept(store: Store) -> None:
    rows = [LastLookRow(f"m-{number:04}", NOON, "plan", "-") for number in range(1203)]
    await store.last_looks.save_if_newer(rows)
    assert await store.last_looks.load() == rows
    await store.last_looks.delete(row.merchant for row in rows[3:])
    assert await store.last_looks.load(merchants={"m-0001"}) == [rows[1]]
    assert len(await store.last_looks.load()) == 3


async def test_of_the_fleet_the_last_look_is_kept(store: Store) -> None:
    assert await store.last_looks.load_fleet() is None
    await store.last_looks.save_fleet("one", NOON)
    await store.last_looks.save_fleet("two", LATER)
    assert await store.last_looks.load_fleet() == ("two", LATER)


async def test_an_edit_of_the_last_look_replaces_no_later_one(store: Store) -> None:
    await store.last_looks.save_fleet("one", NOON)
    await store.last_looks.save_fleet("one, edited", NOON, expected_plan="one")
    assert await store.last_looks.load_fleet() == ("one, edited", NOON)
    await store.last_looks.save_fleet("two", LATER)
    await store.last_looks.save_fleet("one, edited again", NOON, expected_plan="one, edited")
    assert await store.last_looks.load_fleet() == ("two", LATER)


async def test_a_merchant_that_is_renamed_takes_along_what_was_seen_of_it(store: Store) -> None:
    await store.bindings.bind_company("acme", company_id="1", company_name="Acme")
    await store.last_looks.save_if_newer([LastLookRow("acme", NOON, "plan", "-")])
    await store.merchants.rename("acme", "acme-2", at=NOON)
    assert (await store.last_looks.load_times()).keys() == {"acme-2"}


async def test_a_controller_is_known_until_it_ends_or_is_silent_for_a_day(store: Store) -> None:
    await store.controllers.record_alive_and_prune(ONE, NOON, revision="r1", report_only=False, failure=None)
    await store.controllers.record_alive_and_prune(OTHER, NOON, revision="r1", report_only=True, failure=None)
    await store.controllers.record_alive_and_prune(ONE, LATER, revision="r2", report_only=False, failure="key refused")
    assert [(each.host, each.revision, each.failure) for each in await store.controllers.load()] == [
        ("host-a", "r2", "key refused"),
        ("host-b", "r1", None),
    ]
    await store.controllers.record_alive_and_prune(
        ONE, NOON + timedelta(days=1, seconds=1), revision="r2", report_only=False, failure=None
    )
    assert [each.host for each in await store.controllers.load()] == ["host-a"]
    await store.controllers.remove(ONE)
    assert await store.controllers.load() == []


async def test_a_controller_lives_within_a_minute_of_its_last_sign_whichever_way_clocks_went(
    store: Store,
) -> None:
    await store.controllers.record_alive_and_prune(ONE, NOON, revision="r1", report_only=False, failure=None)
    minute, second = timedelta(minutes=1), timedelta(seconds=1)
    for now, lives in ((NOON, 1), (NOON + minute, 1), (NOON - minute, 1), (NOON + minute + second, 0)):
        assert len(await store.controllers.load_alive(now)) == lives


async def test_a_controller_that_was_killed_here_does_not_live_though_its_last_sign_is_new(store: Store) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    process = ProcessIdentity(socket.gethostname(), child.pid, process_start_mark(child.pid) or "", "merchantctl run")
    await store.controllers.record_alive_and_prune(process, NOON, revision="r1", report_only=False, failure=None)
    assert len(await store.controllers.load_alive(NOON)) == 1
    child.kill()
    await child.wait()
    assert await store.controllers.load_alive(NOON) == []


async def test_of_several_processes_one_records_the_sample_of_a_moment(store: Store) -> None:
    five = timedelta(minutes=5)
    assert await store.samples.record(Sample(NOON, {"merchants": 2}), five)
    assert not await store.samples.record(Sample(NOON + timedelta(minutes=4), {"merchants": 3}), five)
    assert await store.samples.record(Sample(NOON + five, {"merchants": 4}), five)
    assert [each.counts["merchants"] for each in await store.samples.load(NOON)] == [2, 4]


async def test_samples_go_on_after_the_clock_was_put_back(store: Store) -> None:
    five = timedelta(minutes=5)
    assert await store.samples.record(Sample(NOON + timedelta(hours=5), {}), five)
    assert await store.samples.record(Sample(NOON, {}), five)
    assert not await store.samples.record(Sample(NOON + timedelta(minutes=1), {}), five)


async def test_samples_are_thinned_with_age(store: Store, url: str) -> None:
    every_six_hours, every_hour = range(0, 24 * 20, 6), range(24 * 20, 24 * 60)
    rows = [{"at": NOON + timedelta(hours=hour), "counts": {}} for hour in (*every_six_hours, *every_hour)]
    async with open_database(url) as database, database.writing() as transaction:
        await transaction.execute(insert(samples), rows)
    now = NOON + timedelta(days=60)
    assert await store.samples.thin(now) > 0
    assert await store.samples.thin(now) == 0
    left = [each.at for each in await store.samples.load(NOON)]
    assert 24 * 35 <= len(left) <= 24 * 35 + 27


@given(st.lists(st.integers(0, 70 * 24 * 60), unique=True))
def test_thinning_keeps_the_newest_sample_of_each_day(minutes: list[int]) -> None:
    now = NOON + timedelta(days=70)
    times = [NOON + timedelta(minutes=each) for each in minutes]
    left = set(times) - set(superfluous_samples(times, now))
    assert {each.date() for each in left} == {each.date() for each in times}
    assert {each for each in times if now - each <= timedelta(days=2)} <= left
    assert superfluous_samples(sorted(left), now) == []
