"""A bulk change in waves: the story.

plan everyone ─ judge once ─ ask ─▶ ┌ write a wave ─ gate ─ soak ─ look again ─ gate ┐ ─▶ done
                                    └────────────────◀── the next ──────────────────┘
a gate that does not open, a pause, a signal: paused, with the reason; `roll` goes on where it stands
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from controller.desired.selector import matches
from controller.model.errors import MerchantctlError, RemoteError, Unauthorized
from controller.model.merchant import Wanted
from controller.model.plan import Change, Plan, State
from controller.model.report import FleetPlan, Outcome, Skipped
from controller.model.rollout import TO_DO, UNDER_WAY, Member, MemberState, Prospect, Rollout, RolloutState, Terms
from controller.model.run import Scope
from controller.model.values import to_json
from controller.planning.diff import remembered_as
from controller.planning.gate import came_through, closed, not_well, rolls
from controller.planning.waves import waves
from controller.reconcile.budget import cost
from controller.reconcile.cycle import Act, carry_out
from controller.reconcile.fleet import may_begin, reconcile, think
from controller.reconcile.judging import judged
from controller.reconcile.last_sync import read_sync
from controller.reconcile.lately import made_lately
from controller.reconcile.rollout_record import found, newest, told
from controller.reconcile.survey import Run, now, settled, survey
from controller.reconcile.sweep import each
from controller.reconcile.trouble import not_begun
from controller.reconcile.world import World
from controller.reporting.words import count, moment
from state import MemberRow, Owner, SyncRow
from state.errors import StateLocked

POLL = 0.5
"""Seconds between two looks for a pause that was asked for elsewhere."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Whose hands a rollout is in: `hold` is the state's lock, for one wave at a time; `say` is told of each step."""

    owner: Owner
    hold: Callable[[], AbstractAsyncContextManager[None]]
    say: Callable[[str], None]


# Beginning ----------------------------------------------------------------------------------------------


async def start(
    run: Run, name: str | None, terms: Terms, hands: Hands, agree: Callable[[Prospect], bool]
) -> Rollout | Prospect:
    """Plans everyone in scope, judges the whole rollout, asks, and writes its record. Refused or declined: what it
    would have been. The caller holds the lock."""
    last = await newest(run.store)
    if last and last.state in UNDER_WAY:
        step = f"merchantctl rollout resume {last.name}, or abort it"
        raise MerchantctlError(f"{told(last)}, and there is one at a time: {step}")
    prospect = await prospect_of(run, name or f"rollout-{last.id + 1 if last else 1}", terms)
    if prospect.plan.refusal or not prospect.waves or not may_begin(prospect.plan, run.stop) or not agree(prospect):
        return prospect
    members = _members(prospect, run.fleet.merchants)
    await run.store.begin_rollout(prospect.name, terms.as_json(), members, hands.owner, now())
    return await found(run.store, prospect.name)


async def prospect_of(run: Run, name: str, terms: Terms) -> Prospect:
    """What a rollout would do. Raises MerchantctlError where there was one of that name."""
    if await run.store.rollout(name):
        raise MerchantctlError(f"there was a rollout {name!r} already; give this one another --name")
    world = await settled(run)
    everyone = await think(run, world)
    population = [plan for plan in everyone.plans if rolls(plan)]
    plan = judged(run, world, population, cost(population, 0, run.pace, run.api.quota), await made_lately(run))
    labels = {each.merchant: world.wanted[each.merchant].labels for each in population}
    left = tuple(_left_to_others([each for each in everyone.plans if not rolls(each)]))
    plan = replace(plan, complete=everyone.complete, incomplete=everyone.incomplete)
    return Prospect(name, plan, waves(labels, terms.waves, matches), left)


