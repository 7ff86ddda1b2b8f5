"""What both queues promise, that of one process and that of many; and what only the second can."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.daemon.workqueue import EVERYONE, Queue, WorkQueue
from tests.postgresql import empty_schema, execute, query_value
from tests.processes import PythonProcess

SOURCE = Path(__file__).parents[3]


@pytest.fixture
def url(postgresql: str) -> Iterator[str]:
    with empty_schema(postgresql) as url:
        yield url


@pytest.fixture
async def shared(url: str) -> AsyncIterator[Queue]:
    tasks = pytest.importorskip("controller.daemon.postgres_queue")
    async with tasks.open_postgres_queue(url) as queue:
        yield queue


@pytest.fixture
async def other(url: str, shared: Queue) -> AsyncIterator[Queue]:
    """The same queue in the hands of another process, as good as."""
    tasks = pytest.importorskip("controller.daemon.postgres_queue")
    async with tasks.open_postgres_queue(url) as queue:
        yield queue


@pytest.fixture(params=["one process", "many"])
def queue(request: pytest.FixtureRequest) -> Queue:
    return WorkQueue() if request.param == "one process" else request.getfixturevalue("shared")


async def is_idle(queue: Queue) -> bool:
    """Nobody is handed out for a good second."""
    asking = asyncio.create_task(queue.get())
    done, _ = await asyncio.wait([asking], timeout=1.5)
    asking.cancel()
    return not done


class TestEveryQueue:
    async def test_who_is_due_together_is_handed_out_together(self, queue: Queue) -> None:
        queue.add(["bob", "ann", "bob"])
        queue.add([EVERYONE])
        assert await queue.get() == (EVERYONE, "ann", "bob")
        assert await is_idle(queue)

    async def test_nobody_is_handed_out_before_his_time(self, queue: Queue) -> None:
        queue.add(["late"], after=0.5)
        queue.add(["now"])
        assert await queue.get() == ("now",)
        assert await queue.get() == ("late",)

    async def test_the_earliest_time_wins_whichever_came_first(self, queue: Queue) -> None:
        for after in (3600, 0.2, 7200):
            queue.add(["ann"], after=after)
            await asyncio.sleep(0.05)
        assert await queue.get() == ("ann",)
        assert await is_idle(queue)

    async def test_who_waits_for_later_can_be_due_at_once_after_all(self, queue: Queue) -> None:
        queue.add(["ann"], after=3600)
        asking = asyncio.create_task(queue.get())
        await asyncio.sleep(0.2)
        queue.add(["ann"])
        assert await asking == ("ann",)

    async def test_who_is_added_while_in_hand_is_handed_out_once_more(self, queue: Queue) -> None:
        queue.add(["ann"])
        await queue.get()
        queue.add(["ann"])
        queue.add(["ann"], after=3600)
        assert await queue.get() == ("ann",)
        assert await is_idle(queue)

    async def test_an_urgent_one_is_handed_out_beside_whoever_is_looked_at(self, queue: Queue) -> None:
        queue.add([EVERYONE])
        assert await queue.get() == (EVERYONE,)
        queue.add(["ann"], urgent=True)
        queue.add(["bob"])
        assert await queue.get_urgent() == ("ann",)
        assert await queue.get() == ("bob",)

    async def test_who_waits_for_a_long_pass_can_be_urgent_after_all(self, queue: Queue) -> None:
        queue.add(["ann", "bob"], after=3600)
        queue.add(["ann"], urgent=True)
        queue.add(["ann"], after=60)
        assert await queue.get_urgent() == ("ann",)
        assert await is_idle(queue)

    async def test_who_becomes_urgent_while_in_urgent_work_is_handed_out_once_more_and_only_afterwards(
        self, queue: Queue
    ) -> None:
        queue.add(["ann"], urgent=True)
        assert await queue.get_urgent() == ("ann",)
        queue.add(["ann"], urgent=True)
        queue.add(["bob"], urgent=True)
        assert await queue.get_urgent() == ("bob",)
        asking = asyncio.create_task(queue.get_urgent())
        await asyncio.sleep(1.5)
        assert not asking.done()
        await queue.done(["ann", "bob"])
        assert await asyncio.wait_for(asking, 300) == ("ann",)

    async def test_a_closed_queue_hands_nobody_out_and_keeps_nobody_waiting(self, queue: Queue) -> None:
        asking = asyncio.create_task(queue.get())
        await asyncio.sleep(0.1)
        queue.close()
        assert await asking == ()
        queue.add(["ann"])
        assert await queue.get() == ()

    async def test_it_can_be_asked_how_many_wait(self, queue: Queue) -> None:
        queue.add(["ann", "bob"], after=3600)
        assert len(queue) == 2


class TestTheQueueOfManyProcesses:
    async def test_whom_one_adds_another_looks_at(self, shared: Queue, other: Queue) -> None:
        shared.add(["ann"])
        assert await other.get() == ("ann",)
        assert await is_idle(shared)

    async def test_nobody_is_in_two_hands_at_once(self, shared: Queue, other: Queue) -> None:
        """Asked for again while one looks, a merchant waits until that one is done."""
        shared.add(["ann"])
        await shared.get()
        other.add(["ann"])
        assert await is_idle(other)
        asking = asyncio.create_task(shared.get())
        assert await asyncio.wait_for(asking, 300) == ("ann",)

    async def test_all_are_handed_out_once_over_several_processes(self, shared: Queue, other: Queue) -> None:
        """More than two handfuls, each process with its own half of what is told twice."""
        names = [f"m-{number:03}" for number in range(350)]
        shared.add(names[:200])
        other.add(names[150:])
        await asyncio.sleep(0.5)
        taken: list[str] = []

        async def take(queue: Queue) -> None:
            while keys := await queue.get():
                taken.extend(keys)
                if len(taken) == len(names):
                    shared.close()
                    other.close()

        await asyncio.gather(take(shared), take(other))
        assert sorted(taken) == names

    async def test_who_leaves_gives_back_whoever_was_not_looked_at(self, url: str, shared: Queue) -> None:
        from controller.daemon.postgres_queue import open_postgres_queue

        async with open_postgres_queue(url) as leaving:
            leaving.add(["ann", "bob"])
            leaving.add(["cid"], after=1)
            assert await leaving.get() == ("ann", "bob")
            shared.add(["bob"], after=3600)
            leaving.close()
            assert await leaving.get() == ()
        assert await shared.get() == ("ann", "bob")
        assert await shared.get() == ("cid",)

    async def test_a_killed_process_holds_nobody_for_long(self, url: str, shared: Queue) -> None:
        """Half a minute without a sign of life, which has passed for the dead one."""
        kill_who_has_taken(url, "('ann', 'bob')")
        shared.add(["bob"], after=3600)
        assert await is_idle(shared)
        execute(url, f"UPDATE {queue_schema(url)}.procrastinate_workers SET last_heartbeat = now() - interval '31 s'")
        assert await asyncio.wait_for(shared.get(), 300) == ("ann", "bob")

    async def test_nothing_of_what_was_looked_at_stays_in_the_database(self, url: str, shared: Queue) -> None:
        shared.add(["ann"])
        await shared.get()
        assert await is_idle(shared)
        for table in ("jobs", "events"):
            rows = query_value(url, f"SELECT count(*) FROM {queue_schema(url)}.procrastinate_{table}")
            assert rows == 0, table

    async def test_tables_of_another_version_make_room(self, url: str, shared: Queue) -> None:
        from controller.daemon.postgres_queue import open_postgres_queue

        shared.add(["ann"], after=3600)
        assert await is_idle(shared)
        execute(url, f"COMMENT ON SCHEMA {queue_schema(url)} IS 'of long ago'")
        async with open_postgres_queue(url) as renewed:
            assert query_value(url, f"SELECT count(*) FROM {queue_schema(url)}.procrastinate_jobs") == 0
            renewed.add(["bob"])
            assert await renewed.get() == ("bob",)


def kill_who_has_taken(url: str, keys: str) -> None:
    child = PythonProcess([sys.executable, "-c", TAKE, url], cwd=SOURCE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().rstrip() == keys
    child.kill()
    child.wait()


def queue_schema(url: str) -> str:
    return "merchantctl_queue_" + url.rpartition("search_path%3D")[2]


TAKE = """
import asyncio, sys
from controller.daemon.postgres_queue import open_postgres_queue
async def main():
    async with open_postgres_queue(sys.argv[1]) as queue:
        queue.add(["bob", "ann"])
        print(await queue.get(), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
