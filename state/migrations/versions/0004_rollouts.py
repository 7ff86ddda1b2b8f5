"""Bulk changes in waves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terms", sa.JSON, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("soak_until", sa.DateTime(timezone=True)),
        sa.Column("owner", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("ix_rollouts_name", "rollouts", ["name"], unique=True)
    op.create_table(
        "rollout_merchants",
        sa.Column("rollout_id", sa.Integer, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("changed", sa.JSON, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "merchant", name="pk_rollout_merchants"),
    )
    op.create_index("ix_rollout_merchants_merchant", "rollout_merchants", ["merchant"])
    op.create_index("ix_rollout_merchants_held", "rollout_merchants", ["held"])
