"""What was announced and still stands; since when each condition of a merchant is as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "told",
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("identity", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "identity", name="pk_told"),
    )
    op.create_table(
        "conditions",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("standing", sa.String, nullable=False),
        sa.Column("since", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_conditions"),
    )
