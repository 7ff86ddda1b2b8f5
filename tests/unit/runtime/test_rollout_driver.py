"""A rollout that cannot be carried on is tried again for as long as that takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from structlog.testing import capture_logs

from controller.daemon.context import DaemonState
from controller.daemon.pass_lock import PassLock
from controller.daemon.rollout_driver import MAX_RETRY_WAIT_S, RolloutDriver
from controller.model.controller_status import ControllerStatus
from controller.model.desired import Fleet
from controller.reconcile.context import RunContext
from state import ProcessIdentity, open_state
from tests.unit.runtime.test_pass_lock import StateLock

FLEET = Fleet({}, frozenset(), (), True, "")


async def test_what_fails_for_a_week_is_tried_every_few_minutes_and_ends_nothing(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    async with open_state(f"sqlite:///{database}") as store:
        database.rename(tmp_path / "elsewhere")
        driver = RolloutDriver(
            cast(RunContext, SimpleNamespace(store=store)),
            PassLock(StateLock(), lambda: FLEET),
            DaemonState(ControllerStatus()),
            ProcessIdentity.current("run"),
            fleet=lambda: FLEET,
            may_write=lambda: True,
        )
        with capture_logs() as log:
            for _ in range(7 * 24 * 12):
                driver.retry_at = 0
                await driver.drive()
        waits = [each["retry_in_seconds"] for each in log]
        assert (waits[:3], waits[-1], len(waits)) == ([5, 10, 20], MAX_RETRY_WAIT_S, 7 * 24 * 12)
        (tmp_path / "elsewhere").rename(database)
