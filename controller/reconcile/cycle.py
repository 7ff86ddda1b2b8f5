"""One merchant, once: look and think; act, remember, tell."""

from __future__ import annotations

from controller.model.plan import Plan
from controller.model.report import Outcome, Skipped
from controller.planning.plan import make_plan
from controller.reconcile.apply import apply
from controller.reconcile.observe import observe
from controller.reconcile.record import remember
from controller.reconcile.trouble import held_back, note_trouble
from controller.reconcile.world import World


async def consider(merchant: str, world: World) -> Plan:
    """Look and think. Writes nothing."""
    observed = await observe(merchant, world)
    return make_plan(world.wanted[merchant], observed, world.memory(merchant), world.now())


async def carry_out(plan: Plan, world: World) -> Outcome:
    """Act and remember; a merchant that failed for good before is left alone until something moves."""
    if world.stopping.why:
        return Skipped(world.stopping.why)
    outcome = held_back(plan, world) or await apply(plan, world)
    await note_trouble(plan, outcome, world)
    await remember(plan, outcome, world)
    return outcome
