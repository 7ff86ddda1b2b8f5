"""Whether a person had confirmed the changes that a run made. Of earlier ones nobody knows: they go on counting."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("writes", sa.Column("confirmed", sa.Boolean, nullable=False, server_default=sa.false()))
