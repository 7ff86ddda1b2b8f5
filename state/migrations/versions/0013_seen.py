"""How each merchant stood at the last look at it, which controllers work, and how the fleet stood when."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "seen",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_seen"),
    )
    op.create_index("ix_seen_seen_at", "seen", ["seen_at"])
    op.create_table(
        "seen_fleet",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seen_fleet"),
    )
    op.create_table(
        "controllers",
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("report_only", sa.Boolean, nullable=False),
        sa.Column("failure", sa.String),
        sa.PrimaryKeyConstraint("host", "pid", "started", name="pk_controllers"),
    )
    op.create_table(
        "samples",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("at", name="pk_samples"),
    )
