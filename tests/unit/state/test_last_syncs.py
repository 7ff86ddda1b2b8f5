"""How the latest syncs stood."""

from datetime import UTC, datetime, timedelta

from state import LastSyncRow, Store

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def test_a_reading_takes_the_place_of_the_one_before_and_leaves_the_others(store: Store) -> None:
    never = LastSyncRow("bakery", None, "", None, NOON, NOON)
    failed = LastSyncRow("acme", 4000, "é: no such account", NOON - timedelta(hours=3), NOON, NOON)
    await store.last_syncs.save_if_newer([LastSyncRow("acme", 1000, "", NOON, NOON, NOON), never])
    await store.last_syncs.save_if_newer([failed])
    await store.last_syncs.save_if_newer([])
    assert await store.last_syncs.load() == {"acme": failed, "bakery": never}


async def test_what_was_read_earlier_replaces_nothing_that_was_read_later(store: Store) -> None:
    """A look at thousands keeps what it read at its end; meanwhile others have read some of it anew."""
    later, soon = NOON + timedelta(minutes=5), NOON + timedelta(minutes=6)
    failed = LastSyncRow("acme", 4000, "no such account", NOON, later, later)
    await store.last_syncs.save_if_newer([failed])
    earlier = [LastSyncRow(name, 2000, "", NOON, NOON, NOON) for name in ("acme", "bakery")]
    await store.last_syncs.save_if_newer(earlier, believed_until=soon)
    assert await store.last_syncs.load() == {"acme": failed, "bakery": earlier[1]}
    # What was read in the future was read before the clock was put back.
    await store.last_syncs.save_if_newer(earlier, believed_until=NOON)
    assert (await store.last_syncs.load())["acme"] == earlier[0]
