"""States as an earlier version left them: made by the migrations up to a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, make_url

from state import migrations
from state.database import open_existing_database_as_is


def steps_up_to(last: str) -> Callable[[Connection], None]:
    """Makes the tables of that step in an empty database."""

    def run_steps(connection: Connection) -> None:
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, last)

    return run_steps


async def make_older_state(url: str, step: str, fill: Callable[[Connection], object]) -> None:
    """A state of that step, with the rows that `fill` puts in."""
    if url.startswith("sqlite"):
        _make_empty_file(Path(str(make_url(url).database)))
    async with open_existing_database_as_is(url) as database:
        assert database
        async with database.writing() as connection:
            await connection.run_sync(steps_up_to(step))
            await connection.run_sync(fill)


def _make_empty_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