def _left_to_others(plans: list[Plan]) -> list[str]:
    """What the population leaves out, in sentences."""
    others = sum(1 for each in plans if each.changes)
    blocked = sum(each.state is State.BLOCKED for each in plans)
    unseen = sum(each.unread for each in plans)
    sentences = (
        (others, "to create, configure first, unlink or delete: left to merchantctl apply"),
        (blocked, "blocked: merchantctl plan says by what"),
        (unseen, "could not be read: not part of it"),
    )
    return [f"{count(number, 'merchant')} {words}" for number, words in sentences if number]


def _members(prospect: Prospect, wanted: Mapping[str, Wanted]) -> list[MemberRow]:
    return [
        MemberRow(name, number, wanted[name].digest, MemberState.AHEAD.value)
        for number, wave in enumerate(prospect.waves, 1)
        for name in wave
    ]


# Going on -----------------------------------------------------------------------------------------------


async def roll(rollout: Rollout, run: Run, hands: Hands) -> Rollout:
    """Wave after wave, until all is done, a gate does not open, or somebody stops it."""
    async with _watched(rollout, run, hands):
        while rollout.state is RolloutState.RUNNING and not run.stop.why:
            why = await _wave(rollout, run, hands)
            await _turned(await found(run.store, rollout.name), why, run, hands)
            rollout = await found(run.store, rollout.name)
    return rollout


async def _wave(rollout: Rollout, run: Run, hands: Hands) -> str:
    """The wave in hand: written, watched, looked at again; why the rollout is to pause, empty where it goes on."""
    to_do = rollout.of_wave(rollout.wave, *TO_DO)
    if to_do:
        why = await _written(rollout, to_do, run, hands)
        rollout = await found(run.store, rollout.name)
        if why or closed(rollout):
            return why or closed(rollout)
    if not rollout.terms.soak:
        return ""
    return await _watched_over(rollout, run, hands)


async def _written(rollout: Rollout, to_do: tuple[Member, ...], run: Run, hands: Hands) -> str:
    hands.say(f"wave {rollout.wave} of {rollout.waves}: {count(len(to_do), 'merchant')}")
    wave = replace(run, scope=Scope(names=frozenset(each.merchant for each in to_do)))
    try:
        async with hands.hold():
            report = await reconcile(wave, lambda plan: True, act=_noting(rollout))
    except StateLocked as error:
        return str(error)
    if isinstance(report, FleetPlan) and report.refusal:
        over = ", ".join(f"{each.limit_of} {each.count} of {each.limit}" for each in report.refusal.excesses)
        return f"wave {rollout.wave} is over a safety limit by now ({over}); abort, and start anew"
    return run.stop.why or ""


def _noting(rollout: Rollout) -> Act:
    """Carries a merchant's plan out between two notes: what stood there before, and what became of it."""
    members = {each.merchant: each for each in rollout.members}

    async def act(plan: Plan, world: World) -> Outcome:
        if world.stopping.why:
            return not_begun(world.stopping)
        if plan.changes and not rolls(plan):
            return await _leave_to_apply(rollout, plan, world)
        if plan.changes:
            changed = {**members[plan.merchant].changed, **_changed(plan.changes)}
            await _note(rollout, plan.merchant, world, state=MemberState.BEGUN.value, changed=changed, held=False)
        outcome = await carry_out(plan, world)
        if not (isinstance(outcome, Skipped) and world.stopping.why):
            state, reason = came_through(plan, outcome)
            await _note(rollout, plan.merchant, world, state=state.value, reason=reason, held=False)
        return outcome

    return act


async def _leave_to_apply(rollout: Rollout, plan: Plan, world: World) -> Outcome:
    kinds = ", ".join(change.kind.value for change in plan.changes)
    why = f"needs {kinds} by now, which a rollout leaves to merchantctl apply"
    await _note(rollout, plan.merchant, world, state=MemberState.LEFT.value, reason=why, held=False)
    return Skipped(why)


async def _note(rollout: Rollout, merchant: str, world: World, **columns: Any) -> None:
    await world.store.note_rollout_merchant(rollout.id, merchant, **columns)


