"""How the processes of one state share the requests that Codat takes in a minute."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "budget_shares",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("granted", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budget_shares"),
    )
