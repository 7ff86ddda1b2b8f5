"""Opening a state: where, what is found there, and what is left behind."""

import asyncio
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from state import open_state
from state.async_engine import AsyncEngine
from state.database import have_own_sessions, open_database
from state.errors import StateUnreachable, StateUnusable
from state.read_only import temporary_copy
from tests.postgresql import empty_schema
from tests.processes import PythonProcess, run_python

SOURCE = Path(__file__).parents[3]

OPEN_AND_NOTE = """
import asyncio, sys
from state import open_state
async def main():
    async with open_state(sys.argv[1]) as store:
        for n in range(20):
            await store.bindings.bind_company(f"{sys.argv[2]}-{n}", company_id=f"{sys.argv[2]}-{n}", company_name="n")
asyncio.run(main())
"""


async def test_a_relative_address_is_a_file_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_state("sqlite:///var/deep/state.db"):
        assert (tmp_path / "var/deep/state.db").is_file()


async def test_four_slashes_are_an_absolute_address(tmp_path: Path) -> None:
    async with open_state(f"sqlite:////{str(tmp_path).lstrip('/')}/state.db"):
        assert (tmp_path / "state.db").is_file()


@pytest.mark.parametrize("url", ["mysql://root:hush@h/d", "no url", "sqlite://", "sqlite:///:memory:", ""])
async def test_an_address_that_can_hold_no_state_is_refused_with_the_way_to_write_one(url: str) -> None:
    with pytest.raises(StateUnusable, match="sqlite:///") as refused:
        async with open_state(url):
            pass
    assert "hush" not in str(refused.value)


async def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StateUnusable, match=r"postgresql://me:\*\*\*@127\.0\.0\.1:1/d") as refused:
        async with open_state("postgresql://me:hush@127.0.0.1:1/d"):
            pass
    assert "hush" not in str(refused.value)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match="folder"):
        async with open_state(f"sqlite:///{tmp_path}/file/state.db"):
            pass


async def test_a_state_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    async with open_state(f"sqlite:///{file}") as store:
        await store.bindings.bind_company("acme", company_id="c", company_name="n")
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE state_version SET version_num = '9999'")
    before = file.read_bytes()
    with pytest.raises(StateUnusable, match="newer merchantctl"):
        async with open_state(f"sqlite:///{file}"):
            pass
    assert file.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_text("apiVersion: merchantctl/v1\n" * 100)
    before = file.read_bytes()
    with pytest.raises(StateUnusable, match="not a database"):
        async with open_state(f"sqlite:///{file}"):
            pass
    assert file.read_bytes() == before


async def test_a_copy_to_look_into_of_what_is_no_database_is_found_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_text("apiVersion: merchantctl/v1\n" * 100)
    with temporary_copy(str(file)) as copy, pytest.raises(StateUnusable, match="not a database"):
        async with open_state(f"sqlite:///{copy}"):
            pass


def test_a_state_that_cannot_be_copied_to_be_looked_into_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="cannot be copied"), temporary_copy(str(tmp_path)):
        pass


async def test_a_database_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("CREATE TABLE runs (mileage INTEGER)")
    with pytest.raises(StateUnusable, match="somebody else's"):
        async with open_state(f"sqlite:///{file}"):
            pass


async def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    """WAL with synchronous=FULL: an intent must survive a loss of power, not only of the process."""
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store, store._database.writing() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA synchronous")) == 2


async def test_a_full_disk_says_that_what_was_done_is_found_again(tmp_path: Path) -> None:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        async with store._database.writing() as connection:
            await connection.scalar(text("PRAGMA max_page_count = 1"))  # SQLite makes it what there are by now
        said = "disk is full. Make room, then run this again: it finds what was done until then."
        with pytest.raises(StateUnusable, match=said):
            await store.bindings.bind_company("acme", company_id="c", company_name="n" * 10_000_000)


async def test_nothing_stays_behind_when_it_is_closed(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        await asyncio.gather(
            store.records.load(),
            store.records.load(),
            store.bindings.bind_company("a", company_id="c", company_name="n"),
        )
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)  # one that was told to end may be at its last step
    assert set(threading.enumerate()) <= before
    assert os.listdir(tmp_path) == ["state.db"]


LEAVE_WAL = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode=DELETE'))"


async def test_opening_a_state_once_more_in_one_process_ends_no_lock_of_the_first(tmp_path: Path) -> None:
    """The system drops all of a process's locks on a file as soon as any descriptor of it is closed."""
    file = tmp_path / "state.db"
    async with open_state(f"sqlite:///{file}") as store:
        await store.records.load()
        async with open_state(f"sqlite:///{file}", on_read_only=print) as second:
            await second.records.load()
        other = run_python([sys.executable, "-c", LEAVE_WAL, file])
    assert "database is locked" in other.stderr, other.stdout


@pytest.mark.waits
async def test_whoever_comes_while_another_process_makes_the_tables_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is said of the wait must not fail where there is no table yet that says who is in the way."""
    file = tmp_path / "state.db"
    file.touch()
    with closing(sqlite3.connect(file, isolation_level=None)) as maker:
        maker.execute("PRAGMA journal_mode=WAL")
        maker.execute("BEGIN IMMEDIATE")

        async def opened() -> None:
            async with open_state(f"sqlite:///{file}") as store:
                await store.bindings.bind_company("acme", company_id="c", company_name="n")

        opening = asyncio.create_task(opened())
        while not opening.done() and "in the middle of a write" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        maker.execute("ROLLBACK")
        await opening


def test_many_processes_may_open_a_new_state_and_write_at_once(url: str) -> None:
    command = [sys.executable, "-c", OPEN_AND_NOTE, url]
    children = [PythonProcess([*command, f"p{n}"], cwd=SOURCE) for n in range(4)]
    assert [child.wait(timeout=300) for child in children] == [0] * 4, "on a busy machine they say that they wait"

    async def count() -> int:
        async with open_state(url) as store:
            return len(await store.bindings.load())

    assert asyncio.run(count()) == 4 * 20


async def test_two_connections_straight_to_postgresql_have_a_server_process_each(postgresql: str) -> None:
    with empty_schema(postgresql) as url:
        engine = AsyncEngine(create_engine(make_url(url).set(drivername="postgresql+psycopg_async")))
        try:
            async with engine.connect() as first, engine.connect() as second:
                assert await have_own_sessions(first, second)
            async with engine.connect() as both:
                # As behind a pooler by transactions: whoever asks next is given the one process that is free.
                assert not await have_own_sessions(both, both)
        finally:
            await engine.dispose()


@pytest.mark.parametrize(
    ("said", "told"), [("", "OperationalError"), ("\n", "OperationalError"), ("\nconnection lost\nLINE 1: …", "lost")]
)
async def test_a_database_that_gives_no_reason_is_out_of_reach_all_the_same(
    tmp_path: Path, said: str, told: str
) -> None:
    async with (
        open_state(f"sqlite:///{tmp_path}/state.db"),
        open_database(f"sqlite:///{tmp_path}/state.db") as database,
    ):
        with pytest.raises(StateUnreachable, match=f"cannot be used: .*{told}[.] "):
            async with database.reading():
                raise OperationalError("SELECT 1", {}, psycopg.OperationalError(said))
