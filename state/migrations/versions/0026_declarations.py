"""What was declared of each merchant last, and which merchants came and went with one change of the manifests."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "declarations",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("file", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.Column("first_file", sa.String, nullable=False),
        sa.Column("first_digest", sa.String, nullable=False),
        sa.Column("came", sa.Integer, nullable=False),
        sa.Column("went", sa.Integer),
        sa.Column("released", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_declarations"),
    )
    op.create_index("ix_declarations_came", "declarations", ["came"])
    op.create_index("ix_declarations_went", "declarations", ["went"])
    op.create_table(
        "declared_fleet",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_declared_fleet"),
    )
