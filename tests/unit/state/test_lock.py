"""One run at a time, and no lock that outlives its holder."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state import LockRow, Owner, Store, open_state
from state.errors import StateLocked, StateUnusable
from state.process import mark_of_process
from tests.postgresql import empty_schema, execute

SOURCE = Path(__file__).parents[3]

HOLD = """
import asyncio, sys
from dataclasses import replace
from state import Owner, open_state
async def main():
    async with open_state(sys.argv[1]) as store:
        me = Owner.this_process("merchantctl apply")
        await store.acquire_lock(replace(me, host=sys.argv[2] or me.host), timeout=0)
        print("held", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""

ME = Owner.this_process("merchantctl run")


def holding(url: str, host: str = "") -> subprocess.Popen[str]:
    """A process that holds the lock, on this host or on one that this one cannot look into."""
    command = [sys.executable, "-c", HOLD, url, host]
    child = subprocess.Popen(command, cwd=SOURCE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


async def test_a_second_run_is_told_who_holds_the_lock_and_since_when(url: str):
    child = holding(url)
    try:
        async with open_state(url) as store:
            with pytest.raises(StateLocked, match="merchantctl apply") as locked:
                await store.acquire_lock(ME, timeout=0)
            holder = await store.lock_holder()
    finally:
        child.kill()
        child.wait()
    assert locked.value.owner.pid == child.pid
    assert holder == LockRow(locked.value.owner, locked.value.since)


async def test_the_lock_of_a_killed_run_is_taken_over_at_once(url: str):
    child = holding(url)
    kill_but_do_not_reap(child)
    async with open_state(url) as store:
        await store.acquire_lock(ME, timeout=0)
        holder = await store.lock_holder()
    child.wait()
    assert holder is not None
    assert holder.owner == ME


def kill_but_do_not_reap(child: subprocess.Popen[str]) -> None:
    """A zombie has a pid and a start time, but holds no lock."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


async def test_a_run_that_waits_gets_the_lock_when_it_is_given_back(url: str):
    async with open_state(url) as first, open_state(url) as second:
        await first.acquire_lock(ME, timeout=0)
        waiting = asyncio.create_task(second.acquire_lock(ME, timeout=60))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await first.release_lock(ME)
        await waiting


async def test_a_lock_is_given_back_when_its_store_is_closed_even_by_an_error(url: str):
    async def run_that_fails() -> None:
        async with open_state(url) as store:
            await store.acquire_lock(ME, timeout=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_that_fails()
    async with open_state(url) as store:
        assert await store.lock_holder() is None


async def test_who_does_not_hold_the_lock_cannot_give_it_back(url: str):
    async with open_state(url) as holder, open_state(url) as other:
        await holder.acquire_lock(ME, timeout=0)
        with pytest.raises(StateLocked):
            await other.acquire_lock(ME, timeout=0)
        await other.release_lock(ME)
        assert await holder.lock_holder() is not None


@pytest.mark.parametrize(
    ("elsewhere", "why"),
    [
        (replace(ME, host="another-host", pid=1), "a pid of another host says nothing here"),
        (replace(ME, started="pid:[1]/x 1"), "nor does a pid of another container"),
        (ME, "and this process is alive"),
    ],
)
async def test_a_holder_that_is_not_known_to_be_dead_keeps_its_lock_until_it_is_broken(
    url: str, elsewhere: Owner, why: str
):
    async with open_state(url) as store, open_state(url) as other:
        await store.acquire_lock(elsewhere, timeout=0)
        with pytest.raises(StateLocked):
            await other.acquire_lock(ME, timeout=0)
        broken = await other.break_lock()
        assert broken is not None
        assert broken.owner == elsewhere, why
        await other.acquire_lock(ME, timeout=0)


async def test_a_pid_that_was_used_again_holds_no_lock(tmp_path: Path):
    """In SQLite; PostgreSQL does not go by pids."""
    url = f"sqlite:///{tmp_path}/state.db"
    async with open_state(url) as store, open_state(url) as other:
        await store.acquire_lock(replace(ME, started=ME.started + "0"), timeout=0)
        await other.acquire_lock(ME, timeout=0)


class TestOverSeveralMachines:
    """PostgreSQL knows who lives, wherever he runs."""

    @pytest.fixture
    def url(self, postgresql: str) -> Iterator[str]:
        with empty_schema(postgresql) as url:
            yield url

    async def test_a_living_run_of_another_host_keeps_the_lock_and_a_killed_one_loses_it(self, url: str):
        child = holding(url, "another-host")
        try:
            async with open_state(url) as store:
                with pytest.raises(StateLocked, match="another-host"):
                    await store.acquire_lock(ME, timeout=1)
                waiting = asyncio.create_task(store.acquire_lock(ME, timeout=60))
                await asyncio.sleep(0.3)
                assert not waiting.done()
                child.kill()
                await waiting
                holder = await store.lock_holder()
        finally:
            child.kill()
            child.wait()
        assert holder is not None
        assert holder.owner == ME

    async def test_whoever_lost_the_lock_with_the_connection_begins_nothing_more(self, url: str):
        """The server gave him up for dead, and another run took over: from then on only that one creates."""
        async with open_state(url) as slow, open_state(url) as quick:
            await slow.acquire_lock(replace(ME, host="another-host"), timeout=0)
            await begin_intent(slow)
            execute(url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            await quick.acquire_lock(ME, timeout=10)
            with pytest.raises(StateLocked, match="merchantctl run"):
                await begin_intent(slow)
            await begin_intent(quick)

    async def test_two_states_of_one_database_do_not_lock_each_other(self, postgresql: str, url: str):
        with empty_schema(postgresql) as neighbour:
            async with open_state(url) as store, open_state(neighbour) as other:
                await store.acquire_lock(ME, timeout=0)
                await other.acquire_lock(ME, timeout=0)
                await other.break_lock()
                with pytest.raises(StateLocked):
                    async with open_state(url) as third:
                        await third.acquire_lock(ME, timeout=0)


async def test_a_run_whose_lock_was_ended_by_hand_begins_nothing_more(url: str):
    async with open_state(url) as store, open_state(url) as person:
        await store.acquire_lock(ME, timeout=0)
        await begin_intent(store)
        await person.break_lock()
        with pytest.raises(StateUnusable, match="state unlock"):
            await begin_intent(store)


async def begin_intent(store: Store) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await store.begin_intent("ann", "company", name="ann", company_id=None, platform=None, at=at)


async def test_there_is_nothing_to_break_where_nobody_holds_a_lock(store: Store):
    assert await store.break_lock() is None


def test_a_process_keeps_its_mark_and_no_other_has_it():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = mark_of_process(child.pid)
    assert mark == mark_of_process(child.pid)
    assert mark != mark_of_process(os.getpid())
    child.communicate(b"\n")
    assert mark_of_process(child.pid) is None
