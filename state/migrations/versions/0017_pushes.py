"""What was pushed to each company, and who may push to it at this moment."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("company_id", sa.String, nullable=False),
        sa.Column("data_type", sa.String, nullable=False),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON),
        sa.Column("dataset_id", sa.String),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_uploads_company_id", "uploads", ["company_id"])
    op.create_index("ix_uploads_closed_at", "uploads", ["closed_at"])
    op.create_table(
        "pushed_records",
        sa.Column("company_id", sa.String, nullable=False),
        sa.Column("data_type", sa.String, nullable=False),
        sa.Column("record_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("upload_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "data_type", "record_id", "kind", name="pk_pushed_records"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "upload_leases",
        sa.Column("company_id", sa.String, nullable=False),
        sa.Column("data_type", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "data_type", name="pk_upload_leases"),
    )
