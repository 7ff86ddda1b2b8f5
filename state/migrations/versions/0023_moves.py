"""The values that an open finding came to have after the first."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("occurrences", sa.Column("moves", sa.JSON(none_as_null=True)))
