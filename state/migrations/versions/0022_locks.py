"""Two locks instead of one: of the commands, and of the controllers.

The table has another name, so that a process of an earlier version that goes on beside finds no lock any more, and
writes nothing. Nobody has a lock at this moment: a state is brought up to date only then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.drop_table("lock")
    op.create_table(
        "locks",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_locks"),
    )
