"""Who is to be looked at, and when: what stood in the memory of one process, or in a queue beside the state.

What was there is not taken over: every process looks at everyone when it starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "due",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("lane", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String),
        sa.Column("taken_lane", sa.Integer),
        sa.PrimaryKeyConstraint("key", name="pk_due"),
    )
    op.create_index("ix_due_due_at", "due", ["due_at"])
    op.create_index("ix_due_taken_by", "due", ["taken_by"])
    op.create_table(
        "due_takers",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_due_takers"),
    )
