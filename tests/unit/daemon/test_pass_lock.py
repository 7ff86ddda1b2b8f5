"""A short pass beside a long one: whose merchants are whose, and who has the lock on the state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from math import inf
from typing import Any, cast

import pytest

from controller.daemon.pass_lock import MAX_SHORT_PASS_WAIT_S, HeldElsewhere, PassLock
from controller.model.desired import Fleet
from controller.model.plan import Change, ChangeKind, Plan, PlanStatus
from controller.model.report import Applied, Outcome, Skipped, Unchanged
from controller.reconcile.pass_takeovers import RecordOutcomes, Takeovers
from controller.reconcile.snapshot import RunSnapshot
from state import ProcessIdentity
from state.errors import StateLocked
from tests.build import desired_merchant


class StateLock:
    """Counts who has it; `free` lets the next one in."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.holders = self.most_holders = self.times_taken = 0

    @asynccontextmanager
    async def __call__(self, max_wait_s: float = 0) -> AsyncIterator[None]:
        await self.free.wait()
        self.holders += 1
        self.times_taken += 1
        self.most_holders = max(self.most_holders, self.holders)
        try:
            yield None
        finally:
            self.holders -= 1


FLEET = Fleet({"ann": desired_merchant(name="ann")}, frozenset({"ann"}), (), True, "")
CHANGE = Change(ChangeKind.SET_CONFIGURATION, ())


def plan(merchant: str, *changes: Change) -> Plan:
    return Plan(merchant, PlanStatus.CHANGE if changes else PlanStatus.IN_SYNC, changes)


async def carry_out(
    takeovers: Takeovers,
    merchant: str,
    *changes: Change,
    wait: asyncio.Event | None = None,
    record: RecordOutcomes | None = None,
) -> Outcome:
    """The long pass carries out what it planned for a merchant."""

    async def applier(plan: Plan, snapshot: Any) -> Outcome:
        if wait:
            await wait.wait()
        return Applied(len(changes)) if changes else Unchanged()

    async def record_nothing(outcomes: Mapping[str, Outcome]) -> None:
        pass

    guarded = takeovers.guard(applier, record or record_nothing)
    nothing_observed = cast(RunSnapshot, None)  # `applier` asks nothing of it
    return await guarded(plan(merchant, *changes), nothing_observed)


async def soon(task: asyncio.Task[Any]) -> bool:
    """Whether it is done without anything else happening."""
    await asyncio.wait([task], timeout=0.05)
    return task.done()


class TestTakeovers:
    async def test_whoever_was_taken_over_is_not_written_to(self) -> None:
        takeovers = Takeovers()
        takeovers.allow()
        await takeovers.take(["ann"])
        assert isinstance(await carry_out(takeovers, "ann", CHANGE), Skipped)
        assert isinstance(await carry_out(takeovers, "bob"), Unchanged)
        assert takeovers.taken_over == {"ann"}

    async def test_whoever_was_written_to_stays_with_the_pass_that_did(self) -> None:
        takeovers = Takeovers()
        takeovers.allow()
        await carry_out(takeovers, "ann", CHANGE)
        await takeovers.take(["ann"])
        assert (takeovers.taken_over, takeovers.recorded_before_takeover) == (frozenset(), frozenset({"ann"}))

    async def test_who_had_nothing_to_be_carried_out_is_taken_over_all_the_same(self) -> None:
        takeovers = Takeovers()
        takeovers.allow()
        await carry_out(takeovers, "ann")
        await takeovers.take(["ann"])
        assert takeovers.taken_over == {"ann"}

    async def test_what_was_carried_out_is_recorded_once_and_before_the_short_pass_looks(self) -> None:
        takeovers, recorded = Takeovers(), list[str]()

        async def record(outcomes: Mapping[str, Outcome]) -> None:
            await asyncio.sleep(0)
            recorded.extend(outcomes)

        takeovers.allow()
        await carry_out(takeovers, "ann", CHANGE, record=record)
        for _ in range(2):
            await takeovers.take(["ann"])
            assert recorded == ["ann"]

    async def test_while_the_long_pass_records_how_all_stand_nobody_is_taken_and_nothing_is_recorded_twice(
        self,
    ) -> None:
        takeovers, recorded = Takeovers(), list[str]()

        async def record(outcomes: Mapping[str, Outcome]) -> None:
            recorded.extend(outcomes)

        takeovers.allow()
        await carry_out(takeovers, "ann", CHANGE, record=record)
        async with takeovers.recording():
            taking = asyncio.create_task(takeovers.take(["ann"]))
            assert not await soon(taking)
        assert await soon(taking)
        assert takeovers.looked_at_by_others == {"ann"}
        assert not recorded

    async def test_whoever_is_being_written_to_is_waited_for(self) -> None:
        takeovers, written = Takeovers(), asyncio.Event()
        takeovers.allow()
        writing = asyncio.create_task(carry_out(takeovers, "ann", CHANGE, wait=written))
        await asyncio.sleep(0)
        taking = asyncio.create_task(takeovers.take(["ann"]))
        assert not await soon(taking)
        written.set()
        assert await soon(taking)
        assert isinstance(await writing, Applied)
        assert takeovers.taken_over == frozenset()

    async def test_nobody_is_taken_before_the_long_pass_has_settled_what_it_found_open(self) -> None:
        takeovers = Takeovers()
        taking = asyncio.create_task(takeovers.take(["ann"]))
        assert not await soon(taking)
        takeovers.allow()
        assert await soon(taking)


