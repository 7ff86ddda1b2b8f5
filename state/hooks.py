"""Rules and webhook consumers at Codat that we created, found, or began to create; the row is there before the request.

begun (no remote_id) ─▶ bound ─▶ replaced by a newer one ─▶ gone
      └─ not done ─▶ gone
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from state.async_engine import AsyncConnection
from state.database import Database
from state.errors import StateProblem
from state.lock import StateLock, prove_all, require_all_held
from state.tables import hooks


@dataclass(frozen=True, slots=True)
class HookRow:
    """One that is not gone.

    kind, name   a rule or a consumer, and what the manifests call it
    declared     as which it was created, as JSON
    known_ids    who was there just before it was begun
    remote_id    Codat's id; None while the answer of its create is not known
    replaced_at  when a newer one took its place; None: it is the one of its name
    """

    id: int
    kind: str
    name: str
    declared: Mapping[str, Any]
    known_ids: Collection[str]
    begun_at: datetime
    remote_id: str | None
    replaced_at: datetime | None


class Hooks:
    """The rules and consumers."""

    def __init__(self, database: Database, locks: Sequence[StateLock]) -> None:
        self._database, self._locks = database, locks

    async def load(self) -> list[HookRow]:
        """All that are not gone, the oldest first."""
        columns = (hooks.c[name] for name in HookRow.__dataclass_fields__)
        query = select(*columns).where(hooks.c.gone_at.is_(None)).order_by(hooks.c.id)
        async with self._database.reading() as transaction:
            return [HookRow(*row) for row in await transaction.execute(query)]

    async def begin(
        self, kind: str, name: str, declared: Mapping[str, Any], *, known_ids: Collection[str], at: datetime
    ) -> int:
        """Insert one that is about to be created, durably before it returns its number.

        Raises as `StateLock.prove` where the lock was taken here and is lost: then the create must not be sent.
        """
        row = {"kind": kind, "name": name, "declared": declared, "known_ids": sorted(known_ids), "begun_at": at}
        async with self._database.writing() as transaction:
            # As for an intent: whoever takes the lock next sees this row, or it was never written.
            await require_all_held(self._locks, transaction)
            number: int = (await transaction.execute(insert(hooks).values(row).returning(hooks.c.id))).scalar_one()
        try:
            await prove_all(self._locks)
        except StateProblem:
            await self.mark_gone(number, at)
            raise
        return number

    async def bind_and_replace_others(self, number: int, remote_id: str, at: datetime) -> None:
        """It is there, under this id, and takes the place of any other of its kind and name."""
        async with self._database.writing() as transaction:
            await transaction.execute(update(hooks).where(hooks.c.id == number).values(remote_id=remote_id))
            await _mark_others_replaced(transaction, number, at)

    async def adopt_and_replace_others(
        self, kind: str, name: str, declared: Mapping[str, Any], remote_id: str, at: datetime
    ) -> None:
        """One that was found as it is declared."""
        row = {"kind": kind, "name": name, "declared": declared, "known_ids": [], "begun_at": at}
        async with self._database.writing() as transaction:
            inserted = insert(hooks).values({**row, "remote_id": remote_id}).returning(hooks.c.id)
            await _mark_others_replaced(transaction, (await transaction.execute(inserted)).scalar_one(), at)

    async def save_declared(self, number: int, declared: Mapping[str, Any]) -> None:
        """What is remembered of how it is declared, where that says more by now."""
        async with self._database.writing() as transaction:
            await transaction.execute(update(hooks).where(hooks.c.id == number).values(declared=declared))

    async def mark_gone(self, number: int, at: datetime) -> None:
        """It was deleted, or its create was not done."""
        async with self._database.writing() as transaction:
            await transaction.execute(update(hooks).where(hooks.c.id == number).values(gone_at=at))


async def _mark_others_replaced(transaction: AsyncConnection, number: int, at: datetime) -> None:
    own = select(hooks.c.kind, hooks.c.name).where(hooks.c.id == number).subquery()
    others = (
        (hooks.c.kind == select(own.c.kind).scalar_subquery())
        & (hooks.c.name == select(own.c.name).scalar_subquery())
        & (hooks.c.id != number)
        & hooks.c.replaced_at.is_(None)
        & hooks.c.gone_at.is_(None)
    )
    await transaction.execute(update(hooks).where(others).values(replaced_at=at))
