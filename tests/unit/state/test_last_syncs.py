"""How the latest syncs stood."""

from datetime import UTC, datetime, timedelta

from state import LastSyncRow, Store

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def test_a_reading_takes_the_place_of_the_one_before_and_leaves_the_others(store: Store) -> None:
    never = LastSyncRow("bakery", None, "", None, NOON, NOON)
    failed = LastSyncRow("acme", 4000, "é: no such account", NOON - timedelta(hours=3), NOON, NOON)
    await store.last_syncs.save([LastSyncRow("acme", 1000, "", NOON, NOON, NOON), never])
    await store.last_syncs.save([failed])
    await store.last_syncs.save([])
    assert await store.last_syncs.load() == {"acme": failed, "bakery": never}
