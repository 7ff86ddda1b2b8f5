"""What a failed sync was about; since when a merchant's manifest is gone under `deletion: Retain`."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("syncs", sa.Column("detail", sa.String))
    op.add_column("merchants", sa.Column("left_at", sa.DateTime(timezone=True)))
