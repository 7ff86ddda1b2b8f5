"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _who()
    _ledgers()
    _runs()
    _standing()


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _who() -> None:
    op.create_table(
        "merchants",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("company_id", sa.String),
        sa.Column("company_name", sa.String),
        sa.Column("connection_id", sa.String),
        sa.Column("configured_at", _instant()),
        sa.Column("retired_at", _instant()),
        sa.PrimaryKeyConstraint("merchant", name="pk_merchants"),
    )
    op.create_table(
        "applied",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("deletion", sa.String, nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_applied"),
    )


def _ledgers() -> None:
    op.create_table(
        "intents",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("company_id", sa.String),
        sa.Column("platform", sa.String),
        sa.Column("begun_at", _instant(), nullable=False),
        sa.Column("closed_at", _instant()),
        sa.Column("outcome", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
    )
    op.create_index("ix_intents_closed_at", "intents", ["closed_at"])
    op.create_table(
        "findings",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("first_seen", _instant(), nullable=False),
        sa.Column("last_seen", _instant(), nullable=False),
        sa.Column("cleared_at", _instant()),
        sa.PrimaryKeyConstraint("merchant", "code", "field", name="pk_findings"),
    )
    op.create_index("ix_findings_cleared_at", "findings", ["cleared_at"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("ended_at", _instant()),
        sa.Column("exit_code", sa.Integer),
        sa.Column("summary", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_merchant", "events", ["merchant"])
    op.create_table(
        "writes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("change_class", sa.String, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_writes"),
    )
    op.create_index("ix_writes_at", "writes", ["at"])


def _standing() -> None:
    op.create_table(
        "quarantine",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("until", _instant()),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_quarantine"),
    )
    op.create_table(
        "verdicts",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_verdicts"),
    )
    op.create_table(
        "lock",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("since", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lock"),
    )
