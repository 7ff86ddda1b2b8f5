"""What every queue promises: that of a process that shares nothing, and that of a state, on both databases; and what
only the second can: it outlives its processes, and is shared by all that live."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.daemon.scheduler import run_timers
from controller.daemon.state_queue import StateQueue, open_state_queue
from controller.daemon.workqueue import EVERYONE, Lane, Queue, Work, WorkQueue
from state import ProcessIdentity, ReceivedDelivery, Store, open_state
from state.database import Database, open_database
from state.due import Ask, Due, Taker
from state.errors import StateUnreachable
from tests.postgresql import empty_schema, execute, query_value
from tests.processes import PythonProcess

SOURCE = Path(__file__).parents[3]
US = ProcessIdentity.current("run")
TICK_S = 0.04
IDLE_S = 0.15
"""Longer than a few ticks."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/state.db"
        return
    with empty_schema(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_state(url) as store:
        yield store


def open_queue(due: Due, url: str, process: ProcessIdentity) -> AbstractAsyncContextManager[StateQueue]:
    if not _is_postgresql(url):
        return open_state_queue(due, process)
    queues = pytest.importorskip("controller.daemon.postgres_queue")
    opening: AbstractAsyncContextManager[StateQueue] = queues.open_postgres_queue(url, due, process)
    return opening


@asynccontextmanager
async def opened(store: Store, url: str, process: ProcessIdentity = US) -> AsyncIterator[StateQueue]:
    """A queue as a process has it, whose ticker is quick."""
    async with open_queue(store.due, url, process) as queue:
        timers = [replace(each, interval_s=TICK_S) if each.name == "due" else each for each in queue.upkeep_timers]
        async with run_timers(*timers, now=lambda: datetime.now(UTC)):
            yield queue


@pytest.fixture
async def shared(store: Store, url: str) -> AsyncIterator[StateQueue]:
    async with opened(store, url) as queue:
        yield queue


@pytest.fixture
async def other(url: str, shared: StateQueue) -> AsyncIterator[StateQueue]:
    """The same queue in the hands of another process, as good as."""
    async with open_state(url) as store, opened(store, url) as queue:
        yield queue


@pytest.fixture(params=["in memory", "sqlite", "postgresql"])
def place_of_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """The address of its state; None where it has none."""
    if request.param == "postgresql":
        with empty_schema(request.getfixturevalue("postgresql")) as url:
            yield url
    else:
        yield f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else None


@pytest.fixture
async def queue(place_of_queue: str | None) -> AsyncIterator[Queue]:
    if place_of_queue is None:
        yield WorkQueue()
        return
    async with open_state(place_of_queue) as store, opened(store, place_of_queue) as queue:
        yield queue


async def is_idle(queue: Queue, *, urgent: bool = False) -> bool:
    """Nobody is handed out for some ticks."""
    asking = asyncio.create_task(_get(queue, urgent=urgent))
    done, _ = await asyncio.wait([asking], timeout=IDLE_S)
    asking.cancel()
    await asyncio.wait({asking})
    return not done


async def taken(queue: Queue, *, urgent: bool = False) -> list[str]:
    """Who is handed out next."""
    return list(await asyncio.wait_for(_get(queue, urgent=urgent), 300))


async def looked_at(queue: Queue, *, urgent: bool = False) -> list[str]:
    """Who is handed out next; it is looked at."""
    work = await asyncio.wait_for(_get(queue, urgent=urgent), 300)
    await queue.done(work)
    return list(work)


async def _get(queue: Queue, *, urgent: bool) -> Work:
    return await (queue.get_urgent() if urgent else queue.get_not_urgent())


class TestEveryQueue:
    async def test_who_is_due_is_handed_out_once_with_the_lane_of_each(self, queue: Queue) -> None:
        queue.add(["bob", "ann", "bob"])
        queue.add([EVERYONE], lane=Lane.RESYNC)
        queue.add(["bob"], lane=Lane.REVISION)
        work: dict[str, Lane] = {}
        while len(work) < 3:  # doorbells of several machines ring one after the other
            work |= await asyncio.wait_for(queue.get_not_urgent(), 30)
        assert work == {EVERYONE: Lane.RESYNC, "ann": Lane.RETRY, "bob": Lane.REVISION}
        assert await is_idle(queue)

    async def test_nobody_is_handed_out_before_his_time(self, queue: Queue) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        queue.add(["late"], after_s=0.3)
        queue.add(["now"])
        found = await looked_at(queue)
        assert ("late" in found) <= (now() - began >= 0.3)
        if "late" not in found:
            assert await looked_at(queue) == ["late"]
        assert now() - began >= 0.3

    async def test_the_earliest_time_wins_whichever_came_first(self, queue: Queue) -> None:
        for after in (3600, 0.1, 7200):
            queue.add(["ann"], after_s=after)
            await asyncio.sleep(0.02)
        assert await looked_at(queue) == ["ann"]
        assert await is_idle(queue), "asking thrice is one look"

    async def test_who_waits_for_later_can_be_due_at_once_after_all(self, queue: Queue) -> None:
        queue.add(["ann"], after_s=3600)
        asking = asyncio.create_task(looked_at(queue))
        await asyncio.sleep(0.1)
        queue.add(["ann"])
        assert await asking == ["ann"]

    async def test_who_is_added_while_in_work_is_handed_out_once_more_and_only_afterwards(self, queue: Queue) -> None:
        queue.add(["ann"])
        work = await queue.get_not_urgent()
        queue.add(["ann"])
        queue.add(["ann"], after_s=3600)
        assert await is_idle(queue)
        await queue.done(work)
        assert await looked_at(queue) == ["ann"]
        assert await is_idle(queue)

    async def test_what_is_added_just_before_the_end_of_a_look_outlives_it(self, queue: Queue) -> None:
        queue.add(["ann"])
        work = await queue.get_not_urgent()
        queue.add(["ann"])
        await queue.done(work)
        assert await looked_at(queue) == ["ann"]

    async def test_an_urgent_one_is_handed_out_beside_whoever_is_looked_at(self, queue: Queue) -> None:
        queue.add([EVERYONE])
        assert await taken(queue) == [EVERYONE]
        queue.add(["ann"], lane=Lane.EVENT)
        queue.add(["bob"])
        assert await taken(queue, urgent=True) == ["ann"]
        assert await taken(queue) == ["bob"]

    async def test_who_waits_for_a_long_pass_can_be_urgent_after_all(self, queue: Queue) -> None:
        queue.add(["ann", "bob"], after_s=3600)
        queue.add(["ann"], lane=Lane.EVENT)
        queue.add(["ann"], after_s=60)
        assert await looked_at(queue, urgent=True) == ["ann"]
        assert await is_idle(queue)

    async def test_who_becomes_urgent_while_in_urgent_work_is_handed_out_once_more_and_only_afterwards(
        self, queue: Queue
    ) -> None:
        queue.add(["ann"], lane=Lane.EVENT)
        of_ann = await queue.get_urgent()
        queue.add(["ann"], lane=Lane.EVENT)
        queue.add(["bob"], lane=Lane.EVENT)
        assert await looked_at(queue, urgent=True) == ["bob"]
        assert await is_idle(queue, urgent=True)
        await queue.done(of_ann)
        assert await looked_at(queue, urgent=True) == ["ann"]

    async def test_an_event_takes_its_merchant_over_from_a_long_pass_whose_end_is_not_that_of_the_look(
        self, queue: Queue
    ) -> None:
        queue.add(["ann", "bob"], lane=Lane.RESYNC)
        long = await queue.get_not_urgent()
        queue.add(["ann"], lane=Lane.EVENT)
        short = await queue.get_urgent()
        await queue.done(long)
        queue.add(["ann"], lane=Lane.EVENT)
        assert await is_idle(queue, urgent=True), "it is in work still"
        await queue.done(short)
        assert await looked_at(queue, urgent=True) == ["ann"]
        assert await is_idle(queue)

    async def test_a_less_urgent_reason_that_comes_later_makes_nobody_less_urgent(self, queue: Queue) -> None:
        queue.add(["ann"], after_s=3600, lane=Lane.EVENT)
        await asyncio.sleep(0.05)
        queue.add(["ann"], lane=Lane.RESYNC)
        assert await looked_at(queue, urgent=True) == ["ann"]
        assert await is_idle(queue)

    async def test_forty_who_ask_at_once_ask_for_one_look(self, queue: Queue) -> None:
        lanes = [*Lane] * 10
        random.Random(1).shuffle(lanes)
        for lane in lanes:
            queue.add(["ann"], after_s=random.Random(2).random() * 3600, lane=lane)
        queue.add(["ann"])
        assert await looked_at(queue, urgent=True) == ["ann"], "the most urgent lane, the earliest time"
        assert len(queue) in (0, 1)
        assert await is_idle(queue)
        assert await is_idle(queue, urgent=True)

    async def test_a_closed_queue_hands_nobody_out_and_keeps_nobody_waiting(self, queue: Queue) -> None:
        asking = asyncio.create_task(queue.get_not_urgent())
        await asyncio.sleep(0.05)
        queue.close()
        assert await asking == {}
        queue.add(["ann"])
        assert await queue.get_not_urgent() == {}

    async def test_it_can_be_asked_how_many_wait(self, queue: Queue) -> None:
        queue.add(["ann", "bob"], after_s=3600)
        assert len(queue) == 2


class TestTheQueueOfAState:
    async def test_whom_one_adds_another_looks_at(self, shared: StateQueue, other: StateQueue) -> None:
        shared.add(["ann"], lane=Lane.EVENT)
        assert await looked_at(other, urgent=True) == ["ann"]
        assert await is_idle(shared, urgent=True)

    async def test_nobody_is_in_two_hands_at_once_not_even_for_an_event(
        self, shared: StateQueue, other: StateQueue
    ) -> None:
        shared.add(["ann"], lane=Lane.EVENT)
        work = await shared.get_urgent()
        other.add(["ann"])
        assert await is_idle(other)
        other.add(["ann"], lane=Lane.EVENT)
        assert await is_idle(other, urgent=True)
        await shared.done(work)
        assert await looked_at(other, urgent=True) == ["ann"]

    async def test_all_are_handed_out_once_over_several_processes(self, shared: StateQueue, other: StateQueue) -> None:
        """More than two handfuls, each process with its own half of what is told twice."""
        names = [f"m-{number:03}" for number in range(450)]
        shared.add(names[:250])
        other.add(names[200:])
        await asyncio.sleep(0.2)
        found: list[str] = []

        async def take(queue: StateQueue) -> None:
            while work := await queue.get_not_urgent():
                found.extend(work)
                await asyncio.sleep(0.01)
                await queue.done(work)
                if len(found) == len(names):
                    shared.close()
                    other.close()

        await asyncio.gather(take(shared), take(other))
        assert sorted(found) == names

    async def test_a_revision_of_many_is_handed_out_as_a_whole(self, shared: StateQueue, other: StateQueue) -> None:
        """However many: it is judged as one."""
        names = [f"m-{number:04}" for number in range(1200)]
        taking = [asyncio.create_task(queue.get_not_urgent()) for queue in (shared, other)]
        shared.add(names, lane=Lane.REVISION)
        (done,), (pending,) = await asyncio.wait(taking, timeout=300, return_when=asyncio.FIRST_COMPLETED)
        assert list(done.result()) == names
        pending.cancel()
        await asyncio.wait({pending})

    async def test_retries_and_waits_go_on_at_their_own_times_after_a_restart(self, url: str) -> None:
        async with open_state(url) as store, opened(store, url) as ending:
            ending.add(["in work"])
            assert await taken(ending) == ["in work"]
            ending.add(["late"], after_s=3600)
            ending.add(["soon"], after_s=0.3)
        async with open_state(url) as store, opened(store, url) as begun:
            found = await looked_at(begun)
            while "soon" not in found:
                found += await looked_at(begun)
            assert sorted(found) == ["in work", "soon"]
            assert await is_idle(begun)
            await begun.beat_and_reap()
            assert len(begun) == 1

    async def test_a_killed_process_of_this_machine_holds_nobody(self, url: str, shared: StateQueue) -> None:
        kill_who_has_taken(url, "['ann', 'bob']")
        shared.add(["bob"], after_s=3600)
        await shared.beat_and_reap()
        assert await looked_at(shared) == ["ann", "bob"]

    async def test_a_process_of_another_machine_holds_nobody_once_it_was_silent_for_long(
        self, url: str, store: Store, shared: StateQueue
    ) -> None:
        elsewhere = ProcessIdentity("another-host", 1, "another boot", "run")
        async with open_state_queue(store.due, elsewhere) as silent:
            silent.add(["ann"], lane=Lane.EVENT)
            assert await taken(silent, urgent=True) == ["ann"]
            await shared.beat_and_reap()
            assert await is_idle(shared, urgent=True)
            let_be_silent_since(url, "another-host", seconds=31)
            await shared.beat_and_reap()
            async with asyncio.timeout(10):  # not after some more seconds of silence
                of_ann = await shared.get_urgent()
            assert of_ann == {"ann": Lane.EVENT}, "as urgently as before"
            await silent.done(of_ann)
            shared.add(["ann"], lane=Lane.EVENT)
            assert await is_idle(silent, urgent=True), "whoever wakes up ends nobody else's look"

    async def test_after_an_outage_nobody_gives_up_others_who_could_give_no_sign_of_life_either(
        self, url: str, store: Store, shared: StateQueue
    ) -> None:
        elsewhere = ProcessIdentity("another-host", 1, "another boot", "run")
        async with open_state_queue(store.due, elsewhere) as silent:
            silent.add(["ann"])
            assert await taken(silent) == ["ann"]
            let_be_silent_since(url, "", seconds=60)
            await shared.beat_and_reap()
            assert await is_idle(shared)
            await shared.beat_and_reap()
            assert await looked_at(shared) == ["ann"], "it is silent still"

    async def test_who_was_claimed_by_a_statement_whose_answer_was_lost_is_due_again(
        self, url: str, shared: StateQueue
    ) -> None:
        shared.add(["ann"], after_s=3600)
        shared.add(["bob"])
        work = await shared.get_not_urgent()
        change(url, "UPDATE due SET taken_by = (SELECT id FROM due_takers), taken_lane = lane, due_at = NULL")
        await shared.beat_and_reap()
        assert await is_idle(shared), "its answer may be on its way"
        await shared.beat_and_reap()
        assert await looked_at(shared) == ["ann"]
        await shared.done(work)

    async def test_a_delivery_asks_for_its_look_itself(self, url: str, store: Store, shared: StateQueue) -> None:
        """Whoever is told of it may be killed before he has told anybody."""
        await store.bindings.bind_company("ann", company_id="company-1", company_name="Ann")
        await store.inbox.save_and_schedule_looks(
            ReceivedDelivery("d-1", "read.completed", "company-1", datetime.now(UTC))
        )
        assert await looked_at(shared, urgent=True) == ["ann"]

    async def test_where_the_clock_is_put_back_what_waits_waits_no_longer_than_it_was_to(
        self, url: str, shared: StateQueue
    ) -> None:
        shared.add(["ann"], after_s=0.3)
        shared.add(["bob"], after_s=3600)
        await asyncio.sleep(0.1)
        shift_asks(url, hours=5)
        assert await looked_at(shared) == ["ann"]
        assert await is_idle(shared)

    async def test_nothing_of_what_was_looked_at_stays(self, store: Store, shared: StateQueue) -> None:
        shared.add(["ann"])
        assert await looked_at(shared) == ["ann"]
        assert await store.due.count_waiting() == 0


class TestTheDoorbellsOfSeveralMachines:
    @pytest.fixture(params=["postgresql"])
    def url(self, postgresql: str) -> Iterator[str]:
        with empty_schema(postgresql) as url:
            yield url

    async def test_a_lost_ring_costs_a_tick(self, url: str, shared: StateQueue) -> None:
        shared.add(["first"], lane=Lane.EVENT)
        assert await looked_at(shared, urgent=True) == ["first"], "the workers are at work"
        jobs = f"{queue_schema(url)}.procrastinate_jobs"
        # In a thread: it waits for transactions of the event loop, which would wait for it.
        await asyncio.to_thread(execute, url, f"CREATE RULE lost AS ON INSERT TO {jobs} DO INSTEAD NOTHING")
        shared.add(["ann"], lane=Lane.EVENT)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(execute, url, f"DROP RULE lost ON {jobs}")
        assert await looked_at(shared, urgent=True) == ["ann"]

    async def test_a_job_that_a_dead_process_has_begun_keeps_nobody_from_being_looked_at(
        self, url: str, shared: StateQueue
    ) -> None:
        columns = "queue_name, task_name, lock, queueing_lock, status"
        begun = "'event', 'look', 'ann', 'ann', 'doing'"
        await asyncio.to_thread(
            execute, url, f"INSERT INTO {queue_schema(url)}.procrastinate_jobs ({columns}) VALUES ({begun})"
        )
        shared.add(["ann"], lane=Lane.EVENT)
        assert await looked_at(shared, urgent=True) == ["ann"], "without a bell, once it is overdue"
        give_up = next(each for each in shared.upkeep_timers if each.name == "bells")
        await give_up.action()
        rows = f"SELECT count(*) FROM {queue_schema(url)}.procrastinate_jobs WHERE worker_id IS NULL"
        rows += " AND status = 'doing'"
        assert await asyncio.to_thread(query_value, url, rows) == 0, "given up, and ended only then"

    async def test_a_job_whose_end_was_lost_is_given_up_by_the_process_that_had_it(
        self, url: str, shared: StateQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The statement that was to say so was killed, and its worker lives: nobody else would ever end it."""
        postgres_queue = pytest.importorskip("controller.daemon.postgres_queue")
        shared.add(["first"], lane=Lane.EVENT)
        assert await taken(shared, urgent=True) == ["first"], "and in work, so the worker stays"
        schema, columns = queue_schema(url), "queue_name, task_name, lock, queueing_lock, status, worker_id"
        lost = f"SELECT 'event', 'look', 'ann', 'ann', 'doing', max(id) FROM {schema}.procrastinate_workers"
        await asyncio.to_thread(execute, url, f"INSERT INTO {schema}.procrastinate_jobs ({columns}) {lost}")
        give_up = next(each for each in shared.upkeep_timers if each.name == "bells")
        of_ann = f"FROM {schema}.procrastinate_jobs WHERE lock = 'ann'"
        number = await asyncio.to_thread(query_value, url, f"SELECT max(id) {of_ann}")
        begun = f"SELECT count(*) {of_ann} AND id = {number}"  # the one that is rung anew is another
        await give_up.action()
        assert await asyncio.to_thread(query_value, url, begun) == 1, "its end may be on its way"
        monkeypatch.setattr(postgres_queue, "LOST_JOB_AGE_S", 0.0)
        await give_up.action()
        assert await asyncio.to_thread(query_value, url, begun) == 0

    async def test_however_many_ask_one_bell_hangs_of_the_most_urgent_lane(
        self, url: str, shared: StateQueue, other: StateQueue
    ) -> None:
        shared.add(["ann"], lane=Lane.RESYNC)
        await asyncio.sleep(IDLE_S)  # so that one hangs already, and has to give way
        for queue in (shared, other) * 20:
            for lane in (Lane.RESYNC, Lane.EVENT, Lane.RETRY):
                queue.add(["ann"], lane=lane)
            await asyncio.sleep(0.005)
        await asyncio.sleep(IDLE_S)
        hanging = f"SELECT string_agg(queue_name || priority, ' ') FROM {queue_schema(url)}.procrastinate_jobs"
        assert await asyncio.to_thread(query_value, url, hanging) == "event0"


def queue_schema(url: str) -> str:
    return "merchantctl_queue_" + url.rpartition("search_path%3D")[2]


def let_be_silent_since(url: str, host: str, *, seconds: int) -> None:
    """As if that was the last sign of life there; everywhere, without a host."""
    where = f" WHERE host = '{host}'" if host else ""
    ago = f"alive_at - interval '{seconds} s'" if _is_postgresql(url) else _earlier("alive_at", f"-{seconds} seconds")
    change(url, f"UPDATE due_takers SET alive_at = {ago}{where}")


def shift_asks(url: str, *, hours: int) -> None:
    """As if all had been asked for so much later, which is as if the clock had been put back."""
    for column in ("due_at", "asked_at"):
        later = f"{column} + interval '{hours} h'" if _is_postgresql(url) else _earlier(column, f"+{hours} hours")
        change(url, f"UPDATE due SET {column} = {later}")


def change(url: str, statement: str) -> None:
    if _is_postgresql(url):
        execute(url, statement)
        return
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(statement)
    connection.close()


def _earlier(column: str, by: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '{by}') || '000'"


def _is_postgresql(url: str) -> bool:
    return url.startswith("postgresql")


def kill_who_has_taken(url: str, keys: str) -> None:
    child = PythonProcess([sys.executable, "-c", TAKE, url], cwd=SOURCE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().rstrip() == keys
    child.kill()
    child.wait()


TAKE = """
import asyncio, sys
from controller.daemon.state_queue import open_state_queue
from state import ProcessIdentity, open_state
async def main():
    async with open_state(sys.argv[1]) as store, open_state_queue(store.due, ProcessIdentity.current("run")) as queue:
        queue.add(["bob", "ann"])
        print(list(await queue.get_not_urgent()), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


class _OutOfReachOnce(Due):
    """Whose next request for a look, once that is wanted, finds the state out of reach."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_to_fail = False
        self.is_asked, self.may_fail = asyncio.Event(), asyncio.Event()

    async def schedule_looks(self, asks: Mapping[str, Ask], *, at_once: bool = False) -> None:
        if not self.is_to_fail:
            await super().schedule_looks(asks, at_once=at_once)
            return
        self.is_to_fail = False
        self.is_asked.set()
        await self.may_fail.wait()
        raise StateUnreachable("a restart")


async def test_no_look_counts_as_made_before_what_it_leads_to_is_written_though_a_write_has_just_failed(
    tmp_path: Path,
) -> None:
    async with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        due = _OutOfReachOnce(database)
        await due.schedule_looks({"ann": Ask()})
        async with open_state_queue(due, US) as queue:
            work = await queue.get_urgent()
            due.is_to_fail = True
            queue.add(["ann"], after_s=60)
            await due.is_asked.wait()
            ending = asyncio.create_task(queue.done(work))
            await asyncio.sleep(0)
            due.may_fail.set()
            await ending
            assert await due.count_waiting() == 1


class _OutOfReachAfterRevision(Due):
    """Which finds the state out of reach once, just after somebody was claimed because of a new revision."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_claimed = self.has_failed = False

    async def claim(
        self, lanes: Collection[int], taker: Taker, *, limit: int | None, keys: Collection[str] | None = None
    ) -> dict[str, int]:
        if self.has_claimed and not self.has_failed:
            self.has_failed = True
            raise StateUnreachable("a restart")
        claimed = await super().claim(lanes, taker, limit=limit, keys=keys)
        self.has_claimed = self.has_claimed or bool(claimed)
        return claimed


async def test_who_was_claimed_just_before_the_state_was_out_of_reach_is_handed_out_later(url: str) -> None:
    async with open_database(url) as database:
        due = _OutOfReachAfterRevision(database)
        async with open_queue(due, url, US) as queue, run_timers(queue.upkeep_timers[0], now=lambda: datetime.now(UTC)):
            queue.add(["ann"], lane=Lane.REVISION)
            with pytest.raises(StateUnreachable):
                await asyncio.wait_for(queue.get_not_urgent(), 300)
            asking = asyncio.create_task(queue.get_not_urgent())
            for _ in range(2):
                await queue.beat_and_reap()
            await asyncio.wait([asking], timeout=20)
            assert asking.done(), "in work for good, and looked at by nobody"
            await queue.done(await asking)
