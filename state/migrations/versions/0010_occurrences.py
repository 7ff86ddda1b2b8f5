"""Each time that a finding came and went, with its values and the runs that saw it; who a run was; what was told."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_CARRIED_OVER = """
INSERT INTO occurrences (merchant, code, field, found_at, last_seen, gone_at, told)
SELECT merchant, code, field, first_seen, last_seen, cleared_at, '' FROM findings ORDER BY first_seen, merchant
"""
"""An earlier version kept the last time alone, and of that neither values nor how it ended."""


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "occurrences",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("direction", sa.String),
        sa.Column("live", sa.JSON),
        sa.Column("wanted", sa.JSON),
        sa.Column("cause", sa.String),
        sa.Column("wish", sa.String),
        sa.Column("found_at", instant, nullable=False),
        sa.Column("found_run", sa.Integer),
        sa.Column("last_seen", instant, nullable=False),
        sa.Column("tried_run", sa.Integer),
        sa.Column("gone_at", instant),
        sa.Column("gone_run", sa.Integer),
        sa.Column("how", sa.String),
        sa.Column("now_wanted", sa.JSON),
        sa.Column("told", sa.String, nullable=False),
        sa.Column("told_from", instant),
        sa.PrimaryKeyConstraint("id", name="pk_occurrences"),
    )
    op.create_index("ix_occurrences_merchant", "occurrences", ["merchant"])
    op.create_index("ix_occurrences_found_at", "occurrences", ["found_at"])
    is_open = sa.text("gone_at IS NULL")
    op.create_index(
        "uq_occurrences_open",
        "occurrences",
        ["merchant", "code", "field"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    to_tell = sa.text("told <> ''")
    op.create_index("ix_occurrences_told", "occurrences", ["told"], sqlite_where=to_tell, postgresql_where=to_tell)
    op.execute(_CARRIED_OVER)
    op.drop_table("findings")
    for name in ("whose", "host", "revision"):
        op.add_column("runs", sa.Column(name, sa.String))
