"""Which company and connection over there belong to which merchant of ours, and who has been taken down for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, upsert
from state.tables import merchants


@dataclass(frozen=True, slots=True)
class Binding:
    """One merchant's ids. `retired_at` is its tombstone: the removal was carried out then."""

    merchant: str
    company_id: str | None
    company_name: str | None
    connection_id: str | None
    configured_at: datetime | None
    retired_at: datetime | None


async def bind(database: Database, merchant: str, *, company_id: str | None, company_name: str | None) -> None:
    async with database.writing() as transaction:
        await set_columns(transaction, merchant, company_id=company_id, company_name=company_name)


async def bind_connection(database: Database, merchant: str, connection_id: str | None) -> None:
    async with database.writing() as transaction:
        await set_columns(transaction, merchant, connection_id=connection_id)


async def saw_configured(database: Database, seen: Iterable[str], at: datetime) -> None:
    async with database.writing() as transaction:
        await upsert(transaction, merchants, [{"merchant": merchant, "configured_at": at} for merchant in seen])


async def retire(database: Database, merchant: str, at: datetime | None) -> None:
    """Set a tombstone, or take it away (`at` is None)."""
    async with database.writing() as transaction:
        await set_columns(transaction, merchant, retired_at=at)


async def set_columns(transaction: AsyncConnection, merchant: str, **columns: Any) -> None:
    """Within a transaction of the caller's: what else belongs to the same commit is the caller's to know."""
    await upsert(transaction, merchants, [{"merchant": merchant, **columns}])


async def list_bindings(database: Database) -> tuple[Binding, ...]:
    async with database.reading() as transaction:
        rows = await transaction.execute(select(merchants).order_by(merchants.c.merchant))
        return tuple(Binding(*row) for row in rows)
