"""The steps and the tables say the same."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from state import migrations, open_state
from state.database import open_database
from state.tables import metadata


async def test_the_steps_make_exactly_the_tables_that_the_code_knows(url):
    async with open_database(url) as database, database.reading() as connection:
        assert await connection.run_sync(differences) == []


def differences(connection: Connection) -> list[object]:
    options = {"version_table": migrations.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def test_head_is_the_last_step_and_the_only_last_step():
    assert ScriptDirectory.from_config(migrations.script()).get_heads() == [migrations.HEAD]


async def test_a_state_that_is_up_to_date_is_opened_without_alembic(url, monkeypatch):
    async with open_state(url):
        pass
    monkeypatch.setattr(migrations, "_run_steps", lambda connection: 1 / 0)
    async with open_state(url) as store:
        assert await store.recall() == {}


async def test_half_a_migration_is_no_migration(url, monkeypatch):
    """Killed between two tables: the next opening starts from nothing, not from half."""
    from alembic import op

    made, create = [], op.create_table

    def create_four(name: str, *columns: object) -> object:
        made.append(name)
        return create(name, *columns) if len(made) < 4 else 1 / 0

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", create_four)
        try:
            async with open_state(url):
                raise AssertionError("opened")
        except ZeroDivisionError:
            pass
    async with open_state(url) as store:
        assert await store.recall() == {}
