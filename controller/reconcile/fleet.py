"""A fleet, once: think about everyone, judge once, ask, then act. The story of every run that writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.model.report import FleetPlan, FleetReport, Outcome
from controller.planning.holds import withheld
from controller.reconcile.budget import cost
from controller.reconcile.cycle import Act, carry_out
from controller.reconcile.judging import judged
from controller.reconcile.lately import made_lately
from controller.reconcile.ledger import told
from controller.reconcile.record import events, note_configured
from controller.reconcile.saved import still_holding
from controller.reconcile.second_round import second_round
from controller.reconcile.survey import Run, now, settled
from controller.reconcile.sweep import carry_out_all, consider_all, unread
from controller.reconcile.trouble import LATER, USED_UP
from controller.reconcile.world import Stop, World
from controller.reporting.verdict import exit_code


async def reconcile(
    run: Run, agree: Callable[[FleetPlan], bool], saved: Mapping[str, Any] | None = None, act: Act = carry_out
) -> FleetReport | FleetPlan:
    """Plans everyone, judges the plans at once, asks once, writes. Refused or declined: the plan alone comes back."""
    started = now()
    world = await settled(run)
    plan, moved = still_holding(await think(run, world), saved)
    may = may_begin(plan, run.stop)
    if plan.refusal or (may and not agreed(plan, agree)):
        return await told(plan, run.store)
    report = await carried_out(plan, run, world, act, started, moved)
    return replace(report, asked=may)


async def carried_out(
    plan: FleetPlan, run: Run, world: World, act: Act, started: datetime, moved: Mapping[str, Outcome]
) -> FleetReport:
    """An agreed plan, merchant by merchant, and what became of each. `moved`: those that it does not hold for."""
    await run.store.let_go(world.freed)
    world = replace(world, run=await run.store.begin_run("apply", started))
    outcomes = await carry_out_all(plan.plans, world, run.width, run.tell, act)
    outcomes |= await second_round(run, plan, world, outcomes)
    report = FleetReport(plan, {**moved, **outcomes}, started, now())
    return await _noted(run.stop.told_in(report), world)


async def think(run: Run, world: World, *, again: bool = False) -> FleetPlan:
    """Everyone's plan, judged at once; nothing has been written yet.

    again  another run carries it out, and has to look again: that is part of the cost
    """
    free = sorted(name for name in world.wanted if name not in world.unsettled)
    plans = await consider_all(free, world, run.width, run.tell)
    await run.store.remember_verdicts(world.judged)
    plans = [withheld(plan, world.holds.get(plan.merchant)) for plan in plans]
    plans += [unread(name, "a create was begun whose outcome could not be seen yet") for name in world.unsettled]
    plans.sort(key=lambda plan: plan.merchant)
    looking = run.api.reads - world.reads_before if again else 0
    cost_ = cost(plans, looking, run.pace, run.api.quota)
    return judged(run, world, plans, cost_, await made_lately(run))


def may_begin(plan: FleetPlan, stop: Stop) -> bool:
    """Whether anything may be written: no signal came meanwhile, and the day's quota is not used up."""
    if plan.resume_at:
        stop.because(USED_UP, remedy=LATER, resume_at=plan.resume_at)
    return stop.why is None


def agreed(plan: FleetPlan, agree: Callable[[FleetPlan], bool]) -> bool:
    """Nobody is asked about nothing."""
    return not any(each.changes for each in plan.plans) or agree(plan)


async def _noted(report: FleetReport, world: World) -> FleetReport:
    """The run's lines in the history, and when everyone was last seen well."""
    plans, store = report.plan.plans, world.store
    await note_configured(plans, report.outcomes, world)
    await store.note_events(world.run, events(world.run, plans, report.outcomes, world))
    await store.end_run(world.run, exit_code("apply", report), {"merchants": len(plans)}, report.ended)
    return replace(report, plan=await told(report.plan, store))
