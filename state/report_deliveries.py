"""Deliveries of scheduled reports: each goes once to each of its destinations, whichever process sends it.

absent ─▶ claimed ─▶ delivered       claimed and never finished (the process died): nobody knows whether it arrived, so
              └────▶ failed ─▶ claimed again, after `retry_at`                        it is not sent again
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update

from state.database import Database, insert_new
from state.tables import report_deliveries


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """One report of one time, to one destination."""

    report: str
    due_at: datetime
    destination: str


@dataclass(frozen=True, slots=True)
class ReportDeliveryRow:
    """How a delivery stands. `delivered_at`: None while it has not arrived; `failure`: why not, at the last try."""

    report: str
    due_at: datetime
    destination: str
    claimed_at: datetime | None
    attempts: int
    retry_at: datetime | None
    delivered_at: datetime | None
    failure: str | None


class ReportDeliveries:
    """The deliveries of all reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_last_due(self, report: str) -> datetime | None:
        """The latest time for which this report was begun to be delivered; None = it never was."""
        query = select(func.max(report_deliveries.c.due_at)).where(report_deliveries.c.report == report)
        async with self._database.reading() as transaction:
            due: datetime | None = (await transaction.execute(query)).scalar_one()
            return due

    async def load(self, report: str, due_at: datetime) -> tuple[ReportDeliveryRow, ...]:
        columns = [report_deliveries.c[name] for name in ReportDeliveryRow.__dataclass_fields__]
        is_of = (report_deliveries.c.report == report) & (report_deliveries.c.due_at == due_at)
        query = select(*columns).where(is_of).order_by(report_deliveries.c.destination)
        async with self._database.reading() as transaction:
            return tuple(ReportDeliveryRow(*row) for row in await transaction.execute(query))

    async def load_last_sent(self) -> dict[tuple[str, str], datetime]:
        """By report and destination, when something was last delivered there; what was skipped is no delivery."""
        table = report_deliveries
        query = select(table.c.report, table.c.destination, func.max(table.c.delivered_at))
        query = query.where(table.c.attempts > 0, table.c.delivered_at.is_not(None))
        query = query.group_by(table.c.report, table.c.destination)
        async with self._database.reading() as transaction:
            return {(report, where): at for report, where, at in await transaction.execute(query)}

    async def claim(self, key: DeliveryKey, at: datetime, *, believed_until: datetime | None = None) -> bool:
        """Whether this process is to deliver it now: nobody has begun, or the last try failed and is due again.

        believed_until  a try that is put off for longer was so by a clock that was wrong, and is due; None = none was
        """
        new = {"report": key.report, "due_at": key.due_at, "destination": key.destination}
        retry_at = report_deliveries.c.retry_at
        is_its_time = retry_at <= at if believed_until is None else (retry_at <= at) | (retry_at > believed_until)
        is_due_again = report_deliveries.c.claimed_at.is_(None) & is_its_time
        again = update(report_deliveries).where(_has_key(key), is_due_again)
        async with self._database.writing() as transaction:
            if await insert_new(transaction, report_deliveries, {**new, "claimed_at": at, "attempts": 1}):
                return True
            values = {"claimed_at": at, "attempts": report_deliveries.c.attempts + 1}
            return await transaction.execute_and_count(again.values(values)) == 1

    async def mark_delivered(self, key: DeliveryKey, at: datetime) -> None:
        await self._update(key, delivered_at=at, failure=None)

    async def mark_failed(self, key: DeliveryKey, failure: str, retry_at: datetime | None) -> None:
        """It certainly did not arrive; `retry_at`: when it may be tried again, None = never."""
        await self._update(key, claimed_at=None, failure=failure, retry_at=retry_at)

    async def mark_skipped(self, key: DeliveryKey, at: datetime) -> None:
        """Take it for delivered, unless it is there already: what was due before anybody scheduled it."""
        row = {"report": key.report, "due_at": key.due_at, "destination": key.destination, "attempts": 0}
        async with self._database.writing() as transaction:
            await insert_new(transaction, report_deliveries, {**row, "delivered_at": at})

    async def _update(self, key: DeliveryKey, **columns: object) -> None:
        async with self._database.writing() as transaction:
            await transaction.execute(update(report_deliveries).where(_has_key(key)).values(columns))


def _has_key(key: DeliveryKey) -> ColumnElement[bool]:
    table = report_deliveries
    return (table.c.report == key.report) & (table.c.due_at == key.due_at) & (table.c.destination == key.destination)
