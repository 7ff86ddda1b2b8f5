"""What other processes saw on the same state is shown here, too, so that every dashboard shows the same fleet.

At the start that is the whole fleet as it was seen last; from then on whoever was looked at elsewhere since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from datetime import datetime

import structlog

from controller.daemon.context import DaemonState
from controller.daemon.scheduler import Timer
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE, SeenMerchant, merge_last_looks
from controller.model.desired import Fleet
from controller.quick_dataclasses import dataclass
from controller.reconcile.last_looks import load_last_look_at_fleet, load_last_looks
from state import Store
from state.errors import StateProblem

SHARED_VIEW_INTERVAL_S = 3.0

UPDATES_PER_COMPLETE_ONE = 20
"""A look is dated by its beginning and kept at its end: those of a long pass come later than what is dated after them.
So often the dates of all are compared."""

log = structlog.get_logger()


@dataclass(slots=True)
class SharedView:
    """Merges what the state has into what this process shows.

    fleet          the manifests in force
    now            this machine's clock
    update_count  how often it has been asked
    """

    store: Store
    state: DaemonState
    fleet: Callable[[], Fleet]
    now: Callable[[], datetime]
    update_count: int = field(default=0, init=False)

    @property
    def timer(self) -> Timer:
        return Timer("shared_view", SHARED_VIEW_INTERVAL_S, self.update, at_once=True)

    async def update(self) -> None:
        try:
            seen = await self._load_later_looks()
            is_due = self.state.latest.plan is None or self.update_count % UPDATES_PER_COMPLETE_ONE == 0
            whole = await load_last_look_at_fleet(self.store) if is_due else None
        except StateProblem as problem:
            log.warning("shared_view_unreadable", reason=str(problem))
            return
        self.state.latest = merge_last_looks(self.state.latest, seen, whole, self.fleet())
        self.state.drop_revised_seen_elsewhere(seen)

    async def _load_later_looks(self) -> dict[str, SeenMerchant]:
        """Those that are not shown yet. To read a plan takes a hundred times as long as to compare its date."""
        looked_at, latest_believed = self.state.latest.looked_at, self.now() + MAX_CLOCK_DIFFERENCE
        newest = max((at for at in looked_at.values() if at <= latest_believed), default=None)
        is_complete = self.update_count % UPDATES_PER_COMPLETE_ONE == 0
        self.update_count += 1
        since = newest - MAX_CLOCK_DIFFERENCE if newest and not is_complete else None
        times = await self.store.last_looks.load_times(since=since)
        later = {name for name, at in times.items() if name not in looked_at or looked_at[name] < at}
        return await load_last_looks(self.store, merchants=later) if later else {}
