"""What runs did, the rolling window of changes, and quarantine."""

from datetime import UTC, datetime, timedelta

from state import EventRow, Quarantine, Store

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def test_history_tells_what_happened_to_one_merchant_in_order(store: Store) -> None:
    run = await store.runs.begin("apply", NOON)
    first = EventRow(NOON, run, "acme", "done", {"changes": ["create-company"]})
    second = EventRow(NOON, run, "acme", "failed", {"reason": "ö"})
    await store.runs.record_events(run, [first, EventRow(NOON, run, "bakery", "done"), second])
    await store.runs.record_events(run, [])
    await store.runs.end(run, 3, {"failed": 1}, NOON)
    assert await store.runs.load_events("acme") == (first, second)


async def test_a_run_that_was_killed_stays_without_an_end(store: Store) -> None:
    killed, ended = await store.runs.begin("apply", NOON), await store.runs.begin("plan", NOON)
    await store.runs.end(ended, 0, {}, NOON)
    runs = {row["id"]: row for row in (await store.export())["tables"]["runs"]}
    assert (runs[killed]["ended_at"], runs[killed]["summary"]) == (None, None)
    assert (runs[ended]["exit_code"], runs[ended]["summary"]) == (0, {})


async def test_changes_are_counted_by_class_over_a_window(store: Store) -> None:
    first, second = await store.runs.begin("run", NOON), await store.runs.begin("run", NOON)
    await store.runs.record_writes(first, {"unlink": 2, "remap": 5}, NOON - timedelta(hours=25), confirmed=False)
    await store.runs.record_writes(first, {"unlink": 1}, NOON - timedelta(hours=24), confirmed=False)
    await store.runs.record_writes(second, {"unlink": 3}, NOON, confirmed=False)
    await store.runs.record_writes(second, {}, NOON, confirmed=False)
    assert await store.runs.count_unconfirmed_writes(NOON - timedelta(hours=24)) == {"unlink": 4}
    assert await store.runs.count_unconfirmed_writes(NOON + timedelta(seconds=1)) == {}


async def test_what_a_person_confirmed_is_recorded_and_does_not_fill_the_window(store: Store) -> None:
    run = await store.runs.begin("apply", NOON)
    await store.runs.record_writes(run, {"disable": 7}, NOON, confirmed=True)
    await store.runs.record_writes(run, {"disable": 2}, NOON, confirmed=False)
    assert await store.runs.count_unconfirmed_writes(NOON - timedelta(hours=1)) == {"disable": 2}
    noted = (await store.export())["tables"]["writes"]
    assert [(row["count"], row["confirmed"]) for row in noted] == [(7, True), (2, False)]


async def test_a_merchant_stays_in_quarantine_until_it_is_released(store: Store) -> None:
    await store.quarantine.put("acme", key="k1", reason="400", until=None, tries=1)
    await store.quarantine.put("acme", key="k2", reason="500", until=NOON, tries=2)
    assert await store.quarantine.load() == {"acme": Quarantine("acme", "k2", "500", NOON, 2)}
    await store.quarantine.release("acme")
    await store.quarantine.release("acme")
    assert await store.quarantine.load() == {}
