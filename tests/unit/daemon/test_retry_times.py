"""Until when whoever failed waits, and whose create is open, on a machine whose clock is wrong or was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.daemon.loop import load_retry_times
from state import Store, open_state
from tests.build import USUAL_NOW
from tests.unit.reconcile.run_of_values import run_at

HOURS = timedelta(hours=3)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


@pytest.mark.parametrize("skew", [HOURS, -HOURS], ids=["behind", "ahead"])
async def test_a_lost_create_is_looked_for_in_seconds_though_the_clock_is_hours_wrong(
    store: Store, skew: timedelta
) -> None:
    """Behind, it was looked for an hour later; ahead, again and again without a pause."""
    run = replace(run_at(USUAL_NOW, skew), store=store)
    await store.intents.begin("acme", "company", name="Acme", company_id=None, platform=None, at=run.service_now())
    first_look_s = run.recovery_times.first_look_s
    assert await load_retry_times(run) == {"acme": USUAL_NOW + timedelta(seconds=first_look_s)}


async def test_what_a_look_could_not_decide_is_looked_at_again_after_a_pause(store: Store) -> None:
    run = replace(run_at(USUAL_NOW), store=store)
    at = USUAL_NOW - HOURS
    await store.intents.begin("acme", "account", name="Tips", company_id="c", platform=None, at=at)
    assert await load_retry_times(run) == {"acme": USUAL_NOW + timedelta(seconds=run.recovery_times.first_look_s)}


async def test_nobody_waits_until_a_time_that_a_clock_made_which_was_put_back_since(store: Store) -> None:
    run = replace(run_at(USUAL_NOW), store=store)
    at = USUAL_NOW + HOURS
    await store.intents.begin("acme", "company", name="Acme", company_id=None, platform=None, at=at)
    await store.quarantine.put("bakery", key="", reason="", until=at, tries=2)
    waits = {name: until - USUAL_NOW for name, until in (await load_retry_times(run)).items()}
    assert waits == {"acme": timedelta(seconds=run.recovery_times.max_wait_s), "bakery": timedelta(minutes=2)}
