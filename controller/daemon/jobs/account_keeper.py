"""The account's own settings are looked at once an hour, and put back where somebody changed them: no event tells of
it (API notes 6)."""

from __future__ import annotations

from collections.abc import Callable

from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Queue
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Fleet
from controller.quick_dataclasses import dataclass

ACCOUNT_LOOK_INTERVAL_S = 3600.0


@dataclass(frozen=True, slots=True)
class AccountKeeper:
    """Puts the account into the queue of merchants, as one of them. `fleet`: the manifests in force."""

    queue: Queue
    fleet: Callable[[], Fleet]

    @property
    def timer(self) -> Timer:
        return Timer("account", ACCOUNT_LOOK_INTERVAL_S, self.enqueue)

    async def enqueue(self) -> None:
        if self.fleet().account_settings:
            self.queue.add([ACCOUNT_NAME])
