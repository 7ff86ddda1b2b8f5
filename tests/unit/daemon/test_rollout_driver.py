"""A rollout that cannot be carried on is tried again for as long as that takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from controller.daemon.context import DaemonState
from controller.daemon.pass_lock import PassLock
from controller.daemon.rollout_driver import MAX_RETRY_WAIT_S, RolloutDriver
from controller.model.controller_status import ControllerStatus
from controller.model.desired import Fleet
from controller.model.errors import MerchantctlError
from controller.model.rollout import MemberState, RolloutSpec
from controller.reconcile.context import RunContext
from controller.reconcile.load_rollout import load_newest_rollout
from state import MemberRow, ProcessIdentity, open_state
from tests.build import USUAL_NOW
from tests.unit.daemon.test_pass_lock import StateLock

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
        assert {each["event"] for each in log} == {"rollout_check_failed"}, "nobody knows whether there is one"
        waits = [each["retry_in_seconds"] for each in log]
        assert (waits[:3], waits[-1], len(waits)) == ([5, 10, 20], MAX_RETRY_WAIT_S, 7 * 24 * 12)
        (tmp_path / "elsewhere").rename(database)


@pytest.mark.parametrize(
    ("error", "event", "state"),
    [
        (MerchantctlError("not now"), "rollout_attempt_failed", "running"),
        (RuntimeError("a bug"), "internal_error_in_rollout", "paused"),
    ],
)
async def test_a_rollout_that_does_not_go_on_is_named(tmp_path: Path, error: Exception, event: str, state: str) -> None:
    """After a bug it waits for a person; else it is tried again."""
    manifests = iter([FLEET])

    def fleet() -> Fleet:
        """Once, for it to be taken up; nobody gets any to carry it out with."""
        if left := next(manifests, None):
            return left
        raise error

    members = [MemberRow("ann", 1, "digest", MemberState.DONE.value)]
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        owner = ProcessIdentity.current("run")
        await store.rollouts.begin("spring", RolloutSpec(("100%",)).to_json(), members, owner, USUAL_NOW)
        driver = RolloutDriver(
            cast(RunContext, SimpleNamespace(store=store, now=lambda: USUAL_NOW)),
            PassLock(StateLock(), lambda: FLEET),
            DaemonState(ControllerStatus()),
            owner,
            fleet=fleet,
            may_write=lambda: True,
        )
        with capture_logs() as log:
            await driver.drive()
        row, left = await store.rollouts.load("spring"), await load_newest_rollout(store)
    assert left
    assert left.orphaned is (state == "running"), "the next try finds it in nobody's hands"
    assert [(each["event"], each["rollout"]) for each in log] == [("rollout_taken_up", "spring"), (event, "spring")]
    assert row
    assert row.state == state


async def test_who_may_not_write_takes_none_up(tmp_path: Path) -> None:
    members = [MemberRow("ann", 1, "digest", MemberState.PENDING.value)]
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        owner = ProcessIdentity.current("run")
        await store.rollouts.begin("spring", RolloutSpec(("100%",)).to_json(), members, owner, USUAL_NOW)
        driver = RolloutDriver(
            cast(RunContext, SimpleNamespace(store=store, now=lambda: USUAL_NOW)),
            PassLock(StateLock(), lambda: FLEET),
            DaemonState(ControllerStatus()),
            owner,
            fleet=lambda: FLEET,
            may_write=lambda: False,
        )
        with capture_logs() as log:
            await driver.drive()
    assert log == []
