"""The latest sync of each merchant, as last read from Codat. A cache: may be lost at any time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import syncs


@dataclass(frozen=True, slots=True)
class LastSyncRow:
    """One merchant's latest sync.

    code     Codat's code for its outcome; None = there was no sync yet
    ran_at   when it ran, as far as Codat says
    since    when this sync, or that there was none, was read first
    read_at  when it was read last
    detail   what only Codat's raw message said; None where it said no more
    failing_since    when the first of the failed ones in a row ran; None where the last that ended succeeded
    last_success_at  when the last that was read as a success ran
    """

    merchant: str
    code: int | None
    message: str
    ran_at: datetime | None
    since: datetime
    read_at: datetime
    detail: str | None = None
    failing_since: datetime | None = None
    last_success_at: datetime | None = None


class LastSyncs:
    """The latest sync of each merchant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, rows: Iterable[LastSyncRow]) -> None:
        """Replace the rows of these merchants."""
        columns = [asdict(row) for row in rows]
        if columns:
            async with self._database.writing() as transaction:
                await upsert(transaction, syncs, columns)

    async def load(self) -> dict[str, LastSyncRow]:
        """By merchant its latest sync."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(*(syncs.c[name] for name in LastSyncRow.__dataclass_fields__)))
            return {row.merchant: LastSyncRow(*row) for row in rows}
