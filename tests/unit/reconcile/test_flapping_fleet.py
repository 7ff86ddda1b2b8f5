"""A fleet in which everyone flaps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.model.plan import Direction
from controller.reconcile.finding_history import record_look_and_date_findings
from state import FindingEnding, FindingRow, Store, open_state
from tests.unit.reconcile.run_of_values import run_at
from tests.unit.reporting.fleets import NOW, finding, fleet, merchant

SIZE = 300


class ComparedName(str):
    """A name that counts how often it is compared with another one."""

    __slots__ = ()
    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        ComparedName.comparisons += 1
        return str.__eq__(self, other)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


async def test_each_is_compared_with_its_own_history_and_not_with_that_of_all_others(store: Store) -> None:
    names = [ComparedName(f"m-{number:05}") for number in range(SIZE)]
    rows = [FindingRow(str(name), "mapping-changed", "mapping.sales.sync", "drift", False, True) for name in names]
    for hours in (3, 2):
        gone = [FindingEnding(each.key, "mended") for each in rows]
        await store.findings.record(rows, gone=gone, at=NOW - timedelta(hours=hours))
    drift = finding(field="mapping.sales.sync", direction=Direction.DRIFT)
    plan = fleet(*(merchant(name, findings=(replace(drift, merchant=name),)) for name in names))
    ComparedName.comparisons = 0
    dated = await record_look_and_date_findings(plan, replace(run_at(NOW), store=store), NOW)
    assert {each.findings[-1].code for each in dated.plans} == {"flapping"}
    assert ComparedName.comparisons < 20 * SIZE


async def test_a_look_at_one_reads_nothing_of_the_others(store: Store) -> None:
    for name in ("acme", "bakery"):
        row = FindingRow(name, "mapping-changed")
        for hours in (3, 2):
            gone = [FindingEnding(row.key, "mended")]
            await store.findings.record([row], gone=gone, at=NOW - timedelta(hours=hours))
    recurring = await store.findings.load_recurring(NOW - timedelta(days=1), 2, {"acme"})
    assert [each.merchant for each in recurring] == ["acme", "acme"]
