"""Rollouts: who may turn one, what it did to whom, and whom it holds."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from state import HoldRow, MemberRow, ProcessIdentity, Store, open_state
from tests.postgresql import empty_schema

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, OTHER = (
    ProcessIdentity("host", 1, "mark", "merchantctl rollout"),
    ProcessIdentity("host", 2, "mark", "merchantctl rollout"),
)
TERMS = {"waves": ["1", "100%"], "soak": 0}


async def begun(store: Store, name: str = "spring", *merchants: str) -> int:
    members = [
        MemberRow(each, wave, f"wish of {each}", "ahead") for wave, each in enumerate(merchants or ("a", "b"), 1)
    ]
    return await store.rollouts.begin(name, TERMS, members, ONE, NOON)


async def test_a_rollout_is_given_back_also_while_another_process_writes(url: str) -> None:
    async with open_state(url) as store, open_state(url) as other:
        assert await other.rollouts.acquire_claim(by_force=False)
        other._database.longest_wait_s = 0.0
        async with store._database.writing():
            await other.rollouts.give_back_claim()
        assert await other.rollouts.acquire_claim(by_force=False)


async def test_who_is_cancelled_as_the_claim_is_taken_or_given_back_has_it_not(url: str) -> None:
    async with open_state(url) as store:
        taking = asyncio.create_task(store.rollouts.acquire_claim(by_force=False))
        claim = store._database.rollout_claim
        for _ in range(100_000):
            if getattr(claim, "_file", None) or getattr(claim, "_connection", None):
                break
            await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert await store.rollouts.acquire_claim(by_force=False)
        async with store._database.writing():
            giving_back = asyncio.create_task(store.rollouts.give_back_claim())
            await asyncio.sleep(0)
            giving_back.cancel()
            with pytest.raises(asyncio.CancelledError):
                await giving_back
        assert await store.rollouts.acquire_claim(by_force=False)


async def test_a_rollout_begins_at_its_first_wave_in_its_owners_hands(store: Store) -> None:
    await begun(store)
    row = await store.rollouts.load("spring")
    assert row is not None
    assert (row.state, row.wave, row.owner, row.terms, row.since) == ("running", 1, ONE, TERMS, NOON)
    assert await store.rollouts.load() == row
    assert await store.rollouts.load("autumn") is None


async def test_a_rollout_is_turned_only_from_where_and_from_whom_it_is_believed_to_be(store: Store) -> None:
    id_ = await begun(store)
    assert not await store.rollouts.compare_and_set(id_, if_state_in=["paused"], state="running")
    assert not await store.rollouts.compare_and_set(id_, if_state_in=["running"], if_owner=OTHER, wave=2)
    assert await store.rollouts.compare_and_set(
        id_, if_state_in=["running"], if_owner=ONE, owner=OTHER, wave=2, soak_until=NOON
    )
    row = await store.rollouts.load()
    assert row is not None
    assert (row.owner, row.wave, row.soak_until) == (OTHER, 2, NOON)


async def test_one_that_a_living_process_carries_out_is_taken_from_it_only_where_it_was_told_to_stop(url: str) -> None:
    async with open_state(url) as first, open_state(url) as second:
        assert not await second.rollouts.is_claim_held()
        assert await first.rollouts.acquire_claim(by_force=False)
        assert await second.rollouts.is_claim_held()
        assert not await second.rollouts.acquire_claim(by_force=False)
        assert await second.rollouts.acquire_claim(by_force=True)
        assert not await first.rollouts.acquire_claim(by_force=False)


async def test_whoever_carries_one_out_lets_go_of_it_with_the_state(url: str) -> None:
    async with open_state(url) as first:
        await first.rollouts.acquire_claim(by_force=False)
    async with open_state(url) as second:
        assert not await second.rollouts.is_claim_held()
        assert await second.rollouts.acquire_claim(by_force=False)


async def test_a_run_that_writes_and_a_rollout_between_its_waves_are_in_nobodys_way(url: str) -> None:
    async with open_state(url) as rollout, open_state(url) as run:
        await rollout.rollouts.acquire_claim(by_force=False)
        await run.lock.acquire(ONE, timeout_s=0)
        await run.lock.prove()
        assert await rollout.rollouts.is_claim_held()


class TestOverSeveralMachines:
    @pytest.fixture
    def url(self, postgresql: str) -> Iterator[str]:
        with empty_schema(postgresql) as url:
            yield url

    @pytest.mark.waits
    async def test_who_gives_no_sign_of_life_for_a_lease_has_a_rollout_no_more(self, url: str) -> None:
        async with open_state(url, lease_s=2) as store, open_state(url) as other:
            await store.rollouts.acquire_claim(by_force=False)
            await asyncio.sleep(2.5)
            assert await other.rollouts.is_claim_held(), "it gives signs of life"
            assert store.rollouts._heartbeats is not None
            store.rollouts._heartbeats.cancel()
            for _ in range(300):
                if await other.rollouts.acquire_claim(by_force=False):
                    break
                await asyncio.sleep(0.2)
            assert await other.rollouts.is_claim_held()
            assert not await store.rollouts.acquire_claim(by_force=False)


async def test_what_was_done_to_a_merchant_is_kept_by_field(store: Store) -> None:
    id_ = await begun(store)
    changed = {
        "enabled": {"before": True, "wrote": False},
        "mapping.sales.customer": {"before": None, "wrote": {"id": "7"}},
    }
    await store.rollouts.update_member(id_, "b", state="begun", changed=changed, held=False)
    first, second = await store.rollouts.load_members(id_)
    assert (first.merchant, first.state, first.changed, first.held) == ("a", "ahead", {}, True)
    assert (second.merchant, second.state, second.changed, second.held) == ("b", "begun", changed, False)


async def test_whom_it_has_not_reached_it_holds_until_let_go(store: Store) -> None:
    id_ = await begun(store)
    await store.rollouts.update_member(id_, "a", held=False)
    assert await store.rollouts.load_holds() == (HoldRow("b", "wish of b", 2, "spring", "running"),)
    await store.rollouts.release_holds(["b", "nobody"])
    assert await store.rollouts.load_holds() == ()
    await store.rollouts.hold_members(id_)
    assert {row.merchant for row in await store.rollouts.load_holds()} == {"a", "b"}


async def test_another_rollout_takes_over_whom_an_older_one_held(store: Store) -> None:
    await begun(store, "spring", "a", "b")
    await begun(store, "autumn", "b", "c")
    assert {row.merchant: row.rollout for row in await store.rollouts.load_holds()} == {
        "a": "spring",
        "b": "autumn",
        "c": "autumn",
    }
    newest = await store.rollouts.load()
    assert newest is not None
    assert newest.name == "autumn"


async def test_a_rollout_survives_the_way_through_an_export(store: Store, tmp_path: Path) -> None:
    from state import open_state

    id_ = await begun(store)
    await store.rollouts.compare_and_set(id_, if_state_in=["running"], soak_until=NOON + timedelta(hours=1))
    document = await store.export()
    async with open_state(f"sqlite:///{tmp_path}/copy.db") as copy:
        await copy.import_(document)
        assert await copy.rollouts.load() == await store.rollouts.load()
        assert await copy.rollouts.load_holds() == await store.rollouts.load_holds()
        assert await begun(copy, "autumn") > id_
