"""What each run did: when, to whom, how it ended, and how many changes of each class it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from state.database import Database
from state.tables import events, runs, writes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a merchant in a run. `detail` is JSON."""

    at: datetime
    run_id: int
    merchant: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


async def begin_run(database: Database, verb: str, at: datetime) -> int:
    """The run's id. A run that was killed stays without an end."""
    async with database.writing() as transaction:
        result = await transaction.execute(insert(runs).returning(runs.c.id), {"verb": verb, "started_at": at})
        return int(result.scalar_one())


async def end_run(database: Database, run_id: int, exit_code: int, summary: Mapping[str, Any], at: datetime) -> None:
    ended = {"exit_code": exit_code, "summary": dict(summary), "ended_at": at}
    async with database.writing() as transaction:
        await transaction.execute(update(runs).where(runs.c.id == run_id).values(ended))


async def note_events(database: Database, run_id: int, happened: Iterable[Event]) -> None:
    rows = [
        {"run_id": run_id, "at": event.at, "merchant": event.merchant, "what": event.what, "detail": dict(event.detail)}
        for event in happened
    ]
    if rows:
        async with database.writing() as transaction:
            await transaction.execute(insert(events), rows)


async def history(database: Database, merchant: str) -> tuple[Event, ...]:
    """The oldest first."""
    columns = (events.c.at, events.c.run_id, events.c.merchant, events.c.what, events.c.detail)
    async with database.reading() as transaction:
        rows = await transaction.execute(select(*columns).where(events.c.merchant == merchant).order_by(events.c.id))
        return tuple(Event(*row) for row in rows)


async def note_writes(database: Database, run_id: int, counts: Mapping[str, int], at: datetime) -> None:
    """Add to the rolling window: how many changes of each class have just been made."""
    rows = [{"run_id": run_id, "at": at, "change_class": name, "count": count} for name, count in counts.items()]
    if rows:
        async with database.writing() as transaction:
            await transaction.execute(insert(writes), rows)


async def writes_since(database: Database, at: datetime) -> dict[str, int]:
    """How many changes of each class were made at or after that instant, over all runs."""
    total = select(writes.c.change_class, func.sum(writes.c.count)).where(writes.c.at >= at)
    async with database.reading() as transaction:
        rows = await transaction.execute(total.group_by(writes.c.change_class))
        return {name: int(count) for name, count in rows}
