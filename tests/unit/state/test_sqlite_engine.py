"""The engine for SQLite: what a statement costs, and that it answers as SQLAlchemy's own does."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, make_url, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from state.async_engine import AsyncEngine
from state.sqlite_engine import create_sqlite_engine

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", String, unique=True))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    async for each in opened_engine(tmp_path / "one.db"):
        yield each


@pytest.fixture
async def other_engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    async for each in opened_engine(tmp_path / "other.db"):
        yield each


async def opened_engine(file: Path, busy_ms: int = 60_000) -> AsyncIterator[AsyncEngine]:
    engine = create_sqlite_engine(make_url(f"sqlite:///{file}"), 1, busy_ms=busy_ms)
    async with engine.begin() as connection:
        await connection.run_sync(things.metadata.create_all)
        await connection.execute(insert(things), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    yield engine
    await engine.dispose()


@pytest.fixture
def trips(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How often the thread of a connection was asked for something since the last call of this."""
    caplog.set_level(logging.DEBUG, "aiosqlite")

    def number() -> int:
        asked = sum(message.startswith("executing ") for message in caplog.messages)
        caplog.clear()
        return asked

    return number


async def test_what_waits_for_nobody_is_no_trip_to_the_thread_and_a_commit_is_one(
    engine: AsyncEngine, trips: Callable[[], int]
) -> None:
    trips()
    async with engine.connect() as connection:
        rows = (await connection.execute(select(things).order_by(things.c.id))).all()
    assert (trips(), rows) == (0, [(1, "one"), (2, "two")])
    async with engine.begin() as connection:
        await connection.execute(insert(things).values(name="three"))
    assert trips() == 1


async def test_whoever_has_to_wait_for_a_lock_keeps_nobody_else_from_going_on(
    engine: AsyncEngine, tmp_path: Path, trips: Callable[[], int]
) -> None:
    with closing(sqlite3.connect(tmp_path / "one.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        waiting = asyncio.create_task(names(engine))
        assert not (await asyncio.wait([waiting], timeout=0.05))[0]
        other.execute("UPDATE things SET name = 'uno' WHERE id = 1")
        other.execute("COMMIT")
    assert (await waiting, trips()) == (["uno", "two"], 1)


async def test_a_lock_is_waited_for_as_long_as_was_said(tmp_path: Path) -> None:
    async for engine in opened_engine(tmp_path / "one.db", busy_ms=1):
        with closing(sqlite3.connect(tmp_path / "one.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(OperationalError, match="database is locked"):
                await names(engine)
        assert await names(engine) == ["one", "two"]


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(things.c.name).order_by(things.c.id))).scalars())


async def test_a_statement_is_compiled_once_for_all_engines(engine: AsyncEngine, other_engine: AsyncEngine) -> None:
    def look(connection: Connection, name: str) -> tuple[str, int]:
        result = connection.execute(select(things.c.id).where(things.c.name == name).limit(7))
        return result.context.cache_hit.name, result.scalar_one()

    found = []
    for each in (engine, other_engine):
        for name in ("one", "two"):
            async with each.connect() as connection:
                found.append(await connection.run_sync(partial(look, name=name)))
    assert found == [("CACHE_MISS", 1), ("CACHE_HIT", 2), ("CACHE_HIT", 1), ("CACHE_HIT", 2)]


async def test_a_change_tells_how_many_rows_it_changed(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await connection.execute_and_count(update(things).values(id=things.c.id + 10)) == 2


async def test_an_insert_returns_what_it_is_asked_for_and_the_id_without_being_asked(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        returned = await connection.execute(insert(things).values(name="three").returning(things.c.id, things.c.name))
        assert returned.all() == [(3, "three")]
        added = insert(things).values(name="four")
        assert await connection.run_sync(lambda sync: sync.execute(added).inserted_primary_key) == (4,)


async def test_a_statement_that_fails_leaves_a_connection_that_works(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.execute(insert(things).values(name="one"))
        await connection.run_sync(Connection.rollback)
        assert await connection.scalar(select(things.c.name).where(things.c.id == 1)) == "one"


async def test_many_that_open_a_new_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """SQLite refuses at once, whatever the time to wait, one of two that make a file a WAL: about every fourth time."""

    async def connect(engine: AsyncEngine) -> None:
        async with engine.connect():
            pass

    for number in range(20):
        url = make_url(f"sqlite:///{tmp_path}/{number}.db")
        engines = [create_sqlite_engine(url, 1, pragmas=("journal_mode=WAL",)) for _ in range(6)]
        await asyncio.gather(*map(connect, engines))
        for engine in engines:
            await engine.dispose()
