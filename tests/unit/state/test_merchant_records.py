"""What a plan needs of the recorded state."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from state import AppliedRow, MerchantRecord, Store, open_state

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


async def test_nothing_is_remembered_of_a_merchant_nobody_touched(store: Store) -> None:
    assert await store.records.load() == {}
    assert await store.records.load(["acme"]) == {}


async def test_everything_noted_about_a_merchant_is_recalled_after_reopening(url: str) -> None:
    fields = {"enabled": True, "mapping.sales.customer": None, 'mapping.sales.taxRates["5"]': {"id": "é", "code": None}}
    async with open_state(url) as store:
        await store.bindings.bind_company("acme", company_id="c-1", company_name="Acme Coffee")
        await store.bindings.bind_connection("acme", "k-1")
        await store.bindings.mark_configured(["acme"], NOON)
        await store.applied.save("acme", fields, deletion="Unlink", at=NOON)
        begun = await store.intents.begin("acme", "company", name="Acme", company_id=None, platform=None, at=NOON)
    async with open_state(url) as store:
        (memory,) = (await store.records.load()).values()
    assert (memory.company_id, memory.company_name, memory.connection_id) == ("c-1", "Acme Coffee", "k-1")
    assert (memory.configured_at, memory.deletion, memory.retired_at) == (NOON, "Unlink", None)
    assert memory.applied == fields
    assert memory.intents == (begun,)


async def test_only_the_merchants_asked_for_are_recalled(store: Store) -> None:
    await store.bindings.mark_configured([f"m-{n}" for n in range(2000)], NOON)
    assert set(await store.records.load(["m-7", "nobody"])) == {"m-7"}
    many = {f"m-{n}" for n in range(1500)}
    assert set(await store.records.load(many)) == many
    assert await store.records.load([]) == {}


async def test_a_merchant_with_nothing_but_a_create_begun_is_recalled(store: Store) -> None:
    await store.intents.begin("acme", "company", name="Acme", company_id=None, platform=None, at=NOON)
    memory = (await store.records.load(["acme"]))["acme"]
    assert (memory.company_id, memory.applied, memory.deletion) == (None, {}, "Retain")
    assert len(memory.intents) == 1


async def test_last_applied_is_replaced_whole(store: Store) -> None:
    await store.applied.save("acme", {"enabled": True, "schedule.syncHourUtc": 3}, deletion="Retain", at=NOON)
    await store.applied.save("acme", {"enabled": False}, deletion="Disable", at=NOON)
    memory = (await store.records.load())["acme"]
    assert (memory.applied, memory.deletion) == ({"enabled": False}, "Disable")


async def test_last_applied_of_many_is_one_commit(store: Store) -> None:
    good = AppliedRow("a", {}, "Retain", NOON)
    with pytest.raises(TypeError):
        await store.applied.save_many([good, AppliedRow("b", {"x": object()}, "Retain", NOON)])
    assert await store.records.load() == {}
    await store.applied.save_many([good, AppliedRow("b", {"x": 1}, "Retain", NOON)])
    assert set(await store.records.load()) == {"a", "b"}


async def test_a_binding_changes_nothing_but_itself(store: Store) -> None:
    await store.bindings.bind_company("acme", company_id="c-1", company_name="Acme")
    await store.bindings.bind_connection("acme", "k-1")
    await store.bindings.mark_configured(["acme"], NOON)
    await store.bindings.bind_company("acme", company_id="c-2", company_name="Acme Ltd")
    await store.bindings.bind_connection("acme", None)
    assert await store.records.load() == {"acme": MerchantRecord("acme", "c-2", "Acme Ltd", None, configured_at=NOON)}


async def test_applied_values_that_were_not_asked_for_are_not_taken_for_none(store: Store) -> None:
    """Unlike those of somebody to whom nothing was ever applied."""
    await store.applied.save_many(
        [AppliedRow("a", {"x": 1}, "Unlink", NOON), AppliedRow("b", {"x": 1}, "Unlink", NOON)]
    )
    for name in ("a", "b", "c"):
        await store.bindings.bind_company(name, company_id=f"c-{name}", company_name=name)
    records = await store.records.load(select_applied=lambda bound: {*bound} - {"b"})
    assert {name: each.deletion for name, each in records.items()} == {"a": "Unlink", "b": "Unlink", "c": "Retain"}
    assert (records["a"].applied, records["c"].applied) == ({"x": 1}, {})
    with pytest.raises(json.JSONDecodeError):
        _ = records["b"].applied


async def test_a_tombstone_stays_until_it_is_taken_away(store: Store) -> None:
    await store.bindings.bind_company("acme", company_id="c-1", company_name="Acme")
    await store.bindings.retire("acme", NOON)
    assert (await store.records.load())["acme"].retired_at == NOON
    await store.bindings.unretire("acme")
    assert (await store.records.load())["acme"].retired_at is None
    assert (await store.records.load())["acme"].company_id == "c-1"


async def test_instants_come_back_as_utc_wherever_they_were_measured(store: Store) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    await store.bindings.mark_configured(["acme"], tokyo)
    configured_at = (await store.records.load())["acme"].configured_at
    assert configured_at == NOON
    assert configured_at.tzinfo is UTC


async def test_an_instant_without_a_zone_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await store.bindings.mark_configured(["acme"], NOON.replace(tzinfo=None))
    assert await store.records.load() == {}


async def test_bindings_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a"):
        await store.bindings.bind_company(name, company_id=f"c-{name}", company_name=name)
    assert [binding.merchant for binding in await store.bindings.load()] == ["a", "b"]


async def test_verdicts_are_kept_for_those_not_judged_this_time(store: Store) -> None:
    await store.in_sync_cache.save_keys({"a": "1", "b": "1"})
    await store.in_sync_cache.save_keys({"b": "2"})
    await store.in_sync_cache.save_keys({})
    assert await store.in_sync_cache.load_keys() == {"a": "1", "b": "2"}
