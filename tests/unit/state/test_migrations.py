"""A new state and one that was brought there step by step are the same; half of either is nothing."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, insert, inspect, select

from state import migrations, open_state
from state.database import Database, open_existing_database_as_is
from state.errors import StateUnusable
from state.partial_indexes import complete_metadata
from state.tables import inbox, syncs
from tests.postgresql import empty_schema
from tests.unit.state.older_states import steps_up_to


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database in which nothing was made yet."""
    if request.param == "sqlite":
        (tmp_path / "empty.db").touch()
        async with open_existing_database_as_is(f"sqlite:///{tmp_path}/empty.db") as database:
            assert database
            yield database
        return
    with empty_schema(request.getfixturevalue("postgresql")) as url:
        async with open_existing_database_as_is(url) as database:
            assert database
            yield database


def structure(connection: Connection) -> dict[str, Any]:
    """By table all that makes it what it is, whichever order its parts were made in."""
    inspector = inspect(connection)
    return {
        name: {
            "columns": {each["name"]: in_words(each) for each in inspector.get_columns(name)},
            "key": inspector.get_pk_constraint(name),
            "indexes": {each["name"]: in_words(each) for each in inspector.get_indexes(name)},
            "constraints": [
                inspector.get_unique_constraints(name),
                inspector.get_check_constraints(name),
                inspector.get_foreign_keys(name),
            ],
        }
        for name in inspector.get_table_names()
    }


def in_words(part: Any) -> Any:
    """Types and clauses are compared by their text, in which SQLite keeps `<>` or `!=` as it was written."""
    if isinstance(part, Mapping):
        return {key: in_words(value) for key, value in part.items()}
    return str(part).replace("<>", "!=")


def differences(connection: Connection) -> list[object]:
    options = {"version_table": migrations.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), complete_metadata)


async def test_the_steps_make_exactly_the_tables_that_the_code_knows(empty: Database) -> None:
    async with empty.writing() as connection:
        await connection.run_sync(steps_up_to(migrations.HEAD))
        assert await connection.run_sync(differences) == []


class Undo(Exception):
    """Ends a transaction that is not to be kept."""


async def test_a_new_state_is_the_same_as_one_that_came_step_by_step(empty: Database) -> None:
    structures = []
    for make in (steps_up_to(migrations.HEAD), migrations.upgrade):
        with suppress(Undo):
            async with empty.writing() as connection:
                await connection.run_sync(make)
                structures.append(await connection.run_sync(structure))
                assert await connection.run_sync(migrations.schema_step_of) == migrations.HEAD
                raise Undo
    by_steps, at_once = structures
    assert by_steps.keys() >= {migrations.VERSION_TABLE, "merchants"}
    assert at_once == by_steps


def test_head_is_the_last_step_and_the_only_last_step() -> None:
    assert ScriptDirectory.from_config(migrations.alembic_config()).get_heads() == [migrations.HEAD]


async def test_a_state_that_is_new_or_up_to_date_is_opened_without_alembic(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, migrations.alembic_config.__name__, lambda: 1 / 0)
    for _ in range(2):
        async with open_state(url) as store:
            assert await store.records.load() == {}


@pytest.mark.parametrize("step", ["0001", "0005"])
async def test_an_older_state_is_brought_up_to_date(empty: Database, step: str) -> None:
    async with empty.writing() as connection:
        await connection.run_sync(steps_up_to(step))
    async with empty.writing() as connection:
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(differences) == []


@pytest.mark.waits
async def test_a_state_on_which_an_earlier_version_is_at_work_is_left_as_it_is(tmp_path: Path) -> None:
    """Its run holds the one lock that there was; once that has ended, the state is brought up to date."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    (tmp_path / "state.db").touch()
    async with open_existing_database_as_is(url) as database:
        assert database is not None
        async with database.writing() as connection:
            await connection.run_sync(steps_up_to("0021"))
    with (tmp_path / "state.db.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StateUnusable, match="earlier version of merchantctl, which is at work on it"):
            async with open_state(url):
                pass
    async with open_state(url) as store:
        assert await store.lock.load_holder() is None


@pytest.mark.waits
async def test_a_shared_state_on_which_an_earlier_version_is_at_work_is_left_as_it_is(postgresql: str) -> None:
    """There the lock is one of the connection that its run has."""
    with empty_schema(postgresql) as url:
        async with open_existing_database_as_is(url) as earlier:
            assert earlier is not None
            async with earlier.writing() as connection:
                await connection.run_sync(steps_up_to("0021"))
            async with earlier.writing():
                assert await earlier.earlier_claim.take()
            with pytest.raises(StateUnusable, match="earlier version of merchantctl, which is at work on it"):
                async with open_state(url):
                    pass
            await earlier.earlier_claim.give_back()
        async with open_state(url) as store:
            assert await store.lock.load_holder() is None


async def test_half_a_migration_is_no_migration(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two tables: the next opening starts from where it stood, not from half."""
    from alembic import op

    made, create = [], op.create_table

    def create_two(name: str, *columns: Any) -> Any:
        made.append(name)
        return create(name, *columns) if len(made) < 3 else 1 / 0

    async with empty.writing() as connection:
        await connection.run_sync(steps_up_to("0003"))
    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", create_two)
        with pytest.raises(ZeroDivisionError):
            async with empty.writing() as connection:
                await connection.run_sync(migrations.upgrade)
    async with empty.writing() as connection:
        assert await connection.run_sync(migrations.schema_step_of) == "0003"
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(differences) == []


async def test_half_of_a_new_state_is_none(url: str) -> None:
    """Killed between two tables: the next opening starts from nothing."""

    def fail(_connection: object, _cursor: object, statement: str, *rest: object) -> None:
        if f"CREATE TABLE {inbox.name}" in statement:
            raise ZeroDivisionError

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(ZeroDivisionError):
            async with open_state(url):
                pass
    finally:
        event.remove(Engine, "before_cursor_execute", fail)
    async with open_state(url) as store:
        assert await store.records.load() == {}


async def test_what_was_read_of_syncs_before_says_who_fails_and_who_was_booked_last(empty: Database) -> None:
    """The rows of an older version know one sync each: that is where a row of failures begins, or the last success."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    codes = {"booked": 2000, "failed": 4000, "runs": 1000, "new": None}
    times = {"since": noon, "read_at": noon}
    rows = [{"merchant": name, "code": code, "message": "", "ran_at": code and noon} for name, code in codes.items()]
    async with empty.writing() as connection:
        await connection.run_sync(steps_up_to("0020"))
        await connection.execute(insert(syncs), [row | times for row in rows])
        await connection.run_sync(migrations.upgrade)
        query = select(syncs.c.merchant, syncs.c.failing_since, syncs.c.last_success_at)
        found = {name: kept for name, *kept in await connection.execute(query)}
    assert found == {"booked": [None, noon], "failed": [noon, None], "runs": [None, None], "new": [None, None]}
