"""The drift ledger: when each finding was first seen, last seen, and gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, upsert
from state.tables import findings

Key = tuple[str, str, str]
"""(merchant, code, field); the field is empty where a finding has none."""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a look at the world saw it."""

    merchant: str
    code: str
    field: str = ""

    @property
    def key(self) -> Key:
        return (self.merchant, self.code, self.field)


@dataclass(frozen=True, slots=True)
class Noted:
    """One line of the ledger. `cleared_at` is None while it is open; one that comes back begins anew."""

    merchant: str
    code: str
    field: str
    first_seen: datetime
    last_seen: datetime
    cleared_at: datetime | None


async def note_findings(
    database: Database, seen: Iterable[FindingRow], *, judged: Collection[str], at: datetime
) -> dict[Key, datetime]:
    """When each of `seen` was first seen. What `judged` merchants do not show any more is marked as cleared."""
    keys, judged = {row.key for row in seen}, frozenset(judged)
    if not keys and not await _anything_open(database):
        return {}
    async with database.writing() as transaction:
        since = await _open_since(transaction)
        await _keep(transaction, {key: since.get(key, at) for key in keys}, at)
        await _clear(transaction, {key for key in since.keys() - keys if key[0] in judged}, at)
    return {key: since.get(key, at) for key in keys}


async def findings_of(database: Database, merchant: str) -> tuple[Noted, ...]:
    """Open and cleared ones, the oldest first."""
    query = select(findings).where(findings.c.merchant == merchant)
    async with database.reading() as transaction:
        rows = await transaction.execute(query.order_by(findings.c.first_seen, findings.c.code, findings.c.field))
        return tuple(Noted(*row) for row in rows)


async def first_seen(database: Database, merchants: Collection[str] | None) -> dict[Key, datetime]:
    """Since when each open finding of these merchants stands; `None` = everyone."""
    async with database.reading() as transaction:
        since = await _open_since(transaction)
    wanted = None if merchants is None else frozenset(merchants)
    return {key: at for key, at in since.items() if wanted is None or key[0] in wanted}


async def _anything_open(database: Database) -> bool:
    async with database.reading() as transaction:
        return await transaction.scalar(select(findings.c.code).where(_IS_OPEN).limit(1)) is not None


async def _open_since(transaction: AsyncConnection) -> dict[Key, datetime]:
    columns = (findings.c.merchant, findings.c.code, findings.c.field, findings.c.first_seen)
    rows = await transaction.execute(select(*columns).where(_IS_OPEN))
    return {(merchant, code, field): at for merchant, code, field, at in rows}


async def _keep(transaction: AsyncConnection, since: dict[Key, datetime], at: datetime) -> None:
    rows = [
        {"merchant": merchant, "code": code, "field": field, "first_seen": first, "last_seen": at, "cleared_at": None}
        for (merchant, code, field), first in since.items()
    ]
    await upsert(transaction, findings, rows)


async def _clear(transaction: AsyncConnection, gone: Collection[Key], at: datetime) -> None:
    if gone:
        one = (findings.c.merchant == bindparam("m")) & (findings.c.code == bindparam("c"))
        statement = update(findings).where(one & (findings.c.field == bindparam("f"))).values(cleared_at=at)
        await transaction.execute(statement, [{"m": merchant, "c": code, "f": field} for merchant, code, field in gone])


_IS_OPEN = findings.c.cleared_at.is_(None)
