"""Webhook deliveries: saved before they are acknowledged, recognised when repeated, closed by the pass that follows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, true, update

from state.database import Database, insert_new
from state.due import Ask, schedule_looks_in_transaction
from state.merchant_records import MAX_NAMES_IN_QUERY
from state.proven_deliveries import DeliveryProof, record_proof
from state.tables import inbox, merchants

CLOSED_DELIVERY_RETENTION = timedelta(days=7)
"""How long a repeated delivery is recognised after it was closed. Codat repeats for about 28 hours (API notes 6.5)."""


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """One event as it came in.

    id          the same in all repetitions of one delivery
    event       Codat's event type, of either webhook generation
    company_id  the company it is about; None for events of the whole account
    proof       what proved it; None = it is not to be remembered
    proven_at   when, by Codat's clock; None = at `received_at`, which is by this machine's
    """

    id: str
    event: str
    company_id: str | None
    received_at: datetime
    proof: DeliveryProof | None = None
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """What became of a delivery.

    is_first   False for a repetition
    merchants  those that wait for a pass because of it: none where no merchant is bound to its company, or where a
               pass has looked at them since
    is_new_proof  its event was proven by this key for the first time
    """

    is_first: bool
    merchants: tuple[str, ...]
    is_new_proof: bool = False


class Inbox:
    """The webhook deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_and_schedule_looks(self, delivery: ReceivedDelivery) -> DeliveryReceipt:
        """Save a delivery, and ask for a look at its merchants, durably before it returns. One that is about no bound
        merchant is closed at once."""
        async with self._database.writing() as transaction:
            bound_to_company = merchants.c.company_id == delivery.company_id
            query = select(merchants.c.merchant).where(bound_to_company, _IS_NOT_RETIRED).order_by(merchants.c.merchant)
            bound = tuple((await transaction.execute(query)).scalars())
            row = {
                "id": delivery.id,
                "received_at": delivery.received_at,
                "event": delivery.event,
                "company_id": delivery.company_id,
                "handled_at": None if bound else delivery.received_at,
            }
            is_first = await insert_new(transaction, inbox, row)
            is_new_proof = delivery.proof is not None and await record_proof(
                transaction, delivery.event, delivery.proof, delivery.proven_at or delivery.received_at
            )
            is_open = is_first or await transaction.scalar(
                select(inbox.c.id).where(inbox.c.id == delivery.id, _IS_UNHANDLED)
            )
            merchants_due = bound if is_open else ()
            await schedule_looks_in_transaction(transaction, dict.fromkeys(merchants_due, Ask()))
            return DeliveryReceipt(is_first, merchants_due, is_new_proof)

    async def load_waiting_merchants(self) -> tuple[str, ...]:
        """The merchants that open deliveries are about: no pass has looked at them since."""
        query = select(merchants.c.merchant).distinct().join(inbox, inbox.c.company_id == merchants.c.company_id)
        async with self._database.reading() as transaction:
            rows = await transaction.execute(query.where(_IS_UNHANDLED, _IS_NOT_RETIRED).order_by(merchants.c.merchant))
            return tuple(rows.scalars())

    async def close_deliveries(
        self, names: Collection[str] | None, *, excluding: Collection[str] = (), received_until: datetime, at: datetime
    ) -> None:
        """Close the deliveries about these merchants (None: all) that came before a pass over them began.

        names           the merchants of the pass; None = all, and then deliveries closed long ago are deleted too
        excluding       merchants that it was not about after all: theirs stay open
        received_until  when the pass began: what came later is still to be looked at
        """
        if names is not None:
            # Most passes over single merchants follow no delivery: do not make them wait for the one writer.
            async with self._database.reading() as transaction:
                if await transaction.scalar(select(inbox.c.id).where(_IS_UNHANDLED).limit(1)) is None:
                    return
        async with self._database.writing() as transaction:
            for is_about in (true(),) if names is None else _batched_conditions(sorted(names)):
                open_until = _IS_UNHANDLED & (inbox.c.received_at <= received_until)
                for is_about_others in _batched_conditions(sorted(excluding)):
                    open_until &= ~is_about_others
                await transaction.execute(update(inbox).where(open_until, is_about).values(handled_at=at))
            if names is None:
                await transaction.execute(delete(inbox).where(inbox.c.handled_at < at - CLOSED_DELIVERY_RETENTION))


def _batched_conditions(names: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """Conditions for deliveries about these merchants, some names each: databases limit the names of a query."""
    for start in range(0, len(names), MAX_NAMES_IN_QUERY):
        batch = merchants.c.merchant.in_(names[start : start + MAX_NAMES_IN_QUERY])
        is_bound = merchants.c.company_id.is_not(None)  # `NOT IN` an unknown value is true of nothing
        yield inbox.c.company_id.in_(select(merchants.c.company_id).where(batch, is_bound))


_IS_UNHANDLED = inbox.c.handled_at.is_(None)
_IS_NOT_RETIRED = merchants.c.retired_at.is_(None)
