"""How each merchant's latest sync stood when it was last read. Read anew by and by; may be lost at any time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import syncs


@dataclass(frozen=True, slots=True)
class SyncRow:
    """One merchant's latest sync.

    code     the service's own word for how it went; None = there was no sync yet
    ran_at   when it ran, as far as the service says
    since    when it, or that there was none, was read first
    read_at  when it was read last
    """

    merchant: str
    code: int | None
    message: str
    ran_at: datetime | None
    since: datetime
    read_at: datetime


async def note(database: Database, rows: Iterable[SyncRow]) -> None:
    """These take the place of what was read before."""
    columns = [asdict(row) for row in rows]
    if columns:
        async with database.writing() as transaction:
            await upsert(transaction, syncs, columns)


async def of_all(database: Database) -> dict[str, SyncRow]:
    """By merchant."""
    async with database.reading() as transaction:
        rows = await transaction.execute(select(*(syncs.c[name] for name in SyncRow.__dataclass_fields__)))
        return {row.merchant: SyncRow(*row) for row in rows}
