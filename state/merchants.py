"""Merchants as a whole, in every table at once: show all rows of one, rename it, forget it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update

from state.async_engine import AsyncConnection
from state.bindings import clear_contested_of_sole_owners
from state.database import Database, upsert
from state.errors import HasOpenWork, MerchantTaken, NameInRollout, UnknownMerchant
from state.export import as_json
from state.findings import end_findings_of
from state.rollouts import read_rollout_names
from state.tables import (
    applied,
    conditions,
    declarations,
    declared_fleet,
    events,
    intents,
    manual_syncs,
    merchants,
    metadata,
    occurrences,
    renames,
    seen,
    verdicts,
)

IDENTITY_TABLES = (merchants, applied, intents)
"""A merchant is known when one of these has a row of it; the other tables only hold notes about it."""

MERCHANT_TABLES = tuple(table for table in metadata.sorted_tables if "merchant" in table.c)
"""Every table with rows about single merchants. A rename moves all of them, also those that are added later."""

HISTORY_TABLES = (events, occurrences)
"""What happened: forgetting a merchant leaves it."""

NOTE_TABLES = tuple(table for table in MERCHANT_TABLES if table not in (*IDENTITY_TABLES, *HISTORY_TABLES))
"""Rows that mean nothing any more once the merchant of that name was forgotten or renamed."""

ENDED_BY_REMOVAL = "left"
"""How an open finding ends when its merchant is forgotten."""

_HIDDEN_TABLES = (*HISTORY_TABLES, verdicts, conditions, seen, declarations)
_SHOWN_TABLES = tuple(table for table in MERCHANT_TABLES if table not in _HIDDEN_TABLES)


class Merchants:
    """All merchants, each with all its rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_rows(self, merchant: str) -> dict[str, list[dict[str, Any]]]:
        """Every row about a merchant but its history, as JSON, by table. Raises UnknownMerchant."""
        async with self._database.reading() as transaction:
            await _require_known(transaction, merchant)
            queries = {table.name: select(table).where(table.c.merchant == merchant) for table in _SHOWN_TABLES}
            is_open = (occurrences.c.merchant == merchant) & occurrences.c.gone_at.is_(None)
            queries["findings"] = select(occurrences).where(is_open)
            return {
                name: [as_json(row) for row in (await transaction.execute(query)).mappings()]
                for name, query in queries.items()
            }

    async def rename(self, old: str, new: str, *, at: datetime, blocking_states: Collection[str] = ()) -> None:
        """Rename one merchant by hand (`state mv`). Raises UnknownMerchant, MerchantTaken, NameInRollout.

        blocking_states  states of rollouts whose merchants keep their names
        """
        async with self._database.writing() as transaction:
            await _require_known(transaction, old)
            if await _is_known(transaction, new):
                raise MerchantTaken(new)
            await _refuse_names_in_rollouts(transaction, (old, new), blocking_states)
            origin = await transaction.scalar(select(renames.c.renamed_from).where(renames.c.merchant == old))
            await _rename_rows_and_overwrite(transaction, {new: old}, at)
            # Two merchants are swapped by hand with three renames, by way of a third name. Recording where the rows
            # came from in the first place lets the next apply see that `metadata.renamedFrom` of the manifests is done.
            if (origin or old) != new:
                await _record_renames(transaction, {new: origin or old}, at)

    async def rename_many(
        self, moves: Mapping[str, str], *, at: datetime, blocking_states: Collection[str] = ()
    ) -> dict[str, str]:
        """Rename many merchants in one commit, as one permutation: chains and swaps are allowed.

        Returns those of the moves that it made: what is recorded as moved already has been by another pass.

        moves      by new name the old one
        blocking_states  states of rollouts whose merchants keep their names

        Raises UnknownMerchant for an old name of which nothing is known, MerchantTaken for a new name that has a
        company or an open intent and keeps them, NameInRollout. Then nothing was renamed.
        """
        if not moves:
            return {}
        async with self._database.writing() as transaction:
            done = await _load_renames(transaction)
            moves = {
                new: old
                for new, old in moves.items()
                if done.get(new) != old or not await _has_company_or_open_intent(transaction, new)
            }
            given_up = frozenset(moves.values())
            await _refuse_names_in_rollouts(transaction, given_up.union(moves), blocking_states)
            for new, old in moves.items():
                await _require_known(transaction, old)
                if new not in given_up and await _has_company_or_open_intent(transaction, new):
                    raise MerchantTaken(new)
            await _rename_rows_and_overwrite(transaction, moves, at)
            await _record_renames(transaction, moves, at)
        return dict(moves)

    async def load_renames(self) -> dict[str, str]:
        """By new name, the name that the merchant's rows had before."""
        async with self._database.reading() as transaction:
            return await _load_renames(transaction)

    async def forget_renames(self, *, kept: Mapping[str, str]) -> None:
        """Forget all recorded renames but `kept` (old name by new name): the manifests do not ask for them any more."""
        forgotten = {new: old for new, old in (await self.load_renames()).items() if kept.get(new) != old}
        if forgotten:
            async with self._database.writing() as transaction:
                for new, old in sorted(forgotten.items()):
                    # A command and a controller rename side by side: what was renamed anew since then stays.
                    is_it = (renames.c.merchant == new) & (renames.c.renamed_from == old)
                    await transaction.execute(delete(renames).where(is_it))

    async def forget(
        self, merchant: str, *, blocking_states: Collection[str] = (), despite_open_work: bool = False
    ) -> None:
        """Delete all its rows but its history and how it was declared. The company at Codat stays.

        Raises UnknownMerchant, NameInRollout, and unless `despite_open_work` HasOpenWork.
        """
        async with self._database.writing() as transaction:
            await _require_known(transaction, merchant)
            await _refuse_names_in_rollouts(transaction, (merchant,), blocking_states)
            if not despite_open_work:
                await _refuse_open_work(transaction, merchant)
            # How it was declared stays: should it have come when another merchant went, it may still be that one.
            for table in (*IDENTITY_TABLES, *(each for each in NOTE_TABLES if each is not declarations)):
                await transaction.execute(delete(table).where(table.c.merchant == merchant))
            await end_findings_of(transaction, merchant, datetime.now(UTC), ENDED_BY_REMOVAL)
            await clear_contested_of_sole_owners(transaction)


