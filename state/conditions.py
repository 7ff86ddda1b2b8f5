"""Since when each condition of a merchant has its status: one row a merchant, written only when a status changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from state.database import Database, upsert
from state.findings import MAX_MERCHANTS_IN_QUERY
from state.tables import conditions


@dataclass(frozen=True, slots=True)
class ConditionsRow:
    """The conditions of one merchant.

    standing  the statuses of all of them, in the caller's spelling
    since     by condition type the instant of its last change, as text
    """

    merchant: str
    standing: str
    since: Mapping[str, str]


class Conditions:
    """The conditions of all merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_statuses(self, merchants: Collection[str] | None = None) -> dict[str, str]:
        """By merchant (None: of all) the recorded statuses, in the caller's spelling."""
        query = select(conditions.c.merchant, conditions.c.standing)
        if merchants is not None and len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(conditions.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            return {row.merchant: row.standing for row in await transaction.execute(query)}

    async def load(self, merchants: Collection[str]) -> dict[str, ConditionsRow]:
        """By merchant its recorded conditions; there may be those of others too."""
        query = select(conditions.c.merchant, conditions.c.standing, conditions.c.since)
        if len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(conditions.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            return {row.merchant: ConditionsRow(*row) for row in await transaction.execute(query)}

    async def save(self, changed: Iterable[ConditionsRow]) -> None:
        """Replace the conditions of these merchants."""
        columns = [{"merchant": row.merchant, "standing": row.standing, "since": dict(row.since)} for row in changed]
        if columns:
            async with self._database.writing() as transaction:
                await upsert(transaction, conditions, columns)
