"""Alembic's entry: runs the steps on the connection that `migrations.upgrade` hands over."""

from alembic import context

from state.migrations import VERSION_TABLE
from state.partial_indexes import complete_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=complete_metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
