"""The `run` processes that work on this state, each with its last sign of life. A lost row says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, select

from state.database import Database, upsert
from state.process import ProcessIdentity
from state.tables import controllers

ALIVE_WITHIN = timedelta(minutes=1)
"""A controller lives whose last sign of life lies no further from now, either way: a clock may have been put back."""

FORGOTTEN_AFTER = timedelta(days=1)
"""A controller that was killed leaves its row; after so long nobody wants to know of it any more."""


@dataclass(frozen=True, slots=True)
class ControllerRow:
    """A controller.

    started      as of `ProcessIdentity`
    alive_at     its last sign of life
    revision     a hash of the manifests that it keeps the fleet at
    report_only  it writes nothing
    failure      why its last pass failed; None where it did not
    """

    host: str
    pid: int
    started: str
    alive_at: datetime
    revision: str
    report_only: bool
    failure: str | None

    def is_alive(self, now: datetime) -> bool:
        """Whether it gave a sign of life lately, and is not known to have ended since: here that can be seen."""
        if abs(now - self.alive_at) > ALIVE_WITHIN:
            return False
        return not ProcessIdentity(self.host, self.pid, self.started, "").has_surely_ended()


class Controllers:
    """The controllers of this state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_alive_and_prune(
        self, process: ProcessIdentity, at: datetime, *, revision: str, report_only: bool, failure: str | None
    ) -> None:
        """A sign of life of this process; those that died long ago are forgotten."""
        row = {"host": process.host, "pid": process.pid, "started": process.started, "alive_at": at}
        row |= {"revision": revision, "report_only": report_only, "failure": failure}
        async with self._database.writing() as transaction:
            await upsert(transaction, controllers, [row])
            await transaction.execute(delete(controllers).where(controllers.c.alive_at < at - FORGOTTEN_AFTER))

    async def remove(self, process: ProcessIdentity) -> None:
        """This process ends."""
        is_this_one = and_(
            controllers.c.host == process.host,
            controllers.c.pid == process.pid,
            controllers.c.started == process.started,
        )
        async with self._database.writing() as transaction:
            await transaction.execute(delete(controllers).where(is_this_one))

    async def load(self) -> list[ControllerRow]:
        """All that are recorded, dead or alive, the newest sign of life first."""
        query = select(*(controllers.c[name] for name in ControllerRow.__dataclass_fields__))
        async with self._database.reading() as transaction:
            rows = await transaction.execute(query.order_by(controllers.c.alive_at.desc()))
            return [ControllerRow(*row) for row in rows]

    async def load_alive(self, now: datetime) -> list[ControllerRow]:
        """Those that live, the newest sign of life first."""
        return [each for each in await self.load() if each.is_alive(now)]
