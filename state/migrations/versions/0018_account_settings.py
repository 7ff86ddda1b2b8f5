"""What was set last of the account's own settings, which are nobody's among the merchants."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "account_settings",
        sa.Column("path", sa.String, nullable=False),
        sa.Column("declared", sa.JSON(none_as_null=True)),
        sa.Column("stored", sa.JSON(none_as_null=True)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_account_settings"),
    )
