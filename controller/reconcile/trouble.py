"""What keeps one merchant's trouble from becoming everybody's: the quarantine and the breaker.

a permanent refusal   waits until the manifest or live moves: same key, not tried again
many failures in turn pause all writes: the trouble is not the merchants'
"""

from __future__ import annotations

import hashlib

from controller.model.plan import Plan
from controller.model.report import Done, Failed, Outcome, Skipped
from controller.reconcile.world import World

IN_A_ROW = 10
"""So many failures with no success between them pause the writes."""


def quarantine_key(plan: Plan, world: World) -> str:
    """Changes when the manifest or what was seen live does."""
    words = f"{world.wanted[plan.merchant].digest} {plan.fingerprint}"
    return hashlib.sha256(words.encode()).hexdigest()


def held_back(plan: Plan, world: World) -> Skipped | None:
    """The reason not to try, when the very same thing was refused for good before."""
    before = world.quarantined.get(plan.merchant) if plan.changes else None
    if before is None or before.key != quarantine_key(plan, world):
        return None
    return Skipped(f"refused before and nothing moved since: {before.reason}")


async def note_trouble(plan: Plan, outcome: Outcome, world: World) -> None:
    match outcome:
        case Failed(reason, again) if not again and world.stopping.why is None:
            await world.store.quarantine(
                plan.merchant, key=quarantine_key(plan, world), reason=reason, until=None, tries=1
            )
            _failed(world, reason)
        case Failed(reason):
            _failed(world, reason)
        case Done():
            world.stopping.failures = 0
            if plan.merchant in world.quarantined:
                await world.store.release(plan.merchant)
        case _:
            pass


def _failed(world: World, reason: str) -> None:
    world.stopping.failures += 1
    if world.stopping.failures >= IN_A_ROW:
        world.stopping.because(f"{IN_A_ROW} merchants in a row failed, the last with: {reason}")
