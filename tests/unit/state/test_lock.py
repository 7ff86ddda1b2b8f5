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
from sqlalchemy import text, update

from state import DEFAULT_LEASE_S, LockRow, LockWait, ProcessIdentity, Store, open_state
from state.database import open_existing_database_as_is
from state.errors import LeaseLost, StateBusy, StateLocked, StateUnusable
from state.lock import StateLock, keep_alive
from state.process import process_start_mark
from state.process_claims import FileClaim
from state.tables import locks
from tests.postgresql import empty_schema, execute
from tests.processes import PythonProcess

SOURCE = Path(__file__).parents[3]

HOLD = """
import asyncio, sys
from dataclasses import replace
from state import ProcessIdentity, open_state
async def main():
    async with open_state(sys.argv[1]) as store:
        me = ProcessIdentity.current("merchantctl apply")
        await store.lock.acquire(replace(me, host=sys.argv[2] or me.host), timeout_s=0)
        print("held", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""

ME = ProcessIdentity.current("merchantctl run")

END_WHO_HOLDS_A_LOCK = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def holding(url: str, host: str = "", start: type[subprocess.Popen[str]] = PythonProcess) -> subprocess.Popen[str]:
    """A process that holds the lock, on this host or on one that this one cannot look into."""
    command = [sys.executable, "-c", HOLD, url, host]
    child = start(command, cwd=SOURCE, stdout=subprocess.PIPE, encoding="utf-8")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


async def test_a_second_run_is_told_who_holds_the_lock_and_since_when(url: str) -> None:
    child = holding(url)
    try:
        async with open_state(url) as store:
            with pytest.raises(StateLocked, match="merchantctl apply") as locked:
                await store.lock.acquire(ME, timeout_s=0)
            holder = await store.lock.load_holder()
    finally:
        child.kill()
        child.wait()
    assert locked.value.owner.pid == child.pid
    assert holder == LockRow(locked.value.owner, locked.value.since)


async def test_the_lock_of_a_killed_run_is_taken_over_at_once(url: str) -> None:
    child = holding(url, start=subprocess.Popen)
    kill_but_do_not_reap(child)
    async with open_state(url) as store:
        await store.lock.acquire(ME, timeout_s=0)
        holder = await store.lock.load_holder()
    child.wait()
    assert holder is not None
    assert holder.owner == ME


def kill_but_do_not_reap(child: subprocess.Popen[str]) -> None:
    """A zombie has a pid and a start time, but holds no lock."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


async def test_a_run_that_waits_gets_the_lock_when_it_is_given_back(url: str) -> None:
    async with open_state(url) as first, open_state(url) as second:
        await first.lock.acquire(ME, timeout_s=0)
        waiting = asyncio.create_task(second.lock.acquire(ME, timeout_s=60))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await first.lock.release(ME)
        await waiting


async def test_whoever_waits_is_told_of_each_try_who_is_in_the_way_and_how_long_it_has_been_silent(url: str) -> None:
    told: list[LockWait] = []
    async with open_state(url) as first, open_state(url) as second:
        await first.lock.acquire(ME, timeout_s=0)
        waiting = asyncio.create_task(second.lock.acquire(ME, timeout_s=300, on_wait=told.append))
        while len(told) < 2 and not waiting.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await first.lock.release(ME)
        await waiting
    assert len(told) >= 2
    assert {each.holder.owner for each in told} == {ME}
    assert all(0 <= each.silent_for_s < 60 and each.waited_s <= each.timeout_s == 300 for each in told)


@pytest.mark.waits
@pytest.mark.waits
async def test_whoever_waits_for_a_lock_takes_no_turn_of_its_holders_writes(url: str) -> None:
    async with open_state(url) as store, open_state(url) as other:
        await store.lock.acquire(ME, timeout_s=0)
        looked = asyncio.Event()
        somebody = replace(ME, host="elsewhere")
        waiting = asyncio.create_task(other.lock.acquire(somebody, timeout_s=60, on_wait=lambda _: looked.set()))
        await looked.wait()
        other._database.longest_wait_s = 0.0
        async with store._database.writing():
            await asyncio.sleep(0.8)
        assert not waiting.done(), "it would have been told that another process writes"
        other._database.longest_wait_s = 60.0
        await store.lock.release(ME)
        assert await waiting is None


