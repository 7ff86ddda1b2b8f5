"""Schema migrations, run when a state is opened: a new state gets the tables of `state.tables`, an older one the steps
that it lacks, one per file in `versions/`. A test asserts that both end in the same schema.

Here: Alembic's environment and the steps. Never here: a step back, or one that drops what may still be needed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select, text

from state.errors import StateUnusable
from state.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0026"
"""The newest step. A state at this step is opened with one query, without importing Alembic."""

VERSION_TABLE = "state_version"

_version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""As Alembic creates it."""


_HAS_VERSION = {
    "sqlite": text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table"),
    "postgresql": text("SELECT 1 WHERE to_regclass(CAST(:table AS text)) IS NOT NULL"),
}
_VERSION = select(_version.c.version_num)


def is_current(connection: Connection) -> bool:
    """Asked each time that a state is opened: without listing its tables."""
    has_version = connection.scalar(_HAS_VERSION[connection.dialect.name], {"table": VERSION_TABLE})
    return bool(has_version) and connection.scalar(_VERSION) == HEAD


def upgrade(connection: Connection) -> None:
    """Migrate the database to HEAD, inside the caller's transaction. Raises StateUnusable."""
    current = schema_step_of(connection)
    if current == HEAD:
        return
    if current is None:
        # A dozen steps over tables that hold nothing, and importing Alembic, would take longer than the first plan.
        for statement in _statements_for_a_new_state(connection.dialect.name):
            connection.exec_driver_sql(statement)
        connection.execute(insert(_version).values(version_num=HEAD))
        return
    # Imported here: Alembic takes long to import, and an up-to-date state does not need it.
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config()
    known_steps = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if current not in known_steps:
        raise StateUnusable(
            f"the state was written by a newer merchantctl (step {current}; this version knows steps up to {HEAD}). "
            "Use that version, or name another place with MERCHANTCTL_STATE. Nothing was changed."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


@cache
def _statements_for_a_new_state(dialect: str) -> tuple[str, ...]:
    from sqlalchemy import create_mock_engine

    from state.partial_indexes import complete_metadata

    statements: list[str] = []

    def note(element: Any, *_: object, **__: object) -> None:
        statements.append(str(element.compile(dialect=engine.dialect)))

    engine = create_mock_engine(f"{dialect}://", note)
    complete_metadata.create_all(engine, checkfirst=False)
    _version.create(engine, checkfirst=False)
    return tuple(statements)


def alembic_config() -> Config:
    """Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def schema_step_of(connection: Connection) -> str | None:
    """The step of a database; None for an empty one. Raises StateUnusable where its tables are not merchantctl's."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        return connection.scalar(_VERSION)
    # Tables of our names without our version table: creating ours would fail halfway, or mix with another program's.
    same_names = tables & set(metadata.tables)
    if same_names:
        raise StateUnusable(
            f"the database holds tables of somebody else's ({', '.join(sorted(same_names))}). "
            "Name a place of its own with MERCHANTCTL_STATE."
        )
    return None
