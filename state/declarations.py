"""What was declared of each merchant at the last load of the manifests that was carried out, and who came and went.

The changes of the manifests, as far as merchants came or went, are numbered: those that share a number came or went
between the same two loads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select

from state.database import Database, upsert
from state.tables import declarations, declared_fleet

ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class DeclaredRow:
    """One merchant as it was declared.

    file, digest              of its last declaration; the digest is without names and labels
    alone                     that file declared no other merchant
    first_file, first_digest  as it was declared when it came
    came                      the number of the change with which it came
    went                      that with which its manifest went; None while it has one
    released                  a person has said that nobody who came with that change is this merchant
    """

    merchant: str
    file: str
    digest: str
    alone: bool
    first_file: str
    first_digest: str
    came: int
    went: int | None = None
    released: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredFleet:
    """The merchants' rows, and the digest of the load that they are of; "" before the first.

    Where a load of the same digest asks, `rows` are only those of merchants that went, and of those who came when one
    of these went.
    """

    digest: str
    rows: Mapping[str, DeclaredRow]


_COLUMNS = tuple(declarations.c[name] for name in DeclaredRow.__dataclass_fields__)


class Declarations:
    """The last load of the manifests that was carried out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all_or_departed_if_same(self, digest: str) -> DeclaredFleet:
        """All rows, or those that matter to a load that is the recorded one."""
        wents = select(declarations.c.went).where(declarations.c.went.is_not(None))
        matters = declarations.c.went.is_not(None) | declarations.c.came.in_(wents)
        async with self._database.reading() as transaction:
            recorded = await transaction.scalar(select(declared_fleet.c.digest)) or ""
            query = select(*_COLUMNS).where(matters) if recorded and recorded == digest else select(*_COLUMNS)
            rows = [DeclaredRow(*row) for row in await transaction.execute(query)]
        return DeclaredFleet(recorded, {row.merchant: row for row in rows})

    async def save_if_digest_is(
        self, rows: Collection[DeclaredRow], deleted: Collection[str], digest: str, *, expected_digest: str
    ) -> bool:
        """Replaces these rows and deletes those, unless another load than `expected_digest` was recorded meanwhile;
        whether it did."""
        async with self._database.writing() as transaction:
            recorded = await transaction.scalar(select(declared_fleet.c.digest)) or ""
            if recorded != expected_digest:
                return False
            await upsert(transaction, declarations, [asdict(row) for row in rows])
            names = sorted(deleted)
            for start in range(0, len(names), ROWS_PER_STATEMENT):
                some = names[start : start + ROWS_PER_STATEMENT]
                await transaction.execute(delete(declarations).where(declarations.c.merchant.in_(some)))
            await upsert(transaction, declared_fleet, [{"id": 1, "digest": digest}])
        return True
