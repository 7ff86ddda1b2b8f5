"""Bindings: which company and connection at Codat belong to which merchant, and which merchants were taken down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from state.async_engine import AsyncConnection
from state.database import Database, upsert
from state.errors import CompanyTaken
from state.tables import merchants


@dataclass(frozen=True, slots=True)
class Binding:
    """One merchant's ids at Codat.

    configured_at  when it was last seen configured; None = never
    retired_at     its tombstone: its removal was carried out then
    contested      another merchant has the same company, recorded before the state refused that
    left_at        since when it has no manifest, while its deletion policy leaves the company as it is
    """

    merchant: str
    company_id: str | None
    company_name: str | None
    connection_id: str | None
    configured_at: datetime | None
    retired_at: datetime | None
    contested: bool = False
    left_at: datetime | None = None


class Bindings:
    """The bindings of all merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bind_company(self, merchant: str, *, company_id: str | None, company_name: str | None) -> None:
        """Bind a company to a merchant (None: unbind). Raises CompanyTaken."""
        async with self._database.writing() as transaction:
            await upsert_binding(transaction, merchant, company_id=company_id, company_name=company_name)

    async def bind_connection(self, merchant: str, connection_id: str | None) -> None:
        """Bind a connection to a merchant (None: unbind)."""
        async with self._database.writing() as transaction:
            await upsert_binding(transaction, merchant, connection_id=connection_id)

    async def mark_configured(self, names: Iterable[str], at: datetime) -> None:
        """Record that these merchants were seen configured at that instant."""
        async with self._database.writing() as transaction:
            await upsert(transaction, merchants, [{"merchant": name, "configured_at": at} for name in names])

    async def retire(self, merchant: str, at: datetime) -> None:
        """Set the merchant's tombstone: its removal was carried out, and is not to be carried out again."""
        async with self._database.writing() as transaction:
            await upsert_binding(transaction, merchant, retired_at=at)

    async def unretire(self, merchant: str) -> None:
        """Take the merchant's tombstone away."""
        async with self._database.writing() as transaction:
            await upsert_binding(transaction, merchant, retired_at=None)

    async def set_without_manifest_since(self, names: Iterable[str], at: datetime | None) -> None:
        """Record since when these merchants have no manifest, their companies left as they are; None: they have one."""
        rows = [{"merchant": name, "left_at": at} for name in names]
        if rows:
            async with self._database.writing() as transaction:
                await upsert(transaction, merchants, rows)

    async def load_owner(self, company_id: str) -> str | None:
        """The merchant that has this company; None where nobody has, or whoever had was taken down."""
        async with self._database.reading() as transaction:
            return await _load_active_owner(transaction, merchants.c.company_id == company_id)

    async def load(self) -> tuple[Binding, ...]:
        """All bindings, tombstones too, by merchant name."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(merchants).order_by(merchants.c.merchant))
            return tuple(Binding(**(row | {"contested": bool(row["contested"])})) for row in map(dict, rows.mappings()))


async def upsert_binding(transaction: AsyncConnection, merchant: str, **columns: Any) -> None:
    """Set columns of a merchant's binding, within the caller's transaction.

    Raises CompanyTaken where another merchant has the company.
    """
    company_id = columns.get("company_id")
    if company_id:
        others = (merchants.c.company_id == company_id) & (merchants.c.merchant != merchant)
        other = await _load_active_owner(transaction, others)
        if other is not None:
            raise CompanyTaken(merchant, company_id, other)
        # One company is one merchant's: a merchant that was taken down gives it up before another gets it.
        await transaction.execute(update(merchants).where(others).values(company_id=None, connection_id=None))
    await upsert(transaction, merchants, [{"merchant": merchant, **columns}])


async def _load_active_owner(transaction: AsyncConnection, rows: ColumnElement[bool]) -> str | None:
    """The merchant of one of these rows that was not taken down."""
    query = select(merchants.c.merchant).where(rows, merchants.c.retired_at.is_(None)).limit(1)
    name: str | None = await transaction.scalar(query)
    return name


async def clear_contested_of_sole_owners(transaction: AsyncConnection) -> None:
    """Clear `contested` where a merchant is the only one left with its company."""
    shared = select(merchants.c.company_id).where(merchants.c.company_id.is_not(None))
    shared = shared.group_by(merchants.c.company_id).having(func.count() > 1)
    sole_owner = merchants.c.contested.is_not(None) & merchants.c.company_id.not_in(shared)
    await transaction.execute(update(merchants).where(sole_owner).values(contested=None))
