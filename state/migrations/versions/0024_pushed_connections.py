"""The connections that pushed records were sent beside: with one of them they are gone at Codat."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "pushed_connections",
        sa.Column("company_id", sa.String, nullable=False),
        sa.Column("connection_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "connection_id", name="pk_pushed_connections"),
        sqlite_with_rowid=False,
    )
