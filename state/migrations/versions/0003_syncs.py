"""How each merchant's latest sync stood."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "syncs",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True)),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_syncs"),
    )
