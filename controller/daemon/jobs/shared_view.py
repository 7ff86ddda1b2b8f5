"""What other processes saw on the same state is taken over, so that every dashboard shows the same fleet.

At the start that is the whole fleet as it was seen last; from then on whoever was looked at elsewhere since.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from controller.daemon.scheduler import Timer
from controller.daemon.state import DaemonState
from controller.model.controller_status import merge_seen
from controller.model.desired import Fleet
from controller.quick_dataclasses import dataclass
from controller.reconcile.seen import load_seen, load_seen_fleet
from state import Store
from state.errors import StateProblem

SHARED_VIEW_INTERVAL_S = 3.0

CLOCK_DIFFERENCE = timedelta(minutes=2)
"""So far back is read again: the clocks of two machines differ, and a look is dated by its beginning."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SharedView:
    """Merges what the state has into what this process shows. `fleet`: the manifests in force."""

    store: Store
    state: DaemonState
    fleet: Callable[[], Fleet]

    @property
    def timer(self) -> Timer:
        return Timer("shared_view", SHARED_VIEW_INTERVAL_S, self.refresh, at_once=True)

    async def refresh(self) -> None:
        try:
            newest = max(self.state.latest.looked_at.values(), default=None)
            seen = await load_seen(self.store, after=newest - CLOCK_DIFFERENCE if newest else None)
            whole = await load_seen_fleet(self.store) if self.state.latest.plan is None else None
        except StateProblem as problem:
            log.warning("shared_view_unreadable", reason=str(problem))
            return
        self.state.latest = merge_seen(self.state.latest, seen, whole, self.fleet())
