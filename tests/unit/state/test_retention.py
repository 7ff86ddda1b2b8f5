"""Rows that are old and over go, a few at a time; nothing else does, however old it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Column, Integer, Table, func, insert, select
from sqlalchemy.sql.sqltypes import String

from state import Store, open_state
from state.retention import EXPIRED_ROWS_BY_TABLE, EXPIRY_BATCH_SIZE, REASONS_WITHOUT_EXPIRY
from state.tables import UtcTime, metadata, rollout_merchants, rollouts

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LIMIT = NOW - timedelta(days=400)
OLD, YOUNG = LIMIT - timedelta(seconds=1), LIMIT
ENDED = ("done", "aborted", "undone")

OVER = {
    "occurrences": "gone_at",
    "intents": "closed_at",
    "revisions": "ended_at",
    "uploads": "closed_at",
    "manual_syncs": "closed_at",
}
"""What makes a row over, by table: as long as it is empty the row is open."""


def row(table: Table, number: int, at: datetime, **columns: Any) -> dict[str, Any]:
    """One that has something in every column, all its instants at once."""

    def value(column: Column[Any]) -> Any:
        match column.type:
            case UtcTime():
                return at
            case Boolean():
                return False
            case Integer():
                return number
            case JSON():
                return {}
            case String():
                return f"{column.name}-{number}"
        raise AssertionError(column)

    return {column.name: columns.get(column.name, value(column)) for column in table.c}


async def filled(store: Store, table: Table, *rows: dict[str, Any]) -> None:
    async with store._database.writing() as transaction:
        await transaction.execute(insert(table), list(rows))


async def left(store: Store, table: Table) -> int:
    async with store._database.reading() as transaction:
        return int(await transaction.scalar(select(func.count()).select_from(table)) or 0)


async def thinned(store: Store) -> int:
    total = 0
    while gone := await store.delete_expired_batch(LIMIT, ENDED):
        total += gone
    return total


def test_every_table_has_a_decision_on_how_long_its_rows_stay() -> None:
    """A new table is in GOES, with what makes a row over, or in STAYS, with why it does not grow."""
    assert set(EXPIRED_ROWS_BY_TABLE) | set(REASONS_WITHOUT_EXPIRY) == set(metadata.tables.values())
    assert not set(EXPIRED_ROWS_BY_TABLE) & set(REASONS_WITHOUT_EXPIRY)


@pytest.mark.parametrize(
    "table", [each for each in EXPIRED_ROWS_BY_TABLE if each.name not in ("rollouts", "rollout_merchants")], ids=str
)
async def test_old_rows_that_are_over_go_and_young_and_open_ones_stay(store: Store, table: Table) -> None:
    alike = {"report": "finance"} if table.name == "report_deliveries" else {}
    ages = [(number, OLD) for number in range(3)] + [(number, YOUNG) for number in range(3, 5)]
    rows = [row(table, number, at, **alike) for number, at in ages]
    kept = 2
    if table.name in OVER:
        rows += [row(table, number, OLD, **{OVER[table.name]: None}) for number in range(5, 9)]
        kept += 4
    await filled(store, table, *rows)
    assert await thinned(store) == 3
    assert await left(store, table) == kept
    assert await thinned(store) == 0


@pytest.mark.parametrize("table", REASONS_WITHOUT_EXPIRY, ids=str)
async def test_what_stays_stays_however_old_it_is(store: Store, table: Table) -> None:
    await filled(store, table, row(table, 1, OLD - timedelta(days=4000)))
    assert await thinned(store) == 0
    assert await left(store, table) == 1


async def test_a_run_that_found_what_is_still_open_is_still_known(store: Store) -> None:
    runs, occurrences = metadata.tables["runs"], metadata.tables["occurrences"]
    await filled(store, runs, *(row(runs, number, OLD) for number in range(1, 4)))
    open_ = row(occurrences, 1, OLD, found_run=2, gone_at=None)
    await filled(store, occurrences, {**open_, "tried_run": None, "gone_run": None})
    assert await thinned(store) == 2
    assert set(await store.runs.load_authors([1, 2, 3])) == {2}


async def test_of_a_report_its_last_time_stays_however_long_ago_that_was(store: Store) -> None:
    """Else a report of each month or year is taken for a new one, of which nothing is sent before the next time."""
    deliveries = metadata.tables["report_deliveries"]
    times = {"monthly": (OLD - timedelta(days=31), OLD), "weekly": (OLD, YOUNG)}
    for report, due in times.items():
        rows = [row(deliveries, number, at, report=report) for at in due for number in (1, 2)]
        await filled(store, deliveries, *rows)
    assert await thinned(store) == 4
    assert [await store.report_deliveries.load_last_due(report) for report in times] == [OLD, YOUNG]
    assert len(await store.report_deliveries.load("monthly", OLD)) == 2


async def test_an_ended_rollout_goes_with_its_merchants_once_nobody_is_held_because_of_it(store: Store) -> None:
    states = {1: "done", 2: "done", 3: "running", 4: "aborted"}
    await filled(store, rollouts, *(row(rollouts, number, OLD, state=state) for number, state in states.items()))
    await filled(store, rollouts, row(rollouts, 5, YOUNG, state="done"))
    members = [row(rollout_merchants, number, OLD, rollout_id=each) for each in range(1, 6) for number in range(3)]
    members[0]["held"] = True
    await filled(store, rollout_merchants, *members)
    assert await thinned(store) == 8
    async with store._database.reading() as transaction:
        assert set((await transaction.execute(select(rollouts.c.id))).scalars()) == {1, 3, 5}
    assert await left(store, rollout_merchants) == 9


async def test_they_go_a_few_at_a_time_the_others_writing_in_between(store: Store) -> None:
    table = metadata.tables["events"]
    await filled(store, table, *(row(table, number, OLD) for number in range(2 * EXPIRY_BATCH_SIZE + 5)))
    deleted = [await store.delete_expired_batch(LIMIT, ENDED) for _ in range(4)]
    assert deleted == [EXPIRY_BATCH_SIZE, EXPIRY_BATCH_SIZE, 5, 0]


async def test_a_state_with_nothing_old_is_not_written_to(store: Store) -> None:
    async with store._database.writing():
        assert await store.delete_expired_batch(LIMIT, ENDED) == 0


async def test_the_sizes_are_those_of_the_rows(url: str) -> None:
    from state.inspection import inspect_state

    async with open_state(url) as store:
        events = metadata.tables["events"]
        await filled(store, events, row(events, 1, YOUNG), row(events, 2, OLD))
    found = await inspect_state(url)
    assert [(each.name, each.rows, each.oldest) for each in found.sizes] == [("events", 2, OLD)]
    assert found.bytes
    assert found.bytes > 4096
