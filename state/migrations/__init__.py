"""How the tables came to be: one step per file in `versions/`, run when the state is opened.

Here: Alembic's environment and the steps. Never here: a step that drops what somebody may still need; steps go
forward only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from state.errors import StateUnusable
from state.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
"""The newest step: a state that stands there costs one query to open, and no Alembic."""

VERSION_TABLE = "state_version"

_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String))


def is_current(connection: Connection) -> bool:
    return step_of(connection) == HEAD


def upgrade(connection: Connection) -> None:
    """Bring the database to HEAD, inside the caller's transaction. Raises StateUnusable."""
    found = step_of(connection)
    if found != HEAD:
        _refuse_what_is_not_ours(found)
        _run_steps(connection)


def script() -> Config:
    """Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def step_of(connection: Connection) -> str | None:
    """The step that a database stands at; None for an empty one. Raises StateUnusable where it is somebody else's."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        return connection.scalar(select(_version.c.version_num))
    if tables & set(metadata.tables):
        raise StateUnusable(
            f"the database holds tables of somebody else's ({', '.join(sorted(tables & set(metadata.tables)))}). "
            "Name a place of its own with MERCHANTCTL_STATE."
        )
    return None


def _refuse_what_is_not_ours(found: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {step.revision for step in ScriptDirectory.from_config(script()).walk_revisions()}
    if found is not None and found not in known:
        raise StateUnusable(
            f"the state was written by a newer merchantctl (step {found}; this version knows steps up to {HEAD}). "
            "Use that version, or name another place with MERCHANTCTL_STATE. Nothing was changed."
        )


def _run_steps(connection: Connection) -> None:
    from alembic import command

    config = script()
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