def _changed(changes: tuple[Change, ...]) -> dict[str, Any]:
    """What stands and what is about to be written, by field: the POST goes out only where it still stands so."""
    fields = (field for change in changes for field in change.fields)
    return {remembered_as(each.field): {"before": to_json(each.live), "wrote": to_json(each.wanted)} for each in fields}


async def _watched_over(rollout: Rollout, run: Run, hands: Hands) -> str:
    """The soak, which survives the process, and the second look."""
    until = rollout.soak_until or now() + timedelta(seconds=rollout.terms.soak)
    await run.store.turn_rollout(rollout.id, of=[RolloutState.RUNNING.value], of_owner=hands.owner, soak_until=until)
    hands.say(f"wave {rollout.wave} of {rollout.waves}: watched until {moment(until)}")
    with suppress(TimeoutError):
        async with asyncio.timeout((until - now()).total_seconds()):
            await run.stop.asked.wait()
    if run.stop.why:
        return run.stop.why
    await _look_again(rollout, until - timedelta(seconds=rollout.terms.soak), run)
    return closed(await found(run.store, rollout.name))


async def _look_again(rollout: Rollout, written: datetime, run: Run) -> None:
    """Whoever is not as the wave left it failed after all, and is tried again when the rollout is resumed."""
    done = {each.merchant: each for each in rollout.of_wave(rollout.wave, MemberState.DONE)}
    if not done:
        return
    look = replace(run, scope=Scope(names=frozenset(done)))
    await _read_syncs(await survey(look), run)
    world = await survey(look)
    for plan in (await think(look, world)).plans:
        why = not_well(plan, done[plan.merchant].changed, world.memory(plan.merchant).sync, written)
        if why:
            await _note(rollout, plan.merchant, world, state=MemberState.FAILED.value, reason=why)


async def _read_syncs(world: World, run: Run) -> None:
    """How everyone's latest sync went; what cannot be read is not held against anybody."""
    known = await run.store.syncs()
    companies = [(name, id_) for name in sorted(world.wanted) if (id_ := world.memory(name).company_id)]

    async def read(who: tuple[str, str]) -> SyncRow | None:
        try:
            return await read_sync(*who, known.get(who[0]), run.api, now())
        except Unauthorized:
            raise
        except RemoteError:
            return None

    rows = await each(companies, read, run.width, run.tell)
    await run.store.note_syncs(row for row in rows if row)


async def _turned(rollout: Rollout, why: str, run: Run, hands: Hands) -> None:
    """What follows a wave: the next one, a pause, or the end; nothing where somebody else has spoken meanwhile."""
    state, reason = _after(rollout, why)
    changes: dict[str, Any] = {"state": state.value, "reason": reason, "since": now()}
    if not why:
        changes |= {"wave": min(rollout.wave + 1, rollout.waves), "soak_until": None}
    elif rollout.of_wave(rollout.wave, *TO_DO):
        changes |= {"soak_until": None}
    await run.store.turn_rollout(rollout.id, of=[RolloutState.RUNNING.value], of_owner=hands.owner, **changes)
    hands.say(f"wave {rollout.wave} of {rollout.waves}: {why or 'through'}")


def _after(rollout: Rollout, why: str) -> tuple[RolloutState, str]:
    if why:
        return RolloutState.PAUSED, why
    if rollout.wave >= rollout.waves:
        return RolloutState.DONE, ""
    if rollout.terms.step:
        return RolloutState.PAUSED, f"wave {rollout.wave} is through, and the next one waits to be told (--step)"
    return RolloutState.RUNNING, ""


@asynccontextmanager
async def _watched(rollout: Rollout, run: Run, hands: Hands) -> AsyncIterator[None]:
    """Meanwhile, a pause or an abort from another terminal stops this process between two merchants."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(POLL)
            row = await run.store.rollout(rollout.name)
            if row and (row.state != RolloutState.RUNNING or row.owner != hands.owner):
                run.stop.because(f"rollout {rollout.name} was {row.state} elsewhere")

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
