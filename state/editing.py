"""By hand: look at what is remembered of one merchant, give it another name, forget it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database
from state.errors import MerchantTaken, UnknownMerchant
from state.export import as_json
from state.tables import (
    applied,
    events,
    findings,
    intents,
    merchants,
    pulls,
    quarantine,
    rollout_merchants,
    syncs,
    verdicts,
)

ROOTS = (merchants, applied, intents)
"""A merchant is known when one of these holds it; the rest are notes about it."""

NOTES = (findings, quarantine, syncs, pulls, verdicts, rollout_merchants)


async def show(database: Database, merchant: str) -> dict[str, list[dict[str, Any]]]:
    """Every row about a merchant but its history, as JSON, by table. Raises UnknownMerchant."""
    async with database.reading() as transaction:
        await _must_be_known(transaction, merchant)
        tables = (*ROOTS, findings, quarantine, syncs, pulls, rollout_merchants)
        return {table.name: await _rows(transaction, table, merchant) for table in tables}


async def rename_merchant(database: Database, old: str, new: str) -> None:
    """Everything about `old`, its history too, is about `new` from now on. Raises UnknownMerchant, MerchantTaken."""
    async with database.writing() as transaction:
        await _must_be_known(transaction, old)
        if await _is_known(transaction, new):
            raise MerchantTaken(new)
        for table in NOTES:
            await transaction.execute(delete(table).where(table.c.merchant == new))
        for table in (*ROOTS, *NOTES, events):
            await transaction.execute(update(table).where(table.c.merchant == old).values(merchant=new))


async def forget(database: Database, merchant: str) -> None:
    """Everything but its history. The company over there stays as it is. Raises UnknownMerchant."""
    async with database.writing() as transaction:
        await _must_be_known(transaction, merchant)
        for table in (*ROOTS, *NOTES):
            await transaction.execute(delete(table).where(table.c.merchant == merchant))


async def _must_be_known(transaction: AsyncConnection, merchant: str) -> None:
    if not await _is_known(transaction, merchant):
        raise UnknownMerchant(merchant)


async def _is_known(transaction: AsyncConnection, merchant: str) -> bool:
    for table in ROOTS:
        if await transaction.scalar(select(table.c.merchant).where(table.c.merchant == merchant).limit(1)):
            return True
    return False


async def _rows(transaction: AsyncConnection, table: Table, merchant: str) -> list[dict[str, Any]]:
    rows = await transaction.execute(select(table).where(table.c.merchant == merchant))
    return [as_json(row) for row in rows.mappings()]
