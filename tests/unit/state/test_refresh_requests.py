"""Whose reference data was asked for."""

from datetime import UTC, datetime, timedelta

from state import Store

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def test_the_last_request_of_each_merchant_is_kept(store: Store) -> None:
    await store.refresh_requests.save(["acme", "bakery"], NOON)
    await store.refresh_requests.save(["acme"], NOON + timedelta(days=1))
    assert await store.refresh_requests.load() == {"acme": NOON + timedelta(days=1), "bakery": NOON}
