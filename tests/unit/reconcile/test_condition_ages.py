"""Since when each condition is as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.model.plan import Condition, ConditionStatus, Plan
from controller.reconcile.condition_ages import add_condition_ages, record_conditions
from state import Store, open_state
from tests.unit.reporting.fleets import NOW, merchant

HOUR = timedelta(hours=1)
TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def plan(mapped: ConditionStatus, ready: ConditionStatus = TRUE) -> Plan:
    return merchant(conditions=(Condition("Mapped", mapped), Condition("Ready", ready)))


async def looked(
    store: Store, at: datetime, mapped: ConditionStatus, ready: ConditionStatus = TRUE
) -> dict[str, object]:
    await record_conditions([plan(mapped, ready)], store, at, everyone=True)
    (seen,) = await add_condition_ages([plan(mapped, ready)], store)
    return {each.type: each.since for each in seen.conditions}


async def test_one_that_holds_says_since_when(store: Store) -> None:
    assert await looked(store, NOW, TRUE) == {"Mapped": NOW, "Ready": NOW}
    assert await looked(store, NOW + HOUR, TRUE) == {"Mapped": NOW, "Ready": NOW}


async def test_one_that_turns_is_so_since_then_and_the_others_as_before(store: Store) -> None:
    await looked(store, NOW, TRUE)
    assert await looked(store, NOW + HOUR, FALSE) == {"Mapped": NOW + HOUR, "Ready": NOW}
    assert await looked(store, NOW + 2 * HOUR, TRUE) == {"Mapped": NOW + 2 * HOUR, "Ready": NOW}


async def test_one_failed_read_resets_no_age(store: Store) -> None:
    await looked(store, NOW, TRUE)
    assert await looked(store, NOW + HOUR, UNKNOWN, UNKNOWN) == {"Mapped": None, "Ready": None}
    assert await looked(store, NOW + 2 * HOUR, TRUE) == {"Mapped": NOW, "Ready": NOW}


async def test_who_stands_as_before_costs_no_write(store: Store) -> None:
    await looked(store, NOW, TRUE)
    before = await store.conditions.load(["acme"])
    await looked(store, NOW + HOUR, UNKNOWN)
    await looked(store, NOW + HOUR, TRUE)
    assert await store.conditions.load(["acme"]) == before


async def test_a_look_notes_nothing_of_others(store: Store) -> None:
    await looked(store, NOW, TRUE)
    await record_conditions([merchant("bakery", conditions=(Condition("Ready", FALSE),))], store, NOW + HOUR, False)
    assert set(await store.conditions.load(["acme", "bakery"])) == {"acme", "bakery"}
    assert (await looked(store, NOW + HOUR, TRUE))["Ready"] == NOW
