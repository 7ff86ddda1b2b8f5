"""Manual syncs: on disk before anything happens, and whose process has died is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from state import ManualSyncRow, ProcessIdentity, Store
from state.errors import LeaseLost
from state.manual_syncs import ManualSyncs
from state.tables import manual_syncs

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
US = ProcessIdentity.current("merchantctl sync")


async def begin(store: Store, owner: ProcessIdentity = US) -> int:
    return await store.manual_syncs.begin("ann", "c-1", was_enabled=True, previous_sync=None, owner=owner, at=AT)


async def open_one(store: Store) -> ManualSyncRow:
    (row,) = await store.manual_syncs.load_open()
    return row


async def test_it_is_open_from_its_beginning_until_it_is_closed(store: Store) -> None:
    number = await begin(store)
    row = await open_one(store)
    assert (row.merchant, row.was_enabled, row.requested_at, row.ended_at, row.is_alive) == (
        "ann",
        True,
        None,
        None,
        True,
    )
    await store.manual_syncs.mark_requested(number, AT)
    await store.manual_syncs.mark_ended(number, "2000", AT)
    await store.manual_syncs.mark_ended(number, "not begun", AT)
    row = await open_one(store)
    assert (row.requested_at, row.ended_at) == (AT, AT)
    await store.manual_syncs.close(number, AT)
    assert await store.manual_syncs.load_open() == []


@pytest.mark.parametrize("owner", [replace(US, pid=2**22 + 1), replace(US, started=US.started + "1")])
async def test_the_death_of_its_process_is_seen_at_once_where_it_ran(store: Store, owner: ProcessIdentity) -> None:
    await begin(store, owner)
    assert not (await open_one(store)).is_alive


async def test_elsewhere_it_counts_as_dead_once_it_gave_no_sign_of_life_and_at_its_end(store: Store) -> None:
    number = await begin(store, replace(US, host="another", started="pid:[1]/another-boot 7"))
    async with store.manual_syncs.keep_alive(number):
        assert (await open_one(store)).is_alive
    assert not (await open_one(store)).is_alive


async def test_who_was_taken_for_dead_requests_no_sync(store: Store) -> None:
    number = await begin(store)
    await store.manual_syncs.mark_ended(number, "not begun", AT)
    with pytest.raises(LeaseLost):
        await store.manual_syncs.mark_requested(number, AT)
    async with store._database.writing() as transaction:
        await transaction.execute(update(manual_syncs).values(ended_at=None, closed_at=AT))
    with pytest.raises(LeaseLost):
        await store.manual_syncs.mark_requested(number, AT)
    assert await store.manual_syncs.load_open() == []


async def test_whoever_has_a_longer_lease_than_whoever_looks_is_alive_all_the_same(store: Store) -> None:
    number = await ManualSyncs(store._database, store.lock, lease_s=120).begin(
        "ann", "c-1", was_enabled=True, previous_sync=None, owner=US, at=AT
    )
    assert [(row.id, row.is_alive) for row in await store.manual_syncs.load_open()] == [(number, True)]


async def test_a_request_whose_record_waited_long_for_the_turn_to_write_may_leave(store: Store) -> None:
    syncs = ManualSyncs(store._database, store.lock, lease_s=0.9)
    number = await begin(store)
    async with store._database.writing():
        marked = asyncio.create_task(syncs.mark_requested(number, AT))
        await asyncio.sleep(0.4)  # more than a third of the lease
    await marked
    assert (await open_one(store)).requested_at == AT
