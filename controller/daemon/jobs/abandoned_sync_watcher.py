"""A merchant that a dead `sync` has left switched off is looked at now, not when its turn comes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field

import structlog

from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Lane, Queue
from controller.quick_dataclasses import dataclass
from state import Store
from state.errors import StateProblem

MANUAL_SYNC_CHECK_INTERVAL_S = 10.0

log = structlog.get_logger()


@dataclass(slots=True)
class AbandonedSyncWatcher:
    """`asked`: the manual syncs that a look was asked for. That asks for the next itself while one runs still."""

    store: Store
    queue: Queue
    asked: Collection[int] = field(default_factory=frozenset)

    @property
    def timer(self) -> Timer:
        return Timer("manual_syncs", MANUAL_SYNC_CHECK_INTERVAL_S, self.enqueue_abandoned)

    async def enqueue_abandoned(self) -> None:
        try:
            left = [row for row in await self.store.manual_syncs.load_open() if not row.is_alive]
        except StateProblem as problem:
            log.warning("manual_sync_rows_unreadable", reason=str(problem))
            return
        if new := [row.merchant for row in left if row.id not in self.asked]:
            self.queue.add(new, lane=Lane.EVENT)
        self.asked = frozenset(row.id for row in left)
