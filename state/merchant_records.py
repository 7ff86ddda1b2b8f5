"""The recorded state of many merchants at once: bindings, last applied values and open intents."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select

from state import intents
from state.async_engine import AsyncConnection
from state.database import Database
from state.intents import Intent
from state.tables import applied, merchants

MAX_NAMES_IN_QUERY = 500
"""For more names than this all rows are read: that is quicker, and databases limit the parameters of a query."""


@dataclass(frozen=True, slots=True)
class MerchantRecord:
    """What is recorded of a merchant.

    configured_at  when it was last seen configured; None = never
    retired_at     its tombstone: its removal was carried out then
    deletion       its deletion policy as of the last apply
    applied_json   `applied` as stored: parsed on demand only, since most merchants of a fleet in sync do not need it
    intents        open intents, the oldest first
    contested      another merchant has the same company, recorded before the state refused that
    left_at        since when it has no manifest, while its deletion policy leaves the company as it is
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
    contested: bool = False
    left_at: datetime | None = None

    @property
    def applied(self) -> dict[str, Any]:
        """The last applied JSON values by field path; parsed at each access."""
        fields: dict[str, Any] = json.loads(self.applied_json)
        return fields


class MerchantRecords:
    """What is recorded of all merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(
        self,
        names: Iterable[str] | None = None,
        *,
        select_applied: Callable[[Collection[str]], Collection[str] | None] | None = None,
    ) -> dict[str, MerchantRecord]:
        """By merchant (None: all), one consistent snapshot. A merchant without any row has no entry.

        select_applied  told who is bound, answers whose last applied values are read, too (None: of all): they are
                        most of it. To ask for those of anybody else is an error
        """
        wanted = None if names is None else frozenset(names)
        async with self._database.reading() as transaction:
            bindings = await _read_rows_by_merchant(transaction, _BINDING_COLUMNS, wanted)
            deletions = await _read_rows_by_merchant(transaction, _DELETION_COLUMNS, wanted)
            with_applied = select_applied(bindings.keys()) if select_applied else wanted
            applied_values = await _read_rows_by_merchant(transaction, _APPLIED_COLUMNS, with_applied)
            open_intents = await _read_open_intents_by_merchant(transaction, wanted)
        records = {}
        for name in sorted(bindings.keys() | deletions.keys() | open_intents.keys()):
            binding = bindings.get(name, _NO_BINDING)
            company_id, company_name, connection_id, configured_at, retired_at, contested, left_at = binding
            (deletion,) = deletions.get(name, _RETAINED)
            is_read = with_applied is None or name in with_applied
            (applied_json,) = applied_values.get(name, _NOTHING_APPLIED if is_read else _NOT_READ)
            records[name] = MerchantRecord(
                merchant=name,
                company_id=company_id,
                company_name=company_name,
                connection_id=connection_id,
                configured_at=configured_at,
                retired_at=retired_at,
                deletion=deletion,
                applied_json=applied_json,
                intents=open_intents.get(name, ()),
                contested=bool(contested),
                left_at=left_at,
            )
        return records


_Columns = tuple[ColumnElement[Any], ...]

_BINDING_COLUMNS: _Columns = tuple(merchants.columns)
_NO_BINDING = [None] * (len(_BINDING_COLUMNS) - 1)

_DELETION_COLUMNS: _Columns = (applied.c.merchant, applied.c.deletion)
_RETAINED = ["Retain"]
_APPLIED_COLUMNS: _Columns = (applied.c.merchant, cast(applied.c.fields, Text))
_NOTHING_APPLIED = ["{}"]
_NOT_READ = [""]
"""No JSON: whoever takes it for some ends in an error."""


async def _read_rows_by_merchant(
    transaction: AsyncConnection, columns: _Columns, wanted: Collection[str] | None
) -> dict[str, list[Any]]:
    """By the first column, which is the merchant's name, the values of the others in their order."""
    query = select(*columns)
    if wanted is not None and len(wanted) <= MAX_NAMES_IN_QUERY:
        query = query.where(columns[0].in_(wanted))
    rows = await transaction.execute(query)
    return {name: rest for name, *rest in rows if wanted is None or name in wanted}


async def _read_open_intents_by_merchant(
    transaction: AsyncConnection, wanted: Collection[str] | None
) -> dict[str, tuple[Intent, ...]]:
    by_merchant: dict[str, tuple[Intent, ...]] = defaultdict(tuple)
    for intent in await intents.read_open_intents(transaction):
        if wanted is None or intent.merchant in wanted:
            by_merchant[intent.merchant] += (intent,)
    return by_merchant
