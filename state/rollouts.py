"""Bulk changes in waves: what each rollout was told, where it stands, and what it did to whom.

A rollout in somebody's hands names that process as its `owner`: its row changes only where state and owner are still
those that the writer believes in, so a pause from another terminal is never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from state.database import Database
from state.process import Owner
from state.tables import rollout_merchants, rollouts


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout.

    state       the caller's word for where it stands, and since when; `reason` says why
    terms       what it was told at its start, as JSON
    wave        the wave in hand, from 1
    soak_until  the wave in hand is written and watched until then
    owner       the process that carries it out, or did last
    """

    id: int
    name: str
    state: str
    reason: str
    since: datetime
    started_at: datetime
    terms: Mapping[str, Any]
    wave: int
    soak_until: datetime | None
    owner: Owner


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One merchant of a rollout.

    digest   of the wish that the rollout began with
    changed  by field path {"before": …, "wrote": …}: noted before it is written
    held     other runs leave the merchant alone
    """

    merchant: str
    wave: int
    digest: str
    state: str
    reason: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)
    held: bool = True


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A merchant that a rollout holds, and the wish that it is held from."""

    merchant: str
    digest: str
    wave: int
    rollout: str
    state: str


async def begin(database: Database, row: Mapping[str, Any], owner: Owner, members: Iterable[MemberRow]) -> int:
    """The rollout with all its merchants, in one commit; whoever held one of them before holds it no more."""
    async with database.writing() as transaction:
        result = await transaction.execute(insert(rollouts).returning(rollouts.c.id), {**row, "owner": _written(owner)})
        rollout_id = int(result.scalar_one())
        rows = [{**asdict(each), "rollout_id": rollout_id} for each in members]
        await transaction.execute(_LET_GO, [{"whose": each["merchant"]} for each in rows])
        await transaction.execute(insert(rollout_merchants), rows)
    return rollout_id


async def find(database: Database, name: str | None) -> RolloutRow | None:
    """By its name; None = the newest."""
    query = select(rollouts).order_by(rollouts.c.id.desc()).limit(1)
    async with database.reading() as transaction:
        found = (await transaction.execute(query if name is None else query.where(rollouts.c.name == name))).first()
    return None if found is None else _rollout(found)


async def members(database: Database, rollout_id: int) -> tuple[MemberRow, ...]:
    """In the order of waves and names."""
    columns = [rollout_merchants.c[name] for name in MemberRow.__dataclass_fields__]
    order = rollout_merchants.c.wave, rollout_merchants.c.merchant
    async with database.reading() as transaction:
        rows = await transaction.execute(
            select(*columns).where(rollout_merchants.c.rollout_id == rollout_id).order_by(*order)
        )
        return tuple(MemberRow(*row) for row in rows)


async def turn(
    database: Database, rollout_id: int, states: Collection[str], owner: Owner | None, columns: Mapping[str, Any]
) -> bool:
    """Changes a rollout that is in one of these states and, where one is named, in this owner's hands; whether."""
    query = update(rollouts).where(rollouts.c.id == rollout_id, rollouts.c.state.in_(map(str, states)))
    if owner:
        query = query.where(rollouts.c.owner == _written(owner))
    written = {name: _written(value) if isinstance(value, Owner) else value for name, value in columns.items()}
    async with database.writing() as transaction:
        return bool((await transaction.execute(query.values(**written))).rowcount)


async def note_member(database: Database, rollout_id: int, merchant: str, columns: Mapping[str, Any]) -> None:
    which = (rollout_merchants.c.rollout_id == rollout_id) & (rollout_merchants.c.merchant == merchant)
    async with database.writing() as transaction:
        await transaction.execute(update(rollout_merchants).where(which).values(**columns))


async def hold_all(database: Database, rollout_id: int) -> None:
    """Every merchant of the rollout, those that it was done with too."""
    which = rollout_merchants.c.rollout_id == rollout_id
    async with database.writing() as transaction:
        await transaction.execute(update(rollout_merchants).where(which).values(held=True))


async def holds(database: Database) -> tuple[HoldRow, ...]:
    which = (rollout_merchants.c.merchant, rollout_merchants.c.digest, rollout_merchants.c.wave)
    columns = (*which, rollouts.c.name, rollouts.c.state)
    joined = rollout_merchants.join(rollouts, rollouts.c.id == rollout_merchants.c.rollout_id)
    async with database.reading() as transaction:
        rows = await transaction.execute(select(*columns).select_from(joined).where(rollout_merchants.c.held))
        return tuple(HoldRow(*row) for row in rows)


async def let_go(database: Database, merchants: Collection[str]) -> None:
    """No rollout holds these any more."""
    if merchants:
        async with database.writing() as transaction:
            await transaction.execute(_LET_GO, [{"whose": name} for name in merchants])


_LET_GO = (
    update(rollout_merchants)
    .where(rollout_merchants.c.merchant == bindparam("whose"), rollout_merchants.c.held)
    .values(held=False)
)


def _written(owner: Owner) -> str:
    """One spelling for one process: the databases compare it."""
    return json.dumps(asdict(owner), sort_keys=True)


def _rollout(row: Row[Any]) -> RolloutRow:
    columns = {name: getattr(row, name) for name in RolloutRow.__dataclass_fields__}
    return RolloutRow(**columns | {"owner": Owner(**json.loads(row.owner))})
