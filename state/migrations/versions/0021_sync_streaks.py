"""Since when a merchant's syncs have failed in a row, and when the last one succeeded."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("syncs", sa.Column("failing_since", sa.DateTime(timezone=True)))
    op.add_column("syncs", sa.Column("last_success_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE syncs SET failing_since = coalesce(ran_at, since) WHERE code >= 4000 AND code < 6000")
    op.execute("UPDATE syncs SET last_success_at = coalesce(ran_at, since) WHERE code >= 2000 AND code < 3000")
