"""A fleet, once: everyone is considered before anyone is touched, and one failure never stops another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from controller.model.errors import RemoteError, Stopped, Unauthorized
from controller.model.plan import Actor, Finding, Plan, State
from controller.model.report import Outcome
from controller.reconcile.cycle import Act, carry_out, consider
from controller.reconcile.world import World

OnProgress = Callable[[int, int], None]
K = TypeVar("K")
V = TypeVar("V")


async def consider_all(merchants: Sequence[str], world: World, width: int, on_progress: OnProgress) -> list[Plan]:
    """A plan for every merchant, in their order; what cannot be read becomes a plan that says so.

    Raises Stopped after a signal: while everyone is still only looked at, nothing is lost by that.
    """

    async def one(merchant: str) -> Plan:
        if world.stopping.signal:
            raise Stopped(world.stopping.signal)
        try:
            return await consider(merchant, world)
        except Unauthorized:
            raise
        except RemoteError as error:
            return unread(merchant, str(error))

    return await each(merchants, one, width, on_progress)


async def carry_out_all(
    plans: Sequence[Plan], world: World, width: int, on_progress: OnProgress, act: Act = carry_out
) -> dict[str, Outcome]:
    """Each plan's outcome. After a stop no new merchant is begun; requests in flight finish."""
    outcomes = await each(plans, lambda plan: act(plan, world), width, on_progress)
    return {plan.merchant: outcome for plan, outcome in zip(plans, outcomes, strict=True)}


async def each(keys: Sequence[K], one: Callable[[K], Awaitable[V]], width: int, on_progress: OnProgress) -> list[V]:
    """One result per key, in order, `width` at a time. The first exception ends the rest."""
    results: dict[int, V] = {}
    waiting = iter(enumerate(keys))

    async def work() -> None:
        for index, key in waiting:
            results[index] = await one(key)
            on_progress(len(results), len(keys))

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(width, len(keys))):
                workers.create_task(work())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [results[index] for index in range(len(keys))]


def unread(merchant: str, reason: str) -> Plan:
    """Could not be looked at: never in sync, never missing."""
    finding = Finding("unknown", merchant, f"could not be read: {reason}", "run it again", Actor.SERVICE)
    return Plan(merchant, State.UNKNOWN, findings=(finding,))
