"""One merchant, once: look and think; act, remember, tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.model.plan import Plan
from controller.model.report import Outcome
from controller.planning.plan import make_plan
from controller.reconcile.apply import apply
from controller.reconcile.lately import note_made
from controller.reconcile.memo import recognised, verdict_of
from controller.reconcile.observe import Glimpse, glance, inspect
from controller.reconcile.record import remember
from controller.reconcile.trouble import held_back, not_begun, note_trouble
from controller.reconcile.world import World

Act = Callable[[Plan, World], Awaitable[Outcome]]
"""How one merchant's plan is carried out: `carry_out`, or that with something around it."""


async def consider(merchant: str, world: World) -> Plan:
    """Look and think. Writes nothing. What is as it was when it was last in sync is not thought about again."""
    glimpse = await glance(merchant, world)
    known = recognised(merchant, glimpse, world)
    return known or await _thought(merchant, glimpse, world)


async def _thought(merchant: str, glimpse: Glimpse, world: World) -> Plan:
    observed = await inspect(merchant, glimpse, world)
    plan = make_plan(world.wanted[merchant], observed, world.memory(merchant), world.now())
    verdict = verdict_of(plan, glimpse, world)
    if verdict:
        world.judged[merchant] = verdict
    return plan


async def carry_out(plan: Plan, world: World) -> Outcome:
    """Act and remember. After a stop no merchant is begun; one that failed for good is left alone until it moves."""
    if plan.changes and world.stopping.why:
        return not_begun(world.stopping)
    outcome = held_back(plan, world) or await apply(plan, world)
    await note_made(plan, outcome, world)
    await note_trouble(plan, outcome, world)
    await remember(plan, outcome, world)
    return outcome
