"""Rollouts: bulk changes in waves, with their spec, their state, and what each did to which merchant.

A rollout names the process that carries it out as its `owner`. Its row is changed by compare-and-set on state and
owner, so that a pause from another terminal is never overwritten. Whether the owner lives is known by its claim
(`state.process_claims`), which it keeps between the waves, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from state.async_engine import AsyncConnection
from state.database import Database
from state.errors import LeaseLost, StateUnusable
from state.lock import keep_alive
from state.process import ProcessIdentity
from state.tables import rollout_merchants, rollouts


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout.

    state       the caller's word; `reason` says why it is in that state, `since` since when
    terms       the spec it was started with, as JSON
    wave        the current wave, from 1
    soak_until  end of the current wave's soak; None while it is still being written
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
    owner: ProcessIdentity


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One merchant of a rollout.

    digest   of the desired merchant as the rollout began with it
    changed  by field path {"before": …, "wrote": …, "stood": …}: recorded before it is written to Codat
    held     other runs do not write to the merchant
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
    """A merchant that a rollout holds, and the digest of the desired merchant that it is held back from."""

    merchant: str
    digest: str
    wave: int
    rollout: str
    state: str


class Rollouts:
    """All rollouts, and this process's claim to carry one out, with its heartbeats in the background."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s
        self._heartbeats: asyncio.Task[None] | None = None

    async def begin(
        self,
        name: str,
        terms: Mapping[str, Any],
        members: Iterable[MemberRow],
        owner: ProcessIdentity,
        at: datetime,
    ) -> int:
        """Insert a rollout at its first wave, `running`, with all its members, in one commit; returns its id.

        An earlier rollout releases the members.
        """
        position = {"state": "running", "reason": "", "since": at, "started_at": at, "wave": 1}
        columns = {"name": name, "terms": dict(terms), "owner": _owner_json(owner), **position}
        async with self._database.writing() as transaction:
            rollout_id = int(
                (await transaction.execute(insert(rollouts).returning(rollouts.c.id), columns)).scalar_one()
            )
            member_rows = [{**asdict(member), "rollout_id": rollout_id} for member in members]
            # Before the new members are there: it would release them, too.
            await transaction.execute(_RELEASE_HOLD, [{"whose": member["merchant"]} for member in member_rows])
            await transaction.execute(insert(rollout_merchants), member_rows)
        return rollout_id

    async def load(self, name: str | None = None) -> RolloutRow | None:
        """The rollout of that name (None: the newest); None where there is none."""
        query = select(rollouts).order_by(rollouts.c.id.desc()).limit(1)
        async with self._database.reading() as transaction:
            row = (await transaction.execute(query if name is None else query.where(rollouts.c.name == name))).first()
        return None if row is None else _from_row(row)

    async def load_all(self) -> list[RolloutRow]:
        """All rollouts, the newest first."""
        async with self._database.reading() as transaction:
            return [
                _from_row(row) for row in await transaction.execute(select(rollouts).order_by(rollouts.c.id.desc()))
            ]

    async def acquire_claim(self, *, by_force: bool) -> bool:
        """Take the claim to carry a rollout out, until the store is closed; False where another living process has it.

        by_force  take it from that one: it was told to stop
        """
        taken = await self._take_claim(by_force)
        if taken:
            self._heartbeats = asyncio.create_task(self._keep_claim_alive())
        return taken

    async def give_back_claim(self) -> None:
        """Release the claim to carry a rollout out, if this process has it."""
        self.stop_heartbeats()
        try:
            async with self._database.writing():
                await self._database.rollout_claim.give_back()
        except StateUnusable:
            # Kept, it would stand in the way of this process itself: with no answer, a full disk, or another's write.
            await self._database.rollout_claim.give_back()
        except BaseException:
            await self._database.rollout_claim.give_back()
            raise

    def stop_heartbeats(self) -> None:
        """Stop keeping the claim alive; it is given back when the database is closed."""
        if self._heartbeats:
            self._heartbeats.cancel()

    async def is_claim_held(self) -> bool:
        """Whether a living process has the claim to carry a rollout out."""
        return await self._database.rollout_holder_silence_s() is not None

    async def load_members(self, rollout_id: int) -> tuple[MemberRow, ...]:
        """All members of a rollout, by wave and name."""
        columns = [rollout_merchants.c[name] for name in MemberRow.__dataclass_fields__]
        order = rollout_merchants.c.wave, rollout_merchants.c.merchant
        async with self._database.reading() as transaction:
            rows = await transaction.execute(
                select(*columns).where(rollout_merchants.c.rollout_id == rollout_id).order_by(*order)
            )
            return tuple(MemberRow(*row) for row in rows)

    async def count_members(self, rollout_id: int) -> dict[tuple[int, str], int]:
        """How many members of a rollout are of which wave, in which state."""
        columns = (rollout_merchants.c.wave, rollout_merchants.c.state)
        query = select(*columns, func.count()).where(rollout_merchants.c.rollout_id == rollout_id).group_by(*columns)
        async with self._database.reading() as transaction:
            return {(wave, state): number for wave, state, number in await transaction.execute(query)}

    async def compare_and_set(
        self,
        rollout_id: int,
        *,
        if_state_in: Collection[str],
        if_owner: ProcessIdentity | None = None,
        **columns: Any,
    ) -> bool:
        """Set columns of a rollout, if it is in one of these states and, where one is given, has this owner.

        Returns whether it was changed.
        """
        statement = update(rollouts).where(rollouts.c.id == rollout_id, rollouts.c.state.in_(map(str, if_state_in)))
        if if_owner:
            statement = statement.where(rollouts.c.owner == _owner_json(if_owner))
        values = {
            name: _owner_json(value) if isinstance(value, ProcessIdentity) else value for name, value in columns.items()
        }
        async with self._database.writing() as transaction:
            return bool(await transaction.execute_and_count(statement.values(**values)))

    async def update_member(self, rollout_id: int, merchant: str, **columns: Any) -> None:
        """Set columns of one member."""
        is_member = (rollout_merchants.c.rollout_id == rollout_id) & (rollout_merchants.c.merchant == merchant)
        async with self._database.writing() as transaction:
            await transaction.execute(update(rollout_merchants).where(is_member).values(**columns))

    async def hold_members(self, rollout_id: int) -> None:
        """Hold every member of the rollout, those that it was done with too."""
        is_member = rollout_merchants.c.rollout_id == rollout_id
        async with self._database.writing() as transaction:
            await transaction.execute(update(rollout_merchants).where(is_member).values(held=True))

    async def load_names_by_merchant(self, states: Collection[str]) -> dict[str, str]:
        """By merchant the name of its rollout, for all rollouts in one of these states; the merchant held or not."""
        async with self._database.reading() as transaction:
            return await read_rollout_names(transaction, states)

    async def load_holds(self) -> tuple[HoldRow, ...]:
        """All merchants that a rollout holds."""
        member_columns = (rollout_merchants.c.merchant, rollout_merchants.c.digest, rollout_merchants.c.wave)
        columns = (*member_columns, rollouts.c.name, rollouts.c.state)
        joined = rollout_merchants.join(rollouts, rollouts.c.id == rollout_merchants.c.rollout_id)
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(*columns).select_from(joined).where(rollout_merchants.c.held))
            return tuple(HoldRow(*row) for row in rows)

    async def release_holds(self, merchants: Collection[str]) -> None:
        """Release these merchants from whichever rollout holds them."""
        if merchants:
            async with self._database.writing() as transaction:
                await transaction.execute(_RELEASE_HOLD, [{"whose": name} for name in merchants])

    async def _take_claim(self, by_force: bool) -> bool:
        claim, is_taken = self._database.rollout_claim, False
        try:
            async with self._database.writing():
                is_taken = await claim.take()
                if not is_taken and by_force:
                    await claim.revoke()
                    is_taken = await claim.take()
        except BaseException:
            # Whoever asked does not know of it: kept, it would stand in the way of this process itself.
            if is_taken:
                await claim.give_back()
            raise
        return is_taken

    async def _keep_claim_alive(self) -> None:
        """Send heartbeats until cancelled; returns where the claim is lost: the row names another owner then."""
        with suppress(LeaseLost):
            await keep_alive(self._database.rollout_claim, self._lease_s)


async def read_rollout_names(transaction: AsyncConnection, states: Collection[str]) -> dict[str, str]:
    """As `Rollouts.load_names_by_merchant`, within the caller's transaction."""
    joined = rollout_merchants.join(rollouts, rollouts.c.id == rollout_merchants.c.rollout_id)
    query = select(rollout_merchants.c.merchant, rollouts.c.name).select_from(joined)
    rows = await transaction.execute(query.where(rollouts.c.state.in_(map(str, states))))
    return {row.merchant: row.name for row in rows}


_RELEASE_HOLD = (
    update(rollout_merchants)
    .where(rollout_merchants.c.merchant == bindparam("whose"), rollout_merchants.c.held)
    .values(held=False)
)


def parse_owner(owner_json: str) -> ProcessIdentity:
    """The process in a row's `owner`."""
    return ProcessIdentity(**json.loads(owner_json))


def _owner_json(owner: ProcessIdentity) -> str:
    """A process as text, always spelled the same: the database compares it."""
    return json.dumps(asdict(owner), sort_keys=True)


def _from_row(row: Row[Any]) -> RolloutRow:
    values = {name: getattr(row, name) for name in RolloutRow.__dataclass_fields__}
    return RolloutRow(**values | {"owner": parse_owner(row.owner)})
