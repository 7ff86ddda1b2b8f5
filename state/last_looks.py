"""How each merchant stood at the last look at it, and the fleet as a whole. A cache: may be lost at any time.

Every process that works on the state writes here what it saw, so that whoever asks gets the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import bindparam, delete, select, update

from state.database import Database, upsert
from state.findings import MAX_MERCHANTS_IN_QUERY
from state.tables import seen, seen_fleet

ROWS_PER_TRANSACTION = 500
"""Rows written in one transaction: whoever else writes waits some milliseconds for it, and not for a whole fleet."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LastLookRow:
    """One merchant as of the look at it that began at `seen_at`. `plan` and `outcome` are in the caller's spelling."""

    merchant: str
    seen_at: datetime
    plan: str
    outcome: str

    def says_the_same_as(self, other: LastLookRow) -> bool:
        """Whether the two differ in nothing but their time."""
        return (self.plan, self.outcome) == (other.plan, other.outcome)


_ROW_COLUMNS = tuple(seen.c[name] for name in LastLookRow.__dataclass_fields__)


class LastLooks:
    """The last look at each merchant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_if_newer(self, rows: Iterable[LastLookRow], *, believed_until: datetime | None = None) -> None:
        """Replace the rows of these merchants, unless one says of a later look. What is unchanged is only dated.

        believed_until  a row that is dated later comes from a clock that was wrong, and is replaced all the same
        """
        for some in _batches(tuple(rows)):
            async with self._database.writing() as transaction:
                query = select(*_ROW_COLUMNS).where(seen.c.merchant.in_([row.merchant for row in some]))
                before = {row.merchant: LastLookRow(*row) for row in await transaction.execute(query)}
                kept = {
                    name
                    for name, seen_at in ((row.merchant, row.seen_at) for row in before.values())
                    if believed_until is None or seen_at <= believed_until
                }
                newer = [row for row in some if row.merchant not in kept or before[row.merchant].seen_at <= row.seen_at]
                dated = [row for row in newer if row.merchant in before and row.says_the_same_as(before[row.merchant])]
                changed = set(newer).difference(dated)
                await upsert(transaction, seen, [asdict(row) for row in sorted(changed, key=lambda row: row.merchant)])
                if dated:
                    statement = update(seen).where(seen.c.merchant == bindparam("name")).values(seen_at=bindparam("at"))
                    await transaction.execute(statement, [{"name": row.merchant, "at": row.seen_at} for row in dated])

    async def load(self, *, merchants: Collection[str] | None = None) -> list[LastLookRow]:
        """The rows of these merchants; None = all. There may be those of others."""
        query = select(*_ROW_COLUMNS).order_by(seen.c.merchant)
        if merchants is not None and len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(seen.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            return [LastLookRow(*row) for row in await transaction.execute(query)]

    async def load_times(self, *, since: datetime | None = None) -> dict[str, datetime]:
        """By merchant when the last look at it began; of looks at or after that instant."""
        query = select(seen.c.merchant, seen.c.seen_at)
        if since is not None:
            query = query.where(seen.c.seen_at >= since)
        async with self._database.reading() as transaction:
            return {row.merchant: row.seen_at for row in await transaction.execute(query)}

    async def delete(self, merchants: Iterable[str]) -> None:
        """Delete the rows of merchants that are not declared any more."""
        for some in _batches(tuple(merchants)):
            async with self._database.writing() as transaction:
                await transaction.execute(delete(seen).where(seen.c.merchant.in_(some)))

    async def save_fleet(self, plan: str, seen_at: datetime, *, expected_plan: str | None = None) -> None:
        """Replace what the last look at everyone said of the fleet as a whole.

        expected_plan  only where it says this still: what `plan` is an edit of
        """
        async with self._database.writing() as transaction:
            if expected_plan is not None and await transaction.scalar(select(seen_fleet.c.plan)) != expected_plan:
                return
            await upsert(transaction, seen_fleet, [{"id": 1, "seen_at": seen_at, "plan": plan}])

    async def load_fleet(self) -> tuple[str, datetime] | None:
        """What the last look at everyone said of the fleet, and when that look began; None = there was none yet."""
        async with self._database.reading() as transaction:
            row = (await transaction.execute(select(seen_fleet.c.plan, seen_fleet.c.seen_at))).one_or_none()
        return (row.plan, row.seen_at) if row else None


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), ROWS_PER_TRANSACTION):
        yield items[start : start + ROWS_PER_TRANSACTION]
