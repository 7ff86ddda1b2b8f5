"""The indexes over some rows of a table only.

Apart from `tables.py`, because each names both dialects and so loads both: PostgreSQL's even for a state in a file.
Whoever compares the tables with those of a database takes `complete_metadata`.
"""

from __future__ import annotations

from sqlalchemy import Index

from state.tables import merchants, metadata, occurrences

# Rows that a migration found sharing a company keep it until somebody decides, and no new row may.
Index(
    "uq_merchants_company_id",
    merchants.c.company_id,
    unique=True,
    sqlite_where=merchants.c.contested.is_(None),
    postgresql_where=merchants.c.contested.is_(None),
)

# The same finding may come many times, but only one occurrence of it is open at a time.
Index(
    "uq_occurrences_open",
    occurrences.c.merchant,
    occurrences.c.code,
    occurrences.c.field,
    unique=True,
    sqlite_where=occurrences.c.gone_at.is_(None),
    postgresql_where=occurrences.c.gone_at.is_(None),
)

Index(
    "ix_occurrences_told",
    occurrences.c.told,
    sqlite_where=occurrences.c.told != "",
    postgresql_where=occurrences.c.told != "",
)

complete_metadata = metadata
"""The tables with all their indexes."""
