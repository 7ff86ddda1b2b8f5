"""How each merchant's latest sync went: a few merchants a minute, the whole fleet once per round.

What is read goes into the state, where the next plan finds it; whose sync fails, or does so no more, is looked at now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import structlog

from controller.model.errors import RemoteError
from controller.model.latest import Latest
from controller.model.plan import Plan, Truth
from controller.planning.last_sync import is_failure
from controller.reconcile.last_sync import SyncReading, read_sync
from controller.runtime.scheduler import Timer
from controller.runtime.workqueue import Queue
from state import Store, SyncRow

EVERY = 60.0
"""Seconds from one few to the next."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rota:
    """Reads in turn. `round` is in seconds: in that time everybody has his turn."""

    api: SyncReading
    store: Store
    queue: Queue
    latest: Callable[[], Latest]
    now: Callable[[], datetime]
    round: float

    @property
    def timer(self) -> Timer:
        return Timer("rota", min(EVERY, self.round), self.read_some)

    async def read_some(self) -> None:
        """The next few. One that cannot be read ends it for this time: whoever was left out comes first the next."""
        known = await self.store.syncs()
        rows: list[SyncRow] = []
        try:
            for plan in self._next(known):
                assert plan.company_id is not None, "in service is only who has a company"
                before = known.get(plan.merchant)
                rows.append(await read_sync(plan.merchant, plan.company_id, before, self.api, self.now()))
        except RemoteError as error:
            log.warning("sync status not read", why=str(error))
        await self.store.note_syncs(rows)
        self.queue.add(row.merchant for row in rows if _turned(known.get(row.merchant), row))

    def _next(self, known: Mapping[str, SyncRow]) -> list[Plan]:
        plan = self.latest().plan
        ready = in_service(plan.plans) if plan else []
        return next_few(ready, known, self.now(), self.round, self.timer.seconds)


def in_service(plans: Iterable[Plan]) -> list[Plan]:
    """Whose sales the service is to synchronise: linked on both sides, configured and switched on."""
    return [
        plan
        for plan in plans
        if plan.company_id and any(each.type == "Ready" and each.status is Truth.TRUE for each in plan.conditions)
    ]


def next_few(plans: list[Plan], known: Mapping[str, SyncRow], now: datetime, round_: float, every: float) -> list[Plan]:
    """Those whose turn it is, never read and longest unread first; so many that a round gets through."""
    read = {plan.merchant: known[plan.merchant].read_at for plan in plans if plan.merchant in known}
    due = [
        plan for plan in plans if plan.merchant not in read or now - read[plan.merchant] >= timedelta(seconds=round_)
    ]
    due.sort(key=lambda plan: (plan.merchant in read, read.get(plan.merchant, now), plan.merchant))
    return due[: ceil(len(plans) * every / round_)]


def _turned(before: SyncRow | None, row: SyncRow) -> bool:
    """From well to failed, or back."""
    return is_failure(row.code) != (before is not None and is_failure(before.code))
