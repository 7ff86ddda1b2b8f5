"""This controller's sign of life in the state: by it others know that what stands there is kept up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import structlog

from controller.daemon.scheduler import Timer
from controller.model.controller_status import ControllerStatus
from controller.quick_dataclasses import dataclass
from state import ProcessIdentity, Store
from state.errors import StateProblem

SIGN_OF_LIFE_INTERVAL_S = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Tells that this process lives, at which manifests it keeps the fleet, and whether its passes come through."""

    process: ProcessIdentity
    store: Store
    latest: Callable[[], ControllerStatus]
    revision: Callable[[], str]
    now: Callable[[], datetime]

    @property
    def timer(self) -> Timer:
        return Timer("heartbeat", SIGN_OF_LIFE_INTERVAL_S, self.beat, at_once=True)

    async def beat(self) -> None:
        latest = self.latest()
        try:
            await self.store.controllers.record_alive_and_prune(
                self.process,
                self.now(),
                revision=self.revision(),
                report_only=latest.report_only,
                failure=latest.pass_failure,
            )
        except StateProblem as problem:
            log.warning("heartbeat_not_recorded", reason=str(problem))

    @asynccontextmanager
    async def remove_at_end(self) -> AsyncIterator[None]:
        """What it leaves in the state goes when this ends; a process that is killed is known by its silence."""
        try:
            yield
        finally:
            with suppress(StateProblem):
                await self.store.controllers.remove(self.process)
