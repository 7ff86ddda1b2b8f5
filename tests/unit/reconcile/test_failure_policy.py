"""How long a merchant that failed for now is left alone, and who is blamed for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.model.desired import DesiredMerchant
from controller.model.plan import Plan, PlanStatus
from controller.model.report import Applied, Failed
from controller.reconcile.failure_policy import MAX_MERCHANT_FAILURES_IN_A_ROW, backoff, update_failure_tracking
from controller.reconcile.snapshot import RunSnapshot
from state import open_state
from tests.postgresql import state_without_rows
from tests.unit.reconcile.run_of_values import run_at

NAMES = [f"m-{number:02}" for number in range(MAX_MERCHANT_FAILURES_IN_A_ROW + 2)]


@pytest.mark.parametrize(("tries", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10_000, 60)])
def test_the_wait_doubles_with_each_failure_up_to_an_hour(tries: int, minutes: int) -> None:
    assert backoff(tries) == timedelta(minutes=minutes)


async def test_a_success_that_comes_while_the_writes_pause_leaves_nobody_blamed(postgresql: str) -> None:
    """Requests in flight end after the pause, well or not: the ten that failed in a row are released all the same."""
    with state_without_rows(postgresql) as url:
        async with open_state(url) as store:
            run = replace(run_at(datetime(2026, 12, 1, tzinfo=UTC)), store=store)
            desired = {name: DesiredMerchant(name, name, fields={}, digest=name) for name in NAMES}
            snapshot = RunSnapshot(run, desired, {}, {}, None, {}, {})

            async def ends(name: str, outcome: Applied | Failed) -> None:
                await update_failure_tracking(Plan(name, PlanStatus.DRIFTED), outcome, snapshot)

            async def succeeds_in_the_pause(name: str) -> None:
                await run.stop.requested.wait()
                await ends(name, Applied(1))

            *failing, succeeding = NAMES
            async with asyncio.TaskGroup() as turns:
                turns.create_task(succeeds_in_the_pause(succeeding))
                for name in failing:
                    turns.create_task(ends(name, Failed("refused", retryable=False)))
            assert run.stop.reason == "10 merchants in a row failed"
            assert await store.quarantine.load() == {}
