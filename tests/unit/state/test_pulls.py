"""Whose reference data was asked for."""

from datetime import UTC, datetime, timedelta

from state import Store

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def test_the_last_asking_is_remembered_for_each(store: Store):
    await store.note_pulls(["acme", "bakery"], NOON)
    await store.note_pulls(["acme"], NOON + timedelta(days=1))
    assert await store.pulls() == {"acme": NOON + timedelta(days=1), "bakery": NOON}