async def test_a_wait_is_said_in_the_log_with_its_end(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with open_state(url) as first, open_state(url) as second:
        await first.lock.acquire(ME, timeout_s=0)
        with pytest.raises(StateLocked):
            await second.lock.acquire(ME, timeout_s=0.5)
    (said,) = [each.getMessage() for each in caplog.records if "locked by" in each.getMessage()]
    assert f"(pid {ME.pid} on {ME.host})" in said
    assert "waiting up to 0 s" in said


async def test_a_state_that_another_version_has_taken_over_meanwhile_is_locked_no_more(url: str) -> None:
    """An upgrade waits for whoever has a lock: this one had none just then, and was at work before and after."""
    async with open_state(url) as store:
        await store.lock.acquire(ME, timeout_s=0)
        await store.lock.release(ME)
        async with open_existing_database_as_is(url) as database:
            assert database is not None
            async with database.writing() as transaction:
                await transaction.execute(text("UPDATE state_version SET version_num = '9999'"))
        with pytest.raises(StateUnusable, match="another version of merchantctl"):
            await store.lock.acquire(ME, timeout_s=0)
        assert await store.lock.holder_silence_s() is None


async def test_a_lock_is_given_back_when_its_store_is_closed_even_by_an_error(url: str) -> None:
    async def run_that_fails() -> None:
        async with open_state(url) as store:
            await store.lock.acquire(ME, timeout_s=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_that_fails()
    async with open_state(url) as store:
        assert await store.lock.load_holder() is None


async def test_who_does_not_hold_the_lock_cannot_give_it_back(url: str) -> None:
    async with open_state(url) as holder, open_state(url) as other:
        await holder.lock.acquire(ME, timeout_s=0)
        with pytest.raises(StateLocked):
            await other.lock.acquire(ME, timeout_s=0)
        await other.lock.release(ME)
        assert await holder.lock.load_holder() is not None


@pytest.mark.parametrize(
    "owner",
    [
        replace(ME, host="another-host", pid=1),
        replace(ME, started="pid:[1]/x 1"),
        replace(ME, started=ME.started + "0"),
        ME,
    ],
    ids=["another host", "another container", "a pid that was used again", "this process"],
)
class TestWhateverARowSays:
    """Names and pids are for people: whether a holder lives, its claim says."""

    async def test_a_living_holder_keeps_its_lock_until_it_is_broken(self, url: str, owner: ProcessIdentity) -> None:
        async with open_state(url) as store, open_state(url) as other:
            await store.lock.acquire(owner, timeout_s=0)
            with pytest.raises(StateLocked):
                await other.lock.acquire(ME, timeout_s=0)
            broken = await other.lock.force_release()
            assert broken is not None
            assert broken.owner == owner
            await other.lock.acquire(ME, timeout_s=0)

    async def test_a_dead_holder_is_no_obstacle(self, url: str, owner: ProcessIdentity) -> None:
        child = holding(url, owner.host)
        async with open_state(url) as store:
            columns = {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
            async with store._database.writing() as transaction:
                await transaction.execute(update(locks).values(columns))
            with pytest.raises(StateLocked):
                await store.lock.acquire(ME, timeout_s=0)
            child.kill()
            child.wait()
            assert await store.lock.acquire(ME, timeout_s=60) is not None

    async def test_to_ask_whether_it_lives_takes_nothing_from_it(self, url: str, owner: ProcessIdentity) -> None:
        async with open_state(url) as store, open_state(url) as other:
            assert await other.lock.holder_silence_s() is None
            await store.lock.acquire(owner, timeout_s=0)
            holder, silent = await other.lock.load_holder(), await other.lock.holder_silence_s()
            assert silent is not None
            assert 0 <= silent < 60
            assert await other.lock.load_holder() == holder
            with pytest.raises(StateLocked):
                await other.lock.acquire(ME, timeout_s=0)


async def test_who_only_looks_whether_a_lock_is_held_is_in_nobodys_way(url: str) -> None:
    """A look at the file of SQLite shares its lock for a moment."""
    async with open_state(url) as store, open_state(url) as other:
        looks = [asyncio.create_task(other.lock.holder_silence_s()) for _ in range(50)]
        await store.lock.acquire(ME, timeout_s=0)
        await asyncio.gather(*looks)


async def test_a_lock_file_that_somebody_removed_lets_no_two_write(tmp_path: Path) -> None:
    """Whoever comes next gets the lock on a new file, and its first holder is fenced by the row."""
    url = f"sqlite:///{tmp_path}/state.db"
    async with open_state(url) as first, open_state(url) as second:
        await first.lock.acquire(replace(ME, pid=1), timeout_s=0)
        (tmp_path / "state.db.lock").unlink()
        await second.lock.acquire(ME, timeout_s=0)
        with pytest.raises(StateLocked):
            await first.lock.prove()
        with pytest.raises(StateLocked):
            await begin_intent(first)
        await first.lock.release_if_held()
        await second.lock.prove()


class TestOverSeveralMachines:
    """PostgreSQL knows who lives, wherever he runs."""

    @pytest.fixture
    def url(self, postgresql: str) -> Iterator[str]:
        with empty_schema(postgresql) as url:
            yield url

    @pytest.mark.waits
    async def test_a_living_run_of_another_host_keeps_the_lock_and_a_killed_one_loses_it(self, url: str) -> None:
        child = holding(url, "another-host")
        try:
            async with open_state(url) as store:
                with pytest.raises(StateLocked, match="another-host"):
                    await store.lock.acquire(ME, timeout_s=0.3)
                waiting = asyncio.create_task(store.lock.acquire(ME, timeout_s=60))
                await asyncio.sleep(0.3)
                assert not waiting.done()
                child.kill()
                await waiting
                holder = await store.lock.load_holder()
        finally:
            child.kill()
            child.wait()
        assert holder is not None
        assert holder.owner == ME

    async def test_whoever_lost_the_lock_with_the_connection_begins_nothing_more(self, url: str) -> None:
        """The server gave him up for dead, and another run took over: from then on only that one creates."""
        async with open_state(url) as slow, open_state(url) as quick:
            await slow.lock.acquire(replace(ME, host="another-host"), timeout_s=0)
            await begin_intent(slow)
            execute(url, END_WHO_HOLDS_A_LOCK)
            await quick.lock.acquire(ME, timeout_s=10)
            with pytest.raises(StateLocked, match="merchantctl run"):
                await begin_intent(slow)
            await begin_intent(quick)

    async def test_whoever_lost_the_lock_and_nobody_has_it_yet_begins_nothing_more_either(self, url: str) -> None:
        """Between the end of a lease and the next holder the row still names the last one."""
        async with open_state(url) as store:
            await store.lock.acquire(ME, timeout_s=0)
            await store.lock.prove()
            execute(url, END_WHO_HOLDS_A_LOCK)
            with pytest.raises(LeaseLost):
                await begin_intent(store)
            with pytest.raises(LeaseLost):
                await store.lock.prove()
            assert await store.intents.load_open() == (), "what was never sent is not looked for"

    @pytest.mark.waits
    async def test_a_lease_lapses_without_signs_of_life_and_lasts_with_them(self, url: str) -> None:
        """The server's own clock: a second after the last sign the connection is ended."""
        async with open_state(url, lease_s=1) as store, open_state(url) as other:
            await store.lock.acquire(replace(ME, pid=1), timeout_s=0)
            with pytest.raises(StateLocked):
                await other.lock.acquire(ME, timeout_s=2)
            assert store.lock._heartbeats is not None
            store.lock._heartbeats.cancel()
            assert await other.lock.acquire(ME, timeout_s=20) is not None, "it was lost, not given back"
            with pytest.raises(StateLocked, match="merchantctl run"):
                await store.lock.prove()

    async def test_two_states_of_one_database_do_not_lock_each_other(self, postgresql: str, url: str) -> None:
        with empty_schema(postgresql) as neighbour:
            async with open_state(url) as store, open_state(neighbour) as other:
                await store.lock.acquire(ME, timeout_s=0)
                await other.lock.acquire(ME, timeout_s=0)
                await other.lock.force_release()
                with pytest.raises(StateLocked):
                    async with open_state(url) as third:
                        await third.lock.acquire(ME, timeout_s=0)


async def test_a_run_whose_lock_was_ended_by_hand_begins_nothing_more(url: str) -> None:
    async with open_state(url) as store, open_state(url) as person:
        await store.lock.acquire(ME, timeout_s=0)
        await begin_intent(store)
        await person.lock.force_release()
        with pytest.raises(StateUnusable, match="state unlock"):
            await begin_intent(store)


async def test_a_lock_is_proven_as_long_as_it_is_held_and_not_after_it_was_ended_by_hand(url: str) -> None:
    async with open_state(url) as store, open_state(url) as person:
        await store.lock.prove()
        await store.lock.acquire(ME, timeout_s=0)
        await store.lock.prove()
        await person.lock.force_release()
        with pytest.raises(StateUnusable, match="state unlock"):
            await store.lock.prove()


async def test_whoever_was_taken_over_proves_nothing_and_is_told_by_whom(url: str) -> None:
    async with open_state(url) as store, open_state(url) as person, open_state(url) as other:
        await store.lock.acquire(replace(ME, host="another-host"), timeout_s=0)
        await person.lock.force_release()
        await other.lock.acquire(ME, timeout_s=0)
        with pytest.raises(StateLocked, match="merchantctl run"):
            await store.lock.prove()
        await other.lock.prove()


async def test_a_proof_that_was_on_its_way_for_long_is_asked_for_again(url: str) -> None:
    """Whoever was stopped between a proof and its arrival may have lost the lock meanwhile."""
    moments = iter([0.0, 75.0, 75.0, 75.1, *(100.0 * each for each in range(1, 99))])
    async with open_state(url) as store:
        its_lock = StateLock(store._database, DEFAULT_LEASE_S, since_boot=lambda: next(moments))
        await its_lock.acquire(ME, timeout_s=0)
        await its_lock.prove()
        assert next(moments) == 100.0
        with pytest.raises(LeaseLost):
            await its_lock.prove()
        await its_lock.release(ME)


@pytest.mark.waits
async def test_a_wait_for_a_writer_that_does_not_end_is_said_and_ends(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_state(url) as store, open_state(url) as other:
        other._database.wait_said_after_s, other._database.longest_wait_s = 0.0, 1.0
        holder = replace(ME, host="elsewhere")
        await store.lock.acquire(holder, timeout_s=0)
        async with store._database.writing():
            with pytest.raises(
                StateBusy, match=rf"does not end: `merchantctl run` \(pid {ME.pid} on elsewhere.*End it"
            ):
                await other.bindings.bind_company("ann", company_id="c", company_name="n")
            assert await other.records.load() == {}, "to read waits for nobody"
        await other.bindings.bind_company("ann", company_id="c", company_name="n")
    (said,) = [each.getMessage() for each in caplog.records if "middle of a write" in each.getMessage()]
    assert f"(pid {ME.pid} on elsewhere)" in said
    assert "waiting up to 0 s" in said or "waiting up to 1 s" in said


async def test_who_waits_for_a_writer_does_not_take_its_own_lock_for_what_is_in_the_way(url: str) -> None:
    async with open_state(url) as store, open_state(url) as other:
        await other.lock.acquire(ME, timeout_s=0)
        async with store._database.writing():
            other.end_waits_within(0.0)
            with pytest.raises(StateBusy, match=r"does not end\. End it"):
                await other.bindings.bind_company("ann", company_id="c", company_name="n")


async def test_whoever_is_to_end_waits_for_no_writer_any_more(url: str) -> None:
    async with open_state(url) as store, open_state(url) as other:
        async with store._database.writing():
            other.end_waits_within(0.0)
            with pytest.raises(StateBusy):
                await other.bindings.bind_company("ann", company_id="c", company_name="n")
        await other.bindings.bind_company("ann", company_id="c", company_name="n")


async def test_a_lock_that_could_not_be_released_does_not_stand_in_the_way_of_its_own_process(url: str) -> None:
    async with open_state(url) as store, open_state(url) as other:
        await other.lock.acquire(ME, timeout_s=0)
        other._database.longest_wait_s = 0.0
        async with store._database.writing():
            with pytest.raises(StateBusy):
                await other.lock.release(ME)
        assert await other.lock.acquire(ME, timeout_s=0) is not None, "the row was left: what was sent may be under way"


async def test_a_lock_file_that_cannot_be_touched_for_a_while_ends_no_heartbeats(tmp_path: Path) -> None:
    claim = FileClaim(f"{tmp_path}/lock", f"{tmp_path}/leases")
    assert await claim.take()
    assert claim._file is not None
    mended, broken = os.dup(claim._file), os.open(tmp_path, os.O_PATH)
    os.dup2(broken, claim._file)
    with pytest.raises(StateUnusable, match=r"lock, cannot be used"):
        await claim.renew()
    heartbeats = asyncio.create_task(keep_alive(claim, lease_s=0.0))
    await asyncio.sleep(0.02)
    assert not heartbeats.done()
    os.dup2(mended, claim._file)
    await claim.give_back()
    with pytest.raises(LeaseLost):
        await heartbeats
    os.close(mended)
    os.close(broken)


async def test_a_holder_is_told_that_another_lost_the_lock_without_giving_it_back(url: str) -> None:
    before = datetime.now(UTC)
    child = holding(url, start=subprocess.Popen)
    kill_but_do_not_reap(child)
    async with open_state(url) as store, open_state(url) as person:
        dead = await store.lock.acquire(ME, timeout_s=0)
        await person.lock.force_release()
        await store.lock.release(ME)
        ended = await person.lock.acquire(ME, timeout_s=0)
        await person.lock.release(ME)
        given_back = await store.lock.acquire(ME, timeout_s=0)
    child.wait()
    assert dead is not None
    assert ended is not None
    assert before <= dead <= ended <= datetime.now(UTC)
    assert given_back is None


async def begin_intent(store: Store) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await store.intents.begin("ann", "company", name="ann", company_id=None, platform=None, at=at)


async def test_there_is_nothing_to_break_where_nobody_holds_a_lock(store: Store) -> None:
    assert await store.lock.force_release() is None


def test_a_process_keeps_its_mark_and_no_other_has_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = process_start_mark(child.pid)
    assert mark == process_start_mark(child.pid)
    assert mark != process_start_mark(os.getpid())
    child.communicate(b"\n")
    assert process_start_mark(child.pid) is None
