"""Runs: when each ran and how it ended, the events of its merchants, and how many changes of each class it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from state.database import Database
from state.tables import events, runs, writes

MAX_RUNS_IN_QUERY = 500
"""So many runs are asked for by their ids at once: databases limit the parameters of a query."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a merchant's history: what happened to it in a run. `detail` is JSON."""

    at: datetime
    run_id: int
    merchant: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunAuthor:
    """Where a run came from.

    verb      `apply`, `run`, the name of a rollout
    user      the system user that started it
    host      where it ran
    revision  of the manifests, as version control names it
    """

    verb: str
    user: str | None = None
    host: str | None = None
    revision: str | None = None


class Runs:
    """All runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, verb: str, at: datetime, *, user: str | None = None, host: str | None = None, revision: str | None = None
    ) -> int:
        """Record the start of a run with its author, as in RunAuthor; returns its id.

        A run that is killed never gets an end.
        """
        columns = {"verb": verb, "whose": user, "host": host, "revision": revision}
        async with self._database.writing() as transaction:
            result = await transaction.execute(insert(runs).returning(runs.c.id), {**columns, "started_at": at})
            return int(result.scalar_one())

    async def load_authors(self, ids: Iterable[int | None]) -> dict[int, RunAuthor]:
        """By id the authors of these runs; runs that are not recorded any more have no entry."""
        run_ids = sorted({id_ for id_ in ids if id_ is not None})
        if not run_ids:
            return {}
        query = select(runs.c.id, runs.c.verb, runs.c.whose, runs.c.host, runs.c.revision)
        authors: dict[int, RunAuthor] = {}
        async with self._database.reading() as transaction:
            # There may be tens of thousands of runs in a day.
            for start in range(0, len(run_ids), MAX_RUNS_IN_QUERY):
                is_wanted = runs.c.id.in_(run_ids[start : start + MAX_RUNS_IN_QUERY])
                authors |= {id_: RunAuthor(*row) for id_, *row in await transaction.execute(query.where(is_wanted))}
        return authors

    async def load_last_start(self, verb: str, not_after: datetime) -> datetime | None:
        """When a run of that verb began last; None where none is recorded.

        not_after  now: what a clock that was ahead has recorded as later is nothing that was yet
        """
        query = select(func.max(runs.c.started_at)).where(runs.c.verb == verb, runs.c.started_at <= not_after)
        async with self._database.reading() as transaction:
            started: datetime | None = (await transaction.execute(query)).scalar_one()
            return started

    async def end(self, run_id: int, exit_code: int, summary: Mapping[str, Any], at: datetime) -> None:
        """Record how a run ended; `summary` is JSON."""
        columns = {"exit_code": exit_code, "summary": dict(summary), "ended_at": at}
        async with self._database.writing() as transaction:
            await transaction.execute(update(runs).where(runs.c.id == run_id).values(columns))

    async def record_events(self, run_id: int, new_events: Iterable[EventRow]) -> None:
        rows = [
            {
                "run_id": run_id,
                "at": event.at,
                "merchant": event.merchant,
                "what": event.what,
                "detail": dict(event.detail),
            }
            for event in new_events
        ]
        if rows:
            async with self._database.writing() as transaction:
                await transaction.execute(insert(events), rows)

    async def load_events(self, merchant: str) -> tuple[EventRow, ...]:
        """All events of a merchant, the oldest first."""
        columns = (events.c.at, events.c.run_id, events.c.merchant, events.c.what, events.c.detail)
        async with self._database.reading() as transaction:
            rows = await transaction.execute(
                select(*columns).where(events.c.merchant == merchant).order_by(events.c.id)
            )
            return tuple(EventRow(*row) for row in rows)

    async def record_writes(self, run_id: int, counts: Mapping[str, int], at: datetime, *, confirmed: bool) -> None:
        """Record how many changes of each class were made. Those not `confirmed` count for the change limits."""
        common = {"run_id": run_id, "at": at, "confirmed": confirmed}
        rows = [{**common, "change_class": name, "count": count} for name, count in counts.items()]
        if rows:
            async with self._database.writing() as transaction:
                await transaction.execute(insert(writes), rows)

    async def count_unconfirmed_writes(self, since: datetime) -> dict[str, int]:
        """By class the number of unconfirmed changes made since that instant, over all runs."""
        query = select(writes.c.change_class, func.sum(writes.c.count)).where(writes.c.at >= since, ~writes.c.confirmed)
        async with self._database.reading() as transaction:
            rows = await transaction.execute(query.group_by(writes.c.change_class))
            return {name: int(count) for name, count in rows}
