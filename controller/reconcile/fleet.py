"""A fleet, once: think about everyone, judge once, ask, then act. The story of every run that writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.model.errors import Stopped
from controller.model.observed import Listing
from controller.model.plan import ChangeClass, ChangeKind, Plan, State
from controller.model.report import Cost, Done, Failed, FleetPlan, FleetReport, Outcome, Skipped
from controller.planning.safety import Fold, judge
from controller.reconcile.budget import cost, shortfall
from controller.reconcile.lately import made_lately
from controller.reconcile.record import events, note_configured
from controller.reconcile.survey import Run, lost_merchants, now, settled
from controller.reconcile.sweep import carry_out_all, consider_all, unread
from controller.reconcile.trouble import LATER, USED_UP
from controller.reconcile.world import World
from controller.reporting.verdict import exit_code
from controller.reporting.words import count
from state import FindingRow, Store
from state.errors import StateProblem


async def reconcile(
    run: Run, agree: Callable[[FleetPlan], bool], saved: Mapping[str, Any] | None = None
) -> FleetReport | FleetPlan:
    """Plans everyone, judges the plans at once, asks once, writes. Refused or declined: the plan alone comes back."""
    started = now()
    world = await settled(run)
    plan, moved = still_holding(await think(run, world), saved)
    if plan.resume_at:
        run.stop.because(USED_UP, remedy=LATER, resume_at=plan.resume_at)
    can = run.stop.why is None
    if plan.refusal or (can and not _agreed(plan, agree)):
        return await told(plan, run.store)
    number = await run.store.begin_run("apply", started)
    world = replace(world, run=number)
    outcomes = await carry_out_all(plan.plans, world, run.width, run.tell)
    outcomes |= await _lost_answers(run, plan, world, outcomes)
    stop = run.stop
    end = (started, now(), stop.why, stop.remedy, stop.resume_at, stop.signal)
    return await _noted(number, FleetReport(plan, moved | outcomes, *end, asked=can), world)


async def think(run: Run, world: World, *, again: bool = False) -> FleetPlan:
    """Everyone's plan, judged at once; nothing has been written yet.

    again  another run carries it out, and has to look again: that is part of the cost
    """
    free = sorted(name for name in world.wanted if name not in world.unsettled)
    plans = await consider_all(free, world, run.width, run.tell)
    await run.store.remember_verdicts(world.judged)
    plans += [unread(name, "a create was begun whose outcome could not be seen yet") for name in world.unsettled]
    plans.sort(key=lambda plan: plan.merchant)
    looking = run.api.reads - world.reads_before if again else 0
    cost_ = cost(plans, looking, run.pace, run.api.quota)
    return _judged(run, world, plans, cost_, await made_lately(run))


def _agreed(plan: FleetPlan, agree: Callable[[FleetPlan], bool]) -> bool:
    """Nobody is asked about nothing."""
    return not any(each.changes for each in plan.plans) or agree(plan)


def _judged(run: Run, world: World, plans: Sequence[Plan], cost: Cost, before: Mapping[ChangeClass, int]) -> FleetPlan:
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
        notes=(*_notes(plans, strangers, world), *shortfall(cost, run.api.quota)),
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


async def _lost_answers(run: Run, plan: FleetPlan, world: World, first: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Creates whose answer was lost in this very run: settled, then planned and carried out once more."""
    lost = {intent.merchant for intent in await run.store.open_intents()}
    again = [each for each in plan.plans if each.merchant in lost]
    if not again or run.stop.why:
        return {}
    anew = replace(await settled(run), run=world.run)
    clear = [each for each in again if each.merchant not in anew.unsettled]
    try:
        later = await consider_all([each.merchant for each in clear], anew, run.width, _unwatched)
    except Stopped:
        return {}
    agreed = [_within(new, old) for new, old in zip(later, clear, strict=True)]
    outcomes = await carry_out_all(agreed, anew, run.width, _unwatched)
    return outcomes | {each.merchant: made for each in later if (made := _was_made(each, first.get(each.merchant)))}


def _was_made(later: Plan, before: Outcome | None) -> Done | None:
    """Nothing is left to do: the write whose answer was lost was done. What it waits for is told as after any."""
    if later.changes or later.state is State.UNKNOWN or not isinstance(before, Failed):
        return None
    return Done(before.writes + 1, tuple(finding for finding in later.findings if finding.link))


def _unwatched(done: int, of: int) -> None:
    """A second round is short: it has no progress of its own."""


async def _noted(number: int, report: FleetReport, world: World) -> FleetReport:
    """The run's lines in the history, and when everyone was last seen well."""
    plans, store = report.plan.plans, world.store
    await note_configured(plans, report.outcomes, world)
    await store.note_events(number, events(number, plans, report.outcomes, world))
    await store.end_run(number, exit_code("apply", report), {"merchants": len(plans)}, report.ended)
    return replace(report, plan=await told(report.plan, store))


def _within(later: Plan, earlier: Plan) -> Plan:
    """Of a second look's plan only what was agreed to: kinds and classes that the first one had."""
    agreed = {(change.kind, change.classes) for change in earlier.changes}
    return replace(later, changes=tuple(each for each in later.changes if (each.kind, each.classes) in agreed))


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


async def told(plan: FleetPlan, store: Store) -> FleetPlan:
    """The plan with each finding's first sight; the ledger is best effort and never ends a run."""
    seen = [FindingRow(each.merchant, each.code, each.field or "") for one in plan.plans for each in one.findings]
    try:
        since = await store.note_findings(seen, judged=[each.merchant for each in plan.plans], at=now())
    except StateProblem:
        return plan
    return replace(plan, plans=tuple(_dated(each, since) for each in plan.plans))


def _dated(plan: Plan, since: Mapping[tuple[str, str, str], datetime]) -> Plan:
    if not plan.findings:
        return plan
    return replace(plan, findings=tuple(replace(each, since=since.get(each.key)) for each in plan.findings))


def still_holding(plan: FleetPlan, saved: Mapping[str, Any] | None) -> tuple[FleetPlan, dict[str, Outcome]]:
    """The plans that were saved and still hold; the merchants that moved since are skipped by name."""
    if saved is None:
        return plan, {}
    written = {each["merchant"]: each for each in saved["merchants"]}
    told = tuple(each for each in plan.plans if each.merchant in written)
    holding = tuple(each for each in told if _as_saved(each, written[each.merchant]))
    gone = set(written) - {each.merchant for each in holding}
    why = "moved since the plan was saved; make a new plan"
    moved: dict[str, Outcome] = {name: Skipped(why) for name in sorted(gone)}
    return replace(plan, plans=holding), moved


def _as_saved(plan: Plan, written: Mapping[str, Any]) -> bool:
    """Whoever neither plan would touch may move as they like; whoever could not be read has not been seen to move."""
    untouched = not plan.changes and (plan.unread or not written["changes"])
    return untouched or plan.fingerprint == written["fingerprint"]
