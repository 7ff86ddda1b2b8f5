"""Webhook deliveries: remembered before they are acknowledged, known when repeated, closed once looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, insert_new
from state.memory import NAMES_IN_ONE_QUERY
from state.tables import inbox, merchants

KEPT = timedelta(days=7)
"""How long a closed delivery is known again. The service repeats one for about 28 hours (REFERENCE 6.5)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as it came in.

    id          constant over repetitions of the same delivery
    event       the sender's word for what happened, of either generation
    company_id  whom it is about; None for events of the whole account
    """

    id: str
    event: str
    company_id: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a delivery turned out to be: heard for the `first` time or again, and which merchants wait to be looked at
    because of it. There are none when no merchant is bound to that company, or when they were looked at since.
    """

    first: bool
    merchants: tuple[str, ...]


async def remember(database: Database, delivery: Delivery) -> Arrival:
    """Durable before it returns. One that is about no merchant of ours is closed from the start."""
    async with database.writing() as transaction:
        bound = await _bound_to(transaction, delivery.company_id)
        row = {
            "id": delivery.id,
            "received_at": delivery.received_at,
            "event": delivery.event,
            "company_id": delivery.company_id,
            "handled_at": None if bound else delivery.received_at,
        }
        first = await insert_new(transaction, inbox, row)
        still_open = first or await transaction.scalar(select(inbox.c.id).where(inbox.c.id == delivery.id, _IS_OPEN))
        return Arrival(first, bound if still_open else ())


async def merchants_told_of(database: Database) -> tuple[str, ...]:
    """Whom open deliveries are about: nobody has looked at them since."""
    told = select(merchants.c.merchant).distinct().join(inbox, inbox.c.company_id == merchants.c.company_id)
    async with database.reading() as transaction:
        rows = await transaction.execute(told.where(_IS_OPEN, _IS_ALIVE).order_by(merchants.c.merchant))
        return tuple(rows.scalars())


async def close(database: Database, names: Collection[str] | None, received_until: datetime, at: datetime) -> None:
    """These merchants, or everyone, were looked at by a pass that began at `received_until`.

    After a look at everyone nothing is open that came before it, and what was closed long ago is forgotten.
    """
    if names is not None and not await _anything_open(database):
        return
    async with database.writing() as transaction:
        for about in (true(),) if names is None else _about(sorted(names)):
            open_until = _IS_OPEN & (inbox.c.received_at <= received_until)
            await transaction.execute(update(inbox).where(open_until, about).values(handled_at=at))
        if names is None:
            await transaction.execute(delete(inbox).where(inbox.c.handled_at < at - KEPT))


def _about(names: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """Deliveries about these merchants, some names at a time: databases limit the names of a query."""
    for start in range(0, len(names), NAMES_IN_ONE_QUERY):
        some = merchants.c.merchant.in_(names[start : start + NAMES_IN_ONE_QUERY])
        yield inbox.c.company_id.in_(select(merchants.c.company_id).where(some))


async def _bound_to(transaction: AsyncConnection, company_id: str | None) -> tuple[str, ...]:
    rows = await transaction.execute(
        select(merchants.c.merchant)
        .where(merchants.c.company_id == company_id, _IS_ALIVE)
        .order_by(merchants.c.merchant)
    )
    return tuple(rows.scalars())


async def _anything_open(database: Database) -> bool:
    async with database.reading() as transaction:
        return await transaction.scalar(select(inbox.c.id).where(_IS_OPEN).limit(1)) is not None


_IS_OPEN = inbox.c.handled_at.is_(None)
_IS_ALIVE = merchants.c.retired_at.is_(None)
