"""One company for one merchant; what was renamed from what; the account that a state belongs to.

Older states may bind one company to several merchants. Nobody can know here whose it is, and a binding that is dropped
may be a company that is created a second time: all of them keep it and are marked, runs leave them alone and say so,
and `merchantctl state rm` of all but one ends it. Merchants that were taken down give up a company that lives on
elsewhere.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "renames",
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("renamed_from", sa.String, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant", name="pk_renames"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("base_url", sa.String, nullable=False),
        sa.Column("client_id", sa.String),
        sa.Column("key_hash", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.add_column("merchants", sa.Column("contested", sa.Boolean))
    _settle_companies()
    is_sure = sa.text("contested IS NULL")
    op.create_index(
        "uq_merchants_company_id",
        "merchants",
        ["company_id"],
        unique=True,
        sqlite_where=is_sure,
        postgresql_where=is_sure,
    )


def _settle_companies() -> None:
    merchants = sa.table(
        "merchants",
        sa.column("merchant", sa.String),
        sa.column("company_id", sa.String),
        sa.column("connection_id", sa.String),
        sa.column("retired_at", sa.DateTime(timezone=True)),
        sa.column("contested", sa.Boolean),
    )
    connection = op.get_bind()
    for company_id in _held_twice(connection, merchants):
        its = merchants.c.company_id == company_id
        rows = connection.execute(sa.select(merchants.c.merchant, merchants.c.retired_at).where(its)).all()
        alive = [name for name, retired_at in rows if retired_at is None]
        last = max(rows, key=lambda row: (row.retired_at is None, str(row.retired_at))).merchant
        kept = alive or [last]
        gives_up = its & merchants.c.merchant.not_in(kept)
        connection.execute(sa.update(merchants).where(gives_up).values(company_id=None, connection_id=None))
        if len(alive) > 1:
            connection.execute(sa.update(merchants).where(its).values(contested=True))


def _held_twice(connection: sa.Connection, merchants: sa.TableClause) -> list[str]:
    column = merchants.c.company_id
    query = sa.select(column).where(column.is_not(None)).group_by(column).having(sa.func.count() > 1)
    return list(connection.scalars(query))
