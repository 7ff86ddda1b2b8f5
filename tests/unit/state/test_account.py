"""What is remembered of the account itself: settings that were set, rules and consumers, and proven deliveries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from state import AccountSettingRow, DeliveryProof, ReceivedDelivery, Store, last_proven_times, open_state

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DECLARED = {"events": ["connection.deleted"], "url": "https://hooks.example.com", "secret": ["env", "FIRST"]}


async def test_a_setting_keeps_what_was_declared_and_what_was_stored(store: Store) -> None:
    rows = [
        AccountSettingRow("text.en-us.a", None, "Next", NOON),
        AccountSettingRow("visibleAccounts", [], ["sales-accounts-sales"], NOON),
        AccountSettingRow("redirectUrl", "https://a", None, NOON),
    ]
    await store.account_settings.save(rows)
    await store.account_settings.save([AccountSettingRow("redirectUrl", "https://b", "https://b", NOON)])
    loaded = await store.account_settings.load()
    assert (loaded["text.en-us.a"], loaded["visibleAccounts"]) == (rows[0], rows[1])
    assert loaded["redirectUrl"].declared == "https://b"


async def test_one_that_is_bound_takes_the_place_of_the_one_before_and_of_no_other(store: Store) -> None:
    first = await store.hooks.begin("consumer", "main", DECLARED, known_ids=["x"], at=NOON)
    await store.hooks.bind_and_replace_others(first, "c1", NOON)
    await store.hooks.adopt_and_replace_others("rule", "main", DECLARED, "r1", NOON)
    second = await store.hooks.begin("consumer", "main", DECLARED, known_ids=["x", "c1"], at=NOON)
    begun = {row.id: row for row in await store.hooks.load()}
    assert (begun[second].remote_id, begun[first].replaced_at) == (None, None), "the old one stays until it is there"
    await store.hooks.bind_and_replace_others(second, "c2", NOON)
    bound = {row.remote_id: row.replaced_at for row in await store.hooks.load()}
    assert bound == {"c1": NOON, "r1": None, "c2": None}
    await store.hooks.mark_gone(first, NOON)
    assert {row.remote_id for row in await store.hooks.load()} == {"r1", "c2"}


async def test_a_delivery_moves_its_own_proof_and_no_other(store: Store) -> None:
    deliveries = [("d1", "env FIRST", "k1", 0), ("d2", "env FIRST", "k1", 5), ("d3", "file /x", "k2", 9)]
    for number, source, key, minutes in deliveries:
        at = NOON + timedelta(minutes=minutes)
        delivery = ReceivedDelivery(number, "connection.deleted", None, at, DeliveryProof(source, key))
        await store.inbox.save_and_schedule_looks(delivery)
    first, second = await store.proven_deliveries.load()
    assert (first.source, first.first_at, first.last_at) == ("env FIRST", NOON, NOON + timedelta(minutes=5))
    assert second.key_id == "k2"
    assert last_proven_times([first, second]) == [("connection.deleted", NOON + timedelta(minutes=9))]


async def test_an_export_brings_rules_and_settings_along(
    store: Store, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await store.account_settings.save([AccountSettingRow("text.en-us.a", None, "Next", NOON)])
    await store.hooks.adopt_and_replace_others("consumer", "main", DECLARED, "c1", NOON)
    document = await store.export()
    async with open_state(f"sqlite:///{tmp_path_factory.mktemp('other')}/state.db") as other:
        await other.import_(document)
        assert await other.account_settings.load() == await store.account_settings.load()
        assert await other.hooks.load() == await store.hooks.load()
        number = await other.hooks.begin("rule", "status", DECLARED, known_ids=[], at=NOON)
        assert number > (await store.hooks.load())[0].id