async def _refuse_open_work(transaction: AsyncConnection, merchant: str) -> None:
    """Raises HasOpenWork: forgotten, it would be done a second time, or never ended."""
    reasons = {
        manual_syncs: f"a manual sync of {merchant!r} is open: whom it has switched off nobody else switches on",
        intents: f"a create for {merchant!r} is under way, and made anew it may be there twice",
    }
    for table, reason in reasons.items():
        is_open = (table.c.merchant == merchant) & table.c.closed_at.is_(None)
        if await transaction.scalar(select(exists().where(is_open))):
            raise HasOpenWork(merchant, reason)


async def _load_renames(transaction: AsyncConnection) -> dict[str, str]:
    rows = await transaction.execute(select(renames.c.merchant, renames.c.renamed_from))
    return {row.merchant: row.renamed_from for row in rows}


async def _rename_rows_and_overwrite(transaction: AsyncConnection, moves: Mapping[str, str], at: datetime) -> None:
    """Give the rows of each old name in `moves` (old by new) to the new name; what the new name had is removed."""
    # The recorded load of the manifests knows the old names: the next one is compared with every row anew.
    await transaction.execute(delete(declared_fleet))
    overwritten = moves.keys() - frozenset(moves.values())
    for new in overwritten:
        await end_findings_of(transaction, new, at, ENDED_BY_REMOVAL)
        for table in (*IDENTITY_TABLES, *NOTE_TABLES):
            await transaction.execute(delete(table).where(table.c.merchant == new))
    # In a chain or a swap a new name is still in use when its turn comes. So all rows go to temporary names first, ones
    # that no manifest can have, and no primary key is ever taken twice.
    temporary = {new: f"\x1f{number}" for number, new in enumerate(sorted(moves))}
    away = [{"source": old, "target": temporary[new]} for new, old in moves.items()]
    back = [{"source": temporary[new], "target": new} for new in moves]
    # All names of a table at once: one by one, a whole fleet keeps every other writer waiting for a minute.
    for steps in (away, back) if moves else ():
        for table in MERCHANT_TABLES:
            is_source = table.c.merchant == bindparam("source")
            await transaction.execute(update(table).where(is_source).values(merchant=bindparam("target")), steps)


async def _record_renames(transaction: AsyncConnection, moves: Mapping[str, str], at: datetime) -> None:
    """Record where the rows under a name came from: nothing else tells a swap that was done from one still to do."""
    rows = [{"merchant": new, "renamed_from": old, "at": at} for new, old in moves.items()]
    await upsert(transaction, renames, rows)


async def _refuse_names_in_rollouts(
    transaction: AsyncConnection, names: Collection[str], blocking_states: Collection[str]
) -> None:
    rollout_of = await read_rollout_names(transaction, blocking_states)
    for name in sorted(set(names) & rollout_of.keys()):
        raise NameInRollout(name, rollout_of[name])


async def _require_known(transaction: AsyncConnection, merchant: str) -> None:
    if not await _is_known(transaction, merchant):
        raise UnknownMerchant(merchant)


async def _is_known(transaction: AsyncConnection, merchant: str) -> bool:
    for table in IDENTITY_TABLES:
        if await transaction.scalar(select(table.c.merchant).where(table.c.merchant == merchant).limit(1)):
            return True
    return False


async def _has_company_or_open_intent(transaction: AsyncConnection, merchant: str) -> bool:
    """Whether the merchant has a company that was not taken down, or an open intent may still give it one."""
    bound = select(merchants.c.merchant).where(
        merchants.c.merchant == merchant, merchants.c.company_id.is_not(None), merchants.c.retired_at.is_(None)
    )
    open_intent = select(intents.c.merchant).where(intents.c.merchant == merchant, intents.c.closed_at.is_(None))
    return bool(await transaction.scalar(bound.limit(1)) or await transaction.scalar(open_intent.limit(1)))
