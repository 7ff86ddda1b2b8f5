"""Intents: what cannot be taken back is recorded before its request is sent, so that a crash never leads to two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from state.async_engine import AsyncConnection
from state.bindings import upsert_binding
from state.database import Database
from state.errors import CompanyBeingCreated, StateProblem
from state.lock import StateLock, prove_all, require_all_held
from state.tables import intents, merchants


@dataclass(frozen=True, slots=True)
class Intent:
    """A create or a deletion that was about to be sent at `begun_at`, and whose outcome is not recorded yet.

    kind        "company", "connection" or "account"; "delete" (of a company) or "delete-connection"
    name        by which a created company is recognised: its desired name, stripped; the id of a deleted connection;
                the reference that has an account created
    company_id  of a connection, and of what is deleted: the company
    platform    of a connection that is created: its platform key
    key         idempotency key of the request, unique over all states; None in rows of earlier versions
    missed_at   begin of the first complete listing that did not show what it may have created
    """

    id: int
    merchant: str
    kind: str
    name: str
    company_id: str | None
    platform: str | None
    begun_at: datetime
    key: str | None = None
    missed_at: datetime | None = None

    @property
    def is_deletion(self) -> bool:
        """Whether it deletes something, which may be asked for twice."""
        return self.kind.startswith("delete")


@dataclass(frozen=True, slots=True)
class SeenCompanies:
    """The companies of a listing. `began`: what was created after that may not be among them."""

    began: datetime
    ids: frozenset[str] = frozenset()


class Intents:
    """The intents of all merchants."""

    def __init__(self, database: Database, locks: Sequence[StateLock]) -> None:
        self._database = database
        self._locks = locks

    async def begin(
        self,
        merchant: str,
        kind: str,
        *,
        name: str,
        company_id: str | None,
        platform: str | None,
        at: datetime,
        seen: SeenCompanies | None = None,
    ) -> Intent:
        """Insert an intent, durably before it returns.

        seen  of a company: what whoever creates it has seen. Raises CompanyBeingCreated where one of that name is not
              among it, and was created for another merchant: renamed in Git at this very moment, one merchant may be
              known to two runs by two names, whose leases differ

        Raises as `StateLock.prove` where the lock was taken here and is lost: then the create must not be sent.
        """
        columns = {"merchant": merchant, "kind": kind, "name": name, "company_id": company_id, "platform": platform}
        inserted = insert(intents).values({**columns, "begun_at": at, "key": str(uuid4())}).returning(intents)
        async with self._database.writing() as transaction:
            # Checked in the same transaction: whoever takes the lock next sees this intent, or it was never written.
            await require_all_held(self._locks, transaction)
            if seen:
                await _refuse_second_company(transaction, name, merchant, seen)
            intent = _from_row((await transaction.execute(inserted)).one())
        try:
            await prove_all(self._locks)  # a process that was stopped after the commit must not send what it announces
        except StateProblem:
            await self.close(intent.id, outcome="not done", at=at)
            raise
        return intent

    async def mark_missed(self, intent_id: int, at: datetime) -> None:
        """Record that a complete listing begun at `at` did not show what this may have created; the first is kept."""
        async with self._database.writing() as transaction:
            not_missed_before = (intents.c.id == intent_id) & intents.c.missed_at.is_(None)
            await transaction.execute(update(intents).where(not_missed_before).values(missed_at=at))

    async def close(self, intent_id: int, *, outcome: str, at: datetime) -> None:
        """Close an open intent; one that is closed stays as it is."""
        async with self._database.writing() as transaction:
            await _close(transaction, intent_id, outcome, at)

    async def load_open(self) -> tuple[Intent, ...]:
        """The open intents of all merchants, the oldest first."""
        async with self._database.reading() as transaction:
            return await read_open_intents(transaction)

    async def settle_company(
        self, intent_id: int, merchant: str, *, company_id: str, company_name: str, at: datetime
    ) -> None:
        """The company was created: bind it and close the intent, in one commit."""
        await self._settle(intent_id, merchant, at, company_id=company_id, company_name=company_name)

    async def settle_connection(self, intent_id: int, merchant: str, *, connection_id: str, at: datetime) -> None:
        """The connection was created: bind it and close the intent, in one commit."""
        await self._settle(intent_id, merchant, at, connection_id=connection_id)

    async def _settle(self, intent_id: int, merchant: str, at: datetime, **columns: Any) -> None:
        """Bind what the create made (`columns` of the binding) and close the intent, in one commit."""
        async with self._database.writing() as transaction:
            await upsert_binding(transaction, merchant, **columns)
            await _close(transaction, intent_id, "done", at)


_OPEN_INTENTS = select(intents).where(intents.c.closed_at.is_(None)).order_by(intents.c.id)


async def read_open_intents(transaction: AsyncConnection) -> tuple[Intent, ...]:
    """As `Intents.load_open`, within the caller's transaction."""
    return tuple(_from_row(row) for row in await transaction.execute(_OPEN_INTENTS))


async def _refuse_second_company(transaction: AsyncConnection, name: str, merchant: str, seen: SeenCompanies) -> None:
    """Raises CompanyBeingCreated."""
    is_of_another = (intents.c.kind == "company") & (intents.c.name == name) & (intents.c.merchant != merchant)
    is_open = intents.c.closed_at.is_(None)
    was_done_lately = (intents.c.closed_at >= seen.began) & (intents.c.outcome == "done")
    query = (
        select(intents.c.merchant, is_open.label("is_open"), merchants.c.company_id)
        .outerjoin_from(intents, merchants, merchants.c.merchant == intents.c.merchant)
        .where(is_of_another & (is_open | was_done_lately))
    )
    for other in await transaction.execute(query):
        # One that was seen stands in nobody's way: it may have given the name up since, in this very run.
        if other.is_open or other.company_id not in seen.ids:
            raise CompanyBeingCreated(name, other.merchant)


async def _close(transaction: AsyncConnection, intent_id: int, outcome: str, at: datetime) -> None:
    is_open = (intents.c.id == intent_id) & intents.c.closed_at.is_(None)
    await transaction.execute(update(intents).where(is_open).values(closed_at=at, outcome=outcome))


def _from_row(row: Row[Any]) -> Intent:
    columns = (row.id, row.merchant, row.kind, row.name, row.company_id, row.platform, row.begun_at)
    return Intent(*columns, row.key, row.missed_at)
