"""One revision is in force, and one at most waits for a decision."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from state import Revision, RevisionStatus, Store, open_state

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ONE, TWO, THREE = (Revision(f"digest-{name}", name * 40, "git+https://host/repo") for name in "123")


async def test_of_two_processes_that_put_a_revision_in_force_the_second_is_told(store: Store) -> None:
    assert await store.revisions.load(RevisionStatus.IN_FORCE) is None
    assert await store.revisions.put_in_force(ONE, instead_of=None, at=NOON, by="a")
    assert not await store.revisions.put_in_force(TWO, instead_of=None, at=NOON, by="b")
    row = await store.revisions.load(RevisionStatus.IN_FORCE)
    assert row
    assert (row.revision, row.by) == (ONE, "a")
    assert await store.revisions.put_in_force(TWO, instead_of=row.id, at=NOON, by="b")
    assert await store.revisions.was_in_force(ONE.digest)
    assert not await store.revisions.was_in_force(TWO.digest)


async def test_a_held_revision_is_held_once_and_decided_once(store: Store) -> None:
    assert await store.revisions.hold(TWO, reason="older", at=NOON, by="a")
    assert not await store.revisions.hold(TWO, reason="older", at=NOON, by="b"), "another process has said so"
    held = await store.revisions.load(RevisionStatus.HELD)
    assert held
    assert held.reason == "older"
    assert await store.revisions.decide(held.id, RevisionStatus.REJECTED, at=NOON, by="me")
    assert not await store.revisions.decide(held.id, RevisionStatus.RELEASED, at=NOON, by="you")
    assert not await store.revisions.hold(TWO, reason="older", at=NOON, by="a"), "a person has rejected it"
    assert await store.revisions.hold(THREE, reason="beside", at=NOON, by="a")


async def test_what_is_put_in_force_decides_what_was_held(store: Store) -> None:
    await store.revisions.hold(TWO, reason="older", at=NOON, by="a")
    await store.revisions.put_in_force(THREE, instead_of=None, at=NOON, by="a")
    assert await store.revisions.load(RevisionStatus.HELD) is None


async def test_of_many_at_the_same_moment_one_puts_its_revision_in_force(url: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_state(url)) for _ in range(4)]
        number = None
        for moment in range(6):
            asked = (
                store.revisions.put_in_force(
                    Revision(f"{moment}-{index}", None, "/a"), instead_of=number, at=NOON, by=str(index)
                )
                for index, store in enumerate(stores)
            )
            answers = await asyncio.gather(*asked)
            row = await stores[0].revisions.load(RevisionStatus.IN_FORCE)
            assert row
            assert (answers.count(True), answers[int(row.by)]) == (1, True)
            number = row.id
