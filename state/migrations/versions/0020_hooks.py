"""Rules and webhook consumers of the account, and which deliveries were proven by which key."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "hooks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("declared", sa.JSON, nullable=False),
        sa.Column("known_ids", sa.JSON, nullable=False),
        sa.Column("begun_at", instant, nullable=False),
        sa.Column("remote_id", sa.String),
        sa.Column("replaced_at", instant),
        sa.Column("gone_at", instant),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
    )
    op.create_table(
        "proven_deliveries",
        sa.Column("event", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("first_at", instant, nullable=False),
        sa.Column("last_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("event", "source", "key_id", name="pk_proven_deliveries"),
    )
