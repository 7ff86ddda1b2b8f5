"""A command and a controller work on one state at once, and write to each merchant one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from state import ProcessIdentity, Store, open_state
from state.errors import LeaseLost, LockEnded, StateLocked

ME = ProcessIdentity.current("merchantctl apply")
OTHER = replace(ME, pid=ME.pid + 1, command="merchantctl run")


@pytest.fixture
async def stores(url: str) -> AsyncIterator[tuple[Store, Store]]:
    """The state as a command and a controller have it open, each with its lock."""
    async with open_state(url) as command, open_state(url) as controller:
        await command.lock.acquire(ME, timeout_s=0)
        await controller.controller_lock.acquire(OTHER, timeout_s=0)
        yield command, controller


async def test_the_two_do_not_wait_for_each_other_and_each_waits_for_its_like(
    url: str, stores: tuple[Store, Store]
) -> None:
    async with open_state(url) as third:
        with pytest.raises(StateLocked, match="merchantctl apply"):
            await third.lock.acquire(ME, timeout_s=0)
        with pytest.raises(StateLocked, match="merchantctl run"):
            await third.controller_lock.acquire(OTHER, timeout_s=0)


async def test_one_of_them_has_the_lease_on_a_merchant_at_a_time(stores: tuple[Store, Store]) -> None:
    command, controller = stores
    async with command.lock.lease(["acme", "bob"]) as has_both:
        assert has_both
        async with controller.controller_lock.lease(["acme"]) as has_acme:
            assert not has_acme
        async with controller.controller_lock.lease(["carl"]) as has_carl:
            assert has_carl
    async with controller.controller_lock.lease(["acme", "bob"]) as has_both:
        assert has_both


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 12, 30, 80])
async def test_who_is_cancelled_costs_the_others_of_its_run_neither_lock_nor_leases(
    stores: tuple[Store, Store], turns: int
) -> None:
    command, controller = stores

    async def hold(name: str) -> None:
        async with controller.controller_lock.lease([name]):
            await asyncio.sleep(60)

    async with controller.controller_lock.lease(["bob"]):
        for each in (controller.controller_lock.prove(), hold("acme")):
            task = asyncio.create_task(each)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await controller.controller_lock.prove()
        async with command.lock.lease(["bob"]) as has_bob:
            assert not has_bob
        async with command.lock.lease(["acme"]) as has_acme:
            assert has_acme


async def test_two_passes_of_one_run_do_not_have_it_at_once_either(stores: tuple[Store, Store]) -> None:
    command, controller = stores
    async with controller.controller_lock.lease(["acme"]):
        async with controller.controller_lock.lease(["acme", "bob"]) as has_both:
            assert not has_both
        async with command.lock.lease(["acme"]) as has_acme:
            assert not has_acme, "the first still has it"
    async with controller.controller_lock.lease(["acme", "bob"]) as has_both:
        assert has_both


async def test_who_cannot_have_all_of_them_has_none(stores: tuple[Store, Store]) -> None:
    command, controller = stores
    async with command.lock.lease(["bob"]), controller.controller_lock.lease(["acme", "bob"]) as has_both:
        assert not has_both
        async with command.lock.lease(["acme"]) as has_acme:
            assert has_acme


async def test_a_lease_ends_with_the_lock_of_its_holder(stores: tuple[Store, Store]) -> None:
    command, controller = stores
    async with AsyncExitStack() as kept:
        assert await kept.enter_async_context(command.lock.lease(["acme"]))
        await command.lock.release(ME)
        async with controller.controller_lock.lease(["acme"]) as has_acme:
            assert has_acme


async def test_whose_lock_was_ended_by_hand_writes_nothing_more(stores: tuple[Store, Store]) -> None:
    command, controller = stores
    await controller.lock.force_release()
    with pytest.raises((LockEnded, LeaseLost)):
        async with command.lock.lease(["acme"]):
            await command.lock.prove()


async def test_without_a_lock_nothing_is_asked(url: str) -> None:
    async with open_state(url) as store, store.lock.lease(["acme"]) as has_acme:
        assert has_acme