class TestPassLock:
    async def test_a_short_pass_joins_a_long_one_that_gives_the_lock_back_after_both(self) -> None:
        state_lock, leave_long, leave_short = StateLock(), asyncio.Event(), asyncio.Event()
        lock = PassLock(state_lock, lambda: FLEET)

        async def long() -> frozenset[str]:
            async with lock.hold() as (takeovers, _, _):
                takeovers.allow()
                await leave_long.wait()
            return takeovers.taken_over

        async def short() -> None:
            async with lock.join_or_hold(["ann"]):
                assert state_lock.times_taken == 1
                await leave_short.wait()

        passes: list[asyncio.Task[Any]] = [asyncio.create_task(long())]
        await asyncio.sleep(0.01)
        passes.append(asyncio.create_task(short()))
        await asyncio.sleep(0.01)
        leave_long.set()
        assert not await soon(passes[0])
        late = asyncio.create_task(short())
        assert not await soon(late), "a pass that ends is not joined any more"
        leave_short.set()
        assert await asyncio.wait_for(passes[0], 60) == {"ann"}
        with pytest.raises(AssertionError):  # it took the lock itself
            await asyncio.wait_for(late, 60)
        assert (state_lock.holders, state_lock.most_holders, state_lock.times_taken) == (0, 1, 2)

    async def test_without_a_long_pass_short_ones_have_the_lock_one_after_another_or_together(self) -> None:
        state_lock = StateLock()
        lock, seen = PassLock(state_lock, lambda: FLEET), list[str]()

        async def short(name: str) -> None:
            async with lock.join_or_hold([name]) as (takeovers, _, _):
                takeovers.allow()
                await asyncio.sleep(0.01)
                seen.append(name)

        await asyncio.wait_for(asyncio.gather(*(short(f"m-{n}") for n in range(20))), 60)
        assert sorted(seen) == sorted(f"m-{n}" for n in range(20))
        assert (state_lock.holders, state_lock.most_holders) == (0, 1)

    async def test_a_short_pass_that_comes_while_a_long_one_waits_for_its_turn_joins_it_then(self) -> None:
        state_lock = StateLock()
        state_lock.free.clear()
        lock, over = PassLock(state_lock, lambda: FLEET), asyncio.Event()

        async def long() -> None:
            async with lock.hold() as (takeovers, _, _):
                takeovers.allow()
                await over.wait()

        async def short() -> None:
            async with lock.join_or_hold(["ann"]):
                pass

        waiting = asyncio.create_task(long())
        await asyncio.sleep(0.01)
        joining = asyncio.create_task(short())
        assert not await soon(joining)
        state_lock.free.set()
        assert await soon(joining)
        over.set()
        await asyncio.wait_for(waiting, 60)
        assert state_lock.times_taken == 1

    async def test_a_lock_that_cannot_be_had_stands_in_nobodys_way(self) -> None:
        @asynccontextmanager
        async def refused(_: float) -> AsyncIterator[None]:
            raise RuntimeError("held elsewhere")
            yield None

        lock = PassLock(refused, lambda: FLEET)
        for pass_ in (lock.hold(), lock.join_or_hold(["ann"]), lock.hold()):
            with pytest.raises(RuntimeError, match="held elsewhere"):
                async with pass_:
                    pass

    async def test_a_long_pass_that_fails_lets_whoever_joined_it_finish(self) -> None:
        state_lock = StateLock()
        lock = PassLock(state_lock, lambda: FLEET)

        async def failing() -> None:
            async with lock.hold():
                await asyncio.sleep(0.02)
                raise RuntimeError("no listing")

        async def short() -> int:
            async with lock.join_or_hold(["ann"]):
                return state_lock.holders

        long = asyncio.create_task(failing())
        await asyncio.sleep(0.005)
        assert await asyncio.wait_for(short(), 60) == 1
        with pytest.raises(RuntimeError, match="no listing"):
            await long
        assert state_lock.holders == 0

    async def test_a_short_pass_leaves_its_merchants_to_another_controller_that_has_the_lock_for_long(self) -> None:
        waits: list[float] = []

        @asynccontextmanager
        async def held_elsewhere(max_wait_s: float) -> AsyncIterator[None]:
            waits.append(max_wait_s)
            raise StateLocked(ProcessIdentity("elsewhere", 1, "", "merchantctl run"), datetime.now(UTC))
            yield None

        lock = PassLock(held_elsewhere, lambda: FLEET)
        with pytest.raises(HeldElsewhere):
            async with lock.join_or_hold(["ann"]):
                pass
        with pytest.raises(StateLocked):
            async with lock.hold():
                pass
        assert waits == [MAX_SHORT_PASS_WAIT_S, inf], "a long pass waits as long as that takes"
