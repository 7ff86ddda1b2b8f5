"""Alerts to announce: each start and each end of a finding once, whichever process announces it, after any restart.

due ─▶ claimed for CLAIM_LEASE ─▶ announced     a process that claims and dies leaves it to the next
standing topics: announced and not over, named by what stays the same as long as they are
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, or_, select, update

from state.database import Database, upsert
from state.findings import ANNOUNCE_DUE, ANNOUNCED_FOUND, ANNOUNCED_GONE, FIELDS, OccurrenceRow
from state.tables import occurrences, told

CLAIM_LEASE = timedelta(minutes=5)
"""How long a process may take to announce what it claimed: much longer than a message takes."""

Topic = tuple[str, str]
"""Subject and identity: (`failure acme`, its reason without the parts that vary)."""


@dataclass(frozen=True, slots=True)
class DueAlert:
    """An occurrence with something to announce. `is_new`: that it came was not announced yet; else that it ended."""

    occurrence: OccurrenceRow
    is_new: bool


class Alerts:
    """The alerts that are to be announced, and those that stand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_due(self, at: datetime) -> tuple[DueAlert, ...]:
        """Claim everything that is due and that no other process has claimed; the caller announces it now."""
        not_announced = occurrences.c.told == ANNOUNCE_DUE
        end_not_announced = (occurrences.c.told == ANNOUNCED_FOUND) & occurrences.c.gone_at.is_not(None)
        claimed_from = occurrences.c.told_from
        # From later than a lease: claimed before the clock was put back, by a process that may have died since.
        not_claimed = or_(claimed_from.is_(None), claimed_from < at - CLAIM_LEASE, claimed_from > at + CLAIM_LEASE)
        columns = [occurrences.c[name] for name in FIELDS]
        query = select(*columns, occurrences.c.told).where(or_(not_announced, end_not_announced), not_claimed)
        query = query.order_by(occurrences.c.id)
        # Mostly nothing is due: find that out without waiting for the one writer.
        async with self._database.reading() as transaction:
            if (await transaction.execute(query.limit(1))).first() is None:
                return ()
        async with self._database.writing() as transaction:
            rows = await transaction.execute(query)
            due = [DueAlert(OccurrenceRow(*row[:-1]), is_new=row[-1] == ANNOUNCE_DUE) for row in rows]
            if due:  # another process may have claimed them before it was this one's turn to write
                claims = [{"row_id": alert.occurrence.id, "claimed_at": at} for alert in due]
                await transaction.execute(_SET_CLAIM, claims)
        return tuple(due)

    async def mark_announced(self, due: Collection[DueAlert]) -> None:
        """Record that they were announced as they were claimed; one that has ended since is due again."""
        rows = [
            {
                "row_id": alert.occurrence.id,
                "announced": ANNOUNCED_GONE if alert.occurrence.gone_at else ANNOUNCED_FOUND,
            }
            for alert in due
        ]
        if rows:
            statement = update(occurrences).where(occurrences.c.id == bindparam("row_id"))
            async with self._database.writing() as transaction:
                await transaction.execute(statement.values(told=bindparam("announced"), told_from=None), rows)

    async def give_back(self, due: Collection[DueAlert]) -> None:
        """Give up the claim on what could not be announced: it is due again."""
        if due:
            async with self._database.writing() as transaction:
                await transaction.execute(
                    _SET_CLAIM, [{"row_id": alert.occurrence.id, "claimed_at": None} for alert in due]
                )

    async def load_standing_topics(self) -> frozenset[Topic]:
        """The topics that were announced and are not over."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(told.c.topic, told.c.identity))
            return frozenset((row.topic, row.identity) for row in rows)

    async def update_standing_topics(self, new: Iterable[Topic], over: Iterable[Topic], at: datetime) -> None:
        """Record the topics that were announced, and delete those that are over."""
        new_rows = [{"topic": subject, "identity": identity, "since": at} for subject, identity in new]
        over_keys = [{"over_topic": subject, "over_identity": identity} for subject, identity in over]
        if not new_rows and not over_keys:
            return
        async with self._database.writing() as transaction:
            if over_keys:
                is_over = (told.c.topic == bindparam("over_topic")) & (told.c.identity == bindparam("over_identity"))
                await transaction.execute(delete(told).where(is_over), over_keys)
            await upsert(transaction, told, new_rows)


_SET_CLAIM = (
    update(occurrences).where(occurrences.c.id == bindparam("row_id")).values(told_from=bindparam("claimed_at"))
)
