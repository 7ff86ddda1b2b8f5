"""All that a plan needs to know of the past, of many merchants at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from state import intents
from state.database import Database
from state.intents import Intent
from state.tables import applied, merchants

NAMES_IN_ONE_QUERY = 500
"""Beyond so many names, reading every row is quicker than naming them, and databases limit the names of a query."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What we remember of a merchant.

    configured_at  when we last saw it configured; None = never
    deletion       its deletion policy as of the last apply
    retired_at     its removal was carried out then: a tombstone
    applied        the JSON values we set last, by field path
    intents        creates begun and not seen finished, the oldest first
    """

    merchant: str
    company_id: str | None = None
    company_name: str | None = None
    connection_id: str | None = None
    configured_at: datetime | None = None
    deletion: str = "Retain"
    retired_at: datetime | None = None
    applied: Mapping[str, Any] = field(default_factory=dict)
    intents: tuple[Intent, ...] = ()


async def recall(database: Database, names: Iterable[str] | None) -> dict[str, Memory]:
    """By merchant, all of one moment; `None` = everyone. A merchant that nothing is known of has no entry."""
    wanted = None if names is None else frozenset(names)
    async with database.reading() as transaction:
        bound = await _rows(transaction, merchants, wanted)
        set_last = await _rows(transaction, applied, wanted)
        begun = await _begun(transaction, wanted)
    known = bound.keys() | set_last.keys() | begun.keys()
    return {name: _memory(name, bound.get(name), set_last.get(name), begun.get(name, ())) for name in sorted(known)}


async def _rows(transaction: AsyncConnection, table: Table, wanted: Collection[str] | None) -> dict[str, Row[Any]]:
    query = select(table)
    if wanted is not None and len(wanted) <= NAMES_IN_ONE_QUERY:
        query = query.where(table.c.merchant.in_(wanted))
    rows = await transaction.execute(query)
    return {row.merchant: row for row in rows if wanted is None or row.merchant in wanted}


async def _begun(transaction: AsyncConnection, wanted: Collection[str] | None) -> dict[str, tuple[Intent, ...]]:
    by_merchant: dict[str, tuple[Intent, ...]] = defaultdict(tuple)
    for intent in await intents.read_open(transaction):
        if wanted is None or intent.merchant in wanted:
            by_merchant[intent.merchant] += (intent,)
    return by_merchant


def _memory(name: str, bound: Row[Any] | None, set_last: Row[Any] | None, begun: tuple[Intent, ...]) -> Memory:
    who = {column: getattr(bound, column) for column in _WHO} if bound else {}
    what = {"applied": set_last.fields, "deletion": set_last.deletion} if set_last else {}
    return Memory(name, **who, **what, intents=begun)


_WHO = ("company_id", "company_name", "connection_id", "configured_at", "retired_at")
