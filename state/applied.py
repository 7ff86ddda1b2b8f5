"""The last applied values of each merchant: the third side of the three-way comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from state.database import Database, upsert
from state.tables import applied


@dataclass(frozen=True, slots=True)
class AppliedRow:
    """Every managed field of a merchant as JSON value by field path, and its deletion policy, as of `at`."""

    merchant: str
    fields: Mapping[str, Any]
    deletion: str
    at: datetime


class AppliedValues:
    """The last applied values of all merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, merchant: str, fields: Mapping[str, Any], *, deletion: str, at: datetime) -> None:
        """Replace all last applied values of one merchant (JSON by field path), and its `deletion` policy."""
        await self.save_many([AppliedRow(merchant, fields, deletion, at)])

    async def save_many(self, rows: Iterable[AppliedRow]) -> None:
        """Replace all last applied values of each merchant named, in one transaction."""
        columns = [
            {"merchant": row.merchant, "fields": dict(row.fields), "deletion": row.deletion, "at": row.at}
            for row in rows
        ]
        async with self._database.writing() as transaction:
            await upsert(transaction, applied, columns)
