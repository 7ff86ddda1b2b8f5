"""Connections to be awaited: what is in the pool after a block ended well, raised, or was cancelled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, insert, select, text

from state.async_engine import AsyncEngine

SOURCE = Path(__file__).parents[3]
NUMBERS = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """With one connection, and a table of numbers with nothing in it."""
    engine = AsyncEngine(create_engine(f"sqlite+aiosqlite:///{tmp_path}/numbers.db", pool_size=1, max_overflow=0))
    async with engine.begin() as connection:
        await connection.run_sync(NUMBERS.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
def opened(engine: AsyncEngine) -> list[object]:
    """The connections to the file that are made from now on."""
    made: list[object] = []
    event.listen(engine.sync_engine, "connect", lambda connection, _: made.append(connection))
    return made


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return len((await connection.execute(select(NUMBERS))).all())


async def write_and_fail(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(NUMBERS), {"number": 3})
        raise ZeroDivisionError


async def test_what_a_block_wrote_is_there_when_it_ends_and_gone_when_it_raises(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(NUMBERS), [{"number": 1}, {"number": 2}])
    with pytest.raises(ZeroDivisionError):
        await write_and_fail(engine)
    assert await count(engine) == 2


async def test_rows_can_be_read_when_their_connection_is_closed(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        added = await connection.execute(insert(NUMBERS).returning(NUMBERS.c.number), {"number": 7})
        assert await connection.execute_and_count(NUMBERS.delete()) == 1
    assert added.scalar_one() == 7


async def test_who_is_cancelled_as_a_connection_closes_hears_of_it_once_it_is_back(
    engine: AsyncEngine, opened: list[object]
) -> None:
    async def look() -> None:
        async with engine.connect() as connection:
            await connection.execute(select(NUMBERS))
            task = asyncio.current_task()
            assert task
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(look())
    assert await count(engine) == 0
    assert not opened, "the one connection is as good as it was"


async def test_who_is_cancelled_in_a_statement_leaves_nothing_written_and_a_pool_that_goes_on(
    engine: AsyncEngine,
) -> None:
    slow = text(
        "INSERT INTO numbers SELECT max(n) FROM (WITH RECURSIVE up(n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 300000) SELECT n FROM up)"
    )

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(slow)

    task = asyncio.create_task(write())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(engine) == 0


def test_a_state_on_sqlite_loads_neither_the_orm_nor_the_words_of_postgresql(tmp_path: Path) -> None:
    """Both take as long to load as a whole `plan` may."""
    program = f"""
import asyncio, sys
from state import open_state
async def main():
    async with open_state("sqlite:///{tmp_path}/state.db") as store:
        await store.bindings.bind_company("acme", company_id="c", company_name="n")
asyncio.run(main())
print(*sys.modules)
"""
    for _ in ("made, with Alembic", "opened as it is"):
        ended = subprocess.run([sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "sqlalchemy.dialects.sqlite.aiosqlite" in loaded
    unused = {"sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.dialects.postgresql", "alembic"}
    assert loaded & unused == set()
