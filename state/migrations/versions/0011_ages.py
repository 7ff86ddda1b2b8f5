"""What goes by age is found without reading the rest."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_index("ix_occurrences_gone_at", "occurrences", ["gone_at"])
