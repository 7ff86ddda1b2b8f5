"""The latest sync of each merchant, as last read from Codat. A cache: may be lost at any time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.findings import MAX_MERCHANTS_IN_QUERY
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

    async def save_if_newer(self, rows: Iterable[LastSyncRow], *, believed_until: datetime | None = None) -> None:
        """Replace the rows of these merchants, but for what was read later than they.

        believed_until  a row that was read later than this comes from a clock that was wrong, and is replaced all the
                        same; None = none does
        """
        by_merchant = {row.merchant: row for row in rows}
        if not by_merchant:
            return
        query = select(syncs.c.merchant, syncs.c.read_at)
        if len(by_merchant) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(syncs.c.merchant.in_(by_merchant))
        async with self._database.writing() as transaction:
            for merchant, read_at in await transaction.execute(query):
                is_believed = believed_until is None or read_at <= believed_until
                if merchant in by_merchant and is_believed and read_at > by_merchant[merchant].read_at:
                    del by_merchant[merchant]
            await upsert(transaction, syncs, [asdict(row) for row in by_merchant.values()])

    async def load(self, *, merchants: Collection[str] | None = None) -> dict[str, LastSyncRow]:
        """By merchant (None: all) its latest sync; there may be those of others."""
        query = select(*(syncs.c[name] for name in LastSyncRow.__dataclass_fields__))
        if merchants is not None and len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(syncs.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            return {row.merchant: LastSyncRow(*row) for row in await transaction.execute(query)}
