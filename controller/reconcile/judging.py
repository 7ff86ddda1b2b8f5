"""The plans of a run, judged together: the limits, what was not seen, and what is said of the fleet as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from controller.model.observed import Listing
from controller.model.plan import ChangeClass, ChangeKind, Plan
from controller.model.report import Cost, FleetPlan
from controller.planning.holds import is_withheld
from controller.planning.safety import Fold, judge
from controller.reconcile.budget import shortfall
from controller.reconcile.survey import Run, lost_merchants
from controller.reconcile.trouble import USED_UP
from controller.reconcile.world import World
from controller.reporting.words import count


def judged(run: Run, world: World, plans: Sequence[Plan], cost: Cost, before: Mapping[ChangeClass, int]) -> FleetPlan:
    counts, refusal = judge(plans, _fold(run, world), run.leave, before)
    incomplete = _unseen(run, world, plans)
    strangers = _unmanaged(_listing(world), plans, world)
    return FleetPlan(
        plans=tuple(plans),
        manifests=run.fleet.digest,
        complete=not (incomplete or run.fleet.complaints or any(each.unread for each in plans)),
        unmanaged=strangers,
        refusal=refusal,
        cost=cost,
        made=world.now(),
        counts=counts,
        notes=(*_notes(plans, strangers, world), *_left_to_rollouts(plans, world), *shortfall(cost, run.api.quota)),
        incomplete=incomplete,
        complaints=run.fleet.complaints,
        scope=run.scope,
        resume_at=run.api.resume_at if any(each.unread or each.changes for each in plans) else None,
    )


def _listing(world: World) -> Listing | None:
    return world.inventory.listing if world.inventory else None


def _unseen(run: Run, world: World, plans: Sequence[Plan]) -> tuple[str, ...]:
    """What was not read, in sentences for the whole fleet."""
    listing, back = _listing(world), run.api.resume_at
    listed = (listing.why,) if listing and not listing.complete else ()
    unread = sum(each.unread for each in plans)
    if not back or not unread:
        return listed
    return (*listed, f"{USED_UP} until {back:%Y-%m-%d %H:%M} UTC: {unread} of {len(plans)} merchants were not read")


def _fold(run: Run, world: World) -> Fold:
    bound = sum(1 for memory in world.memories.values() if memory.company_id and not memory.retired_at)
    return Fold(bound, lost_merchants(run.fleet, run.scope, world.memories), len(run.fleet.known))


def _unmanaged(listing: Listing | None, plans: Sequence[Plan], world: World) -> tuple[str, ...]:
    """Companies that neither a binding nor a plan claims."""
    ours = set(world.claimed) | {plan.company_id for plan in plans}
    return tuple(each.name for each in listing.companies if each.id not in ours) if listing else ()


def _notes(plans: Sequence[Plan], strangers: Sequence[str], world: World) -> tuple[str, ...]:
    creates = sum(1 for plan in plans for each in plan.changes if each.kind is ChangeKind.CREATE_COMPANY)
    if world.memories or not creates or not strangers:
        return ()
    there, wanted = count(len(strangers), "company", "companies"), count(creates, "company", "companies")
    return (
        f"the state is empty, while {there} exist that no manifest names: is it the right one to create {wanted} with?",
    )


def _left_to_rollouts(plans: Sequence[Plan], world: World) -> tuple[str, ...]:
    """One sentence per rollout that keeps this run from writing."""
    held = Counter(world.holds[plan.merchant].rollout for plan in plans if is_withheld(plan))
    return tuple(
        f"{count(number, 'merchant')} left to rollout {name}: merchantctl rollout status {name}"
        for name, number in sorted(held.items())
    )
