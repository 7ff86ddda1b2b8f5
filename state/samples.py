"""How the fleet stood in the course of time: numbers by name, a row every few minutes, thinned with age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from state.database import Database, insert_new
from state.tables import samples

DENSITIES: Sequence[tuple[timedelta, timedelta]] = (
    (timedelta(days=2), timedelta(hours=1)),
    (timedelta(days=35), timedelta(days=1)),
)
"""(older than, one row in each): every sample for two days, one an hour for five weeks, one a day from then on."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The numbers of one moment, by name."""

    at: datetime
    counts: Mapping[str, int]


class Samples:
    """The samples, oldest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, sample: Sample, interval: timedelta) -> bool:
        """Record a sample, unless there is one of less than `interval` ago; whether it was recorded.

        Several processes work on one state, and one sample of each moment is enough.
        """
        async with self._database.writing() as transaction:
            # One that is dated later was recorded before this machine's clock was put back.
            query = select(samples.c.at).where(samples.c.at > sample.at - interval, samples.c.at < sample.at + interval)
            if await transaction.scalar(query.limit(1)) is not None:
                return False
            return await insert_new(transaction, samples, {"at": sample.at, "counts": dict(sample.counts)})

    async def load(self, since: datetime) -> list[Sample]:
        """The samples from that instant on."""
        query = select(samples.c.at, samples.c.counts).where(samples.c.at >= since).order_by(samples.c.at)
        async with self._database.reading() as transaction:
            return [Sample(row.at, row.counts) for row in await transaction.execute(query)]

    async def thin(self, now: datetime) -> int:
        """Delete what is closer together than `DENSITIES` has it; how many."""
        async with self._database.writing() as transaction:
            times = list((await transaction.execute(select(samples.c.at).order_by(samples.c.at))).scalars())
            superfluous = superfluous_samples(times, now)
            if superfluous:
                await transaction.execute(delete(samples).where(samples.c.at.in_(superfluous)))
        return len(superfluous)


def superfluous_samples(times: Sequence[datetime], now: datetime) -> list[datetime]:
    """Of each hour or day, by age, all but the last sample. Pure."""
    kept: dict[tuple[timedelta, int], datetime] = {}
    superfluous = []
    for at in sorted(times):
        steps = [step for older_than, step in DENSITIES if now - at > older_than]
        if not steps:
            continue
        slot = (steps[-1], int(at.timestamp() // steps[-1].total_seconds()))
        if slot in kept:
            superfluous.append(kept[slot])
        kept[slot] = at
    return superfluous
