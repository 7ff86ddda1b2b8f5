"""Creates have a name of their own at the service and a first look in vain; a lock that was ended leaves a trace."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("intents", sa.Column("key", sa.String))
    op.add_column("intents", sa.Column("missed_at", sa.DateTime(timezone=True)))
    op.add_column("lock", sa.Column("ended_at", sa.DateTime(timezone=True)))
