"""All that a plan needs to know of the past, of many merchants at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select
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
    retired_at     its removal was carried out then: a tombstone
    deletion       its deletion policy as of the last apply
    applied_json   `applied`, as it is stored: most merchants of a fleet in sync are never asked for it
    intents        creates begun and not seen finished, the oldest first
    """

    merchant: str
    company_id: str | None = None
    company_name: str | None = None
    connection_id: str | None = None
    configured_at: datetime | None = None
    retired_at: datetime | None = None
    deletion: str = "Retain"
    applied_json: str = "{}"
    intents: tuple[Intent, ...] = ()

    @property
    def applied(self) -> dict[str, Any]:
        """The JSON values that we set last, by field path; parsed at each asking."""
        fields: dict[str, Any] = json.loads(self.applied_json)
        return fields


async def recall(database: Database, names: Iterable[str] | None) -> dict[str, Memory]:
    """By merchant, all of one moment; `None` = everyone. A merchant that nothing is known of has no entry."""
    wanted = None if names is None else frozenset(names)
    async with database.reading() as transaction:
        bound = await _rows(transaction, _WHO, wanted)
        set_last = await _rows(transaction, _WHAT, wanted)
        begun = await _begun(transaction, wanted)
    return {
        name: _memory(name, bound.get(name, _NOBODY), set_last.get(name, _NOTHING), begun.get(name, ()))
        for name in sorted(bound.keys() | set_last.keys() | begun.keys())
    }


def _memory(name: str, who: list[Any], what: list[Any], begun: tuple[Intent, ...]) -> Memory:
    company_id, company_name, connection_id, configured_at, retired_at = who
    deletion, applied_json = what
    return Memory(
        name, company_id, company_name, connection_id, configured_at, retired_at, deletion, applied_json, begun
    )


_Columns = tuple[ColumnElement[Any], ...]

_WHO: _Columns = tuple(merchants.columns)
_NOBODY = [None] * (len(_WHO) - 1)

_WHAT: _Columns = (applied.c.merchant, applied.c.deletion, cast(applied.c.fields, Text))
_NOTHING = ["Retain", "{}"]


async def _rows(
    transaction: AsyncConnection, columns: _Columns, wanted: Collection[str] | None
) -> dict[str, list[Any]]:
    """By the first column, which is the merchant; the others in their order."""
    query = select(*columns)
    if wanted is not None and len(wanted) <= NAMES_IN_ONE_QUERY:
        query = query.where(columns[0].in_(wanted))
    rows = await transaction.execute(query)
    return {name: rest for name, *rest in rows if wanted is None or name in wanted}


async def _begun(transaction: AsyncConnection, wanted: Collection[str] | None) -> dict[str, tuple[Intent, ...]]:
    by_merchant: dict[str, tuple[Intent, ...]] = defaultdict(tuple)
    for intent in await intents.read_open(transaction):
        if wanted is None or intent.merchant in wanted:
            by_merchant[intent.merchant] += (intent,)
    return by_merchant
