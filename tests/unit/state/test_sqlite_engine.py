"""The engine for SQLite: what a statement costs, and that it answers as SQLAlchemy's own does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, make_url, select, update
from sqlalchemy.exc import IntegrityError

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


async def opened_engine(file: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_sqlite_engine(make_url(f"sqlite:///{file}"), 1)
    async with engine.begin() as connection:
        await connection.run_sync(things.metadata.create_all)
        await connection.execute(insert(things), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    yield engine
    await engine.dispose()


async def test_a_statement_is_one_trip_to_the_thread(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = []
    execute: Callable[..., Any] = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: Any, *arguments: Any, **more: Any) -> Any:
        trips.append(function)
        return await execute(self, function, *arguments, **more)

    async with engine.connect() as connection:
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        rows = (await connection.execute(select(things).order_by(things.c.id))).all()
        assert (len(trips), rows) == (1, [(1, "one"), (2, "two")])


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
