"""Which webhook events came, proven by which key: first and last. A few rows; each delivery only moves its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from state.async_engine import AsyncConnection
from state.database import Database, insert_new
from state.tables import proven_deliveries

AUTHORIZATION_KEY_ID = "authorization"
"""The id of the agreed header of legacy rules: a person chose its value, which a hash would give away."""


@dataclass(frozen=True, slots=True)
class DeliveryProof:
    """What proved a delivery: never the secret itself.

    source  the place of the secret, as a manifest names it (`env WEBHOOK_SECRET_1`); empty for the settings' own
    key_id  tells one key from another
    """

    source: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ProvenDeliveryRow:
    """One event type, as one key proved it."""

    event: str
    source: str
    key_id: str
    first_at: datetime
    last_at: datetime


class ProvenDeliveries:
    """The proven deliveries; they are recorded with the delivery itself (`Inbox.save_and_schedule_looks`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[ProvenDeliveryRow]:
        """All of them, by event."""
        columns = (proven_deliveries.c[name] for name in ProvenDeliveryRow.__dataclass_fields__)
        query = select(*columns).order_by(proven_deliveries.c.event, proven_deliveries.c.source)
        async with self._database.reading() as transaction:
            return [ProvenDeliveryRow(*row) for row in await transaction.execute(query)]


def last_proven_times(rows: Iterable[ProvenDeliveryRow]) -> list[tuple[str, datetime]]:
    """By event when it was last proven, by whichever key; the latest first. Pure."""
    latest: dict[str, datetime] = {}
    for row in rows:
        latest[row.event] = max(row.last_at, latest.get(row.event, row.last_at))
    return sorted(latest.items(), key=lambda each: (-each[1].timestamp(), each[0]))


async def record_proof(transaction: AsyncConnection, event: str, proof: DeliveryProof, at: datetime) -> bool:
    """Within the transaction that saves the delivery; whether this event was proven by this key for the first time."""
    key = {"event": event, "source": proof.source, "key_id": proof.key_id}
    if await insert_new(transaction, proven_deliveries, {**key, "first_at": at, "last_at": at}):
        return True
    is_it = (
        (proven_deliveries.c.event == event)
        & (proven_deliveries.c.source == proof.source)
        & (proven_deliveries.c.key_id == proof.key_id)
    )
    await transaction.execute(proven_deliveries.update().where(is_it).values(last_at=at))
    return False
