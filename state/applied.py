"""What we last set on each merchant: the third leg of the three-way comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from state.database import Database, upsert
from state.tables import applied


@dataclass(frozen=True, slots=True)
class Applied:
    """Every field we hold a merchant to, as JSON values by field path, and its deletion policy at that moment."""

    merchant: str
    fields: Mapping[str, Any]
    deletion: str
    at: datetime


async def record_applied(database: Database, rows: Iterable[Applied]) -> None:
    """Replace the whole map of each merchant named, in one transaction."""
    async with database.writing() as transaction:
        await upsert(transaction, applied, [_columns(row) for row in rows])


def _columns(row: Applied) -> dict[str, Any]:
    return {"merchant": row.merchant, "fields": dict(row.fields), "deletion": row.deletion, "at": row.at}
