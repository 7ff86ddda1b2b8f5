"""What `sync` has switched off to synchronise by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "manual_syncs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("company_id", sa.String, nullable=False),
        sa.Column("was_enabled", sa.Boolean, nullable=False),
        sa.Column("previous_sync", sa.String),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_manual_syncs"),
    )
    op.create_index("ix_manual_syncs_closed_at", "manual_syncs", ["closed_at"])
