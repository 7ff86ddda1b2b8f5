"""A rollout put back: exactly the fields that it changed, where live still holds what it wrote.

The wish is what stood there before, and what it wrote counts as last applied: so a value that somebody has changed
since is a conflict, and `drift: Report` leaves it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from controller.model.errors import MerchantctlError
from controller.model.merchant import Deletion, Drift, Fleet, Policy, Wanted
from controller.model.observed import Memory
from controller.model.plan import Plan, State
from controller.model.report import Done, FleetPlan, Nothing, Outcome, Skipped
from controller.model.rollout import UNDER_WAY, Member, MemberState, Rollout, RolloutState
from controller.model.run import Scope
from controller.model.values import COMPANY_NAME, Declared, Option, Ref, Value, from_json, to_json
from controller.planning.diff import remembered_as
from controller.planning.gate import came_through, rolls
from controller.reconcile.apply import apply
from controller.reconcile.cycle import Act
from controller.reconcile.fleet import agreed, carried_out, may_begin, think
from controller.reconcile.lately import note_made
from controller.reconcile.rollout_record import found, newest, told
from controller.reconcile.survey import Run, now, settled
from controller.reconcile.trouble import not_begun, note_trouble
from controller.reconcile.world import World
from controller.reporting.words import listed

UNDOABLE = (RolloutState.PAUSED, RolloutState.ABORTED, RolloutState.DONE, RolloutState.UNDOING)


async def undo(run: Run, name: str | None, agree: Callable[[FleetPlan], bool]) -> Rollout | FleetPlan:
    """Plans and judges all of it at once, asks once, and holds its merchants from the same change. Refused or
    declined: the plan alone comes back. The caller holds the lock."""
    started = now()
    rollout = await found(run.store, name)
    await _refuse_what_cannot_be_undone(rollout, run)
    members = {each.merchant: each for each in rollout.members if each.changed and each.state is not MemberState.UNDONE}
    run = replace(run, scope=Scope(names=frozenset(members)))
    world, plan = await _thought(rollout, members, run)
    if plan.refusal or not may_begin(plan, run.stop) or not agreed(plan, agree):
        return plan
    await run.store.turn_rollout(rollout.id, of=[*UNDOABLE], state=RolloutState.UNDOING.value, since=now())
    await run.store.hold_rollout(rollout.id)
    await carried_out(plan, run, world, _putting_back(rollout, members), started, {})
    return await _concluded(await found(run.store, rollout.name), members, run)


async def _refuse_what_cannot_be_undone(rollout: Rollout, run: Run) -> None:
    last = await newest(run.store)
    if rollout.state is RolloutState.RUNNING:
        raise MerchantctlError(f"{told(rollout)}: merchantctl rollout pause {rollout.name} first")
    if rollout.state not in UNDOABLE:
        raise MerchantctlError(f"{told(rollout)}: there is nothing to undo")
    if last and last.id != rollout.id and last.state in UNDER_WAY:
        raise MerchantctlError(f"{told(last)}: finish or abort it before {rollout.name} is undone")


async def _thought(rollout: Rollout, members: Mapping[str, Member], run: Run) -> tuple[World, FleetPlan]:
    """What is remembered of everyone is read first: the wishes are made of it."""
    rows = await run.store.recall(members)
    known = {name: row.applied.get(COMPANY_NAME) for name, row in rows.items()}
    policies = {name: Deletion(row.deletion) for name, row in rows.items()}
    wishes = {
        name: _as_before(member, rollout, known.get(name) or name, policies.get(name, Deletion.RETAIN))
        for name, member in members.items()
    }
    run = replace(run, fleet=Fleet(wishes, frozenset(wishes), (), whole=False, digest=""))
    world = await settled(run)
    written = {name: _as_written(members[name], world.memory(name)) for name in world.wanted}
    world = replace(world, memories={**world.memories, **written})
    return world, await think(run, world)


def _values(member: Member, which: str) -> dict[str, Value]:
    """`before` or `wrote`, by the path under which «last applied» keeps the field."""
    return {remembered_as(path): from_json(path, each[which]) for path, each in member.changed.items()}


def _as_before(member: Member, rollout: Rollout, name: str, deletion: Deletion) -> Wanted:
    before = _values(member, "before")
    called = str(before.pop(COMPANY_NAME, name))
    policy = Policy(drift=Drift.REPORT, deletion=deletion)
    fields = {path: _wish(value) for path, value in before.items()}
    return Wanted(member.merchant, called, fields=fields, policy=policy, digest=f"before rollout {rollout.id}")


def _wish(value: Value) -> Declared:
    return Ref("id", value.id) if isinstance(value, Option) else value


def _as_written(member: Member, memory: Memory) -> Memory:
    return replace(memory, applied={**memory.applied, **_values(member, "wrote")})


def _putting_back(rollout: Rollout, members: Mapping[str, Member]) -> Act:
    async def act(plan: Plan, world: World) -> Outcome:
        if world.stopping.why:
            return not_begun(world.stopping)
        foreign = plan.changes and not rolls(plan)
        outcome = Skipped("needs more than the rollout has changed") if foreign else await apply(plan, world)
        await note_made(plan, outcome, world)
        await note_trouble(plan, outcome, world)
        back = _put_back(plan, outcome, members[plan.merchant])
        await _remember(plan.merchant, members[plan.merchant], back, world)
        await world.store.note_rollout_merchant(rollout.id, plan.merchant, state=back.state.value, reason=back.reason)
        return outcome

    return act


@dataclass(frozen=True, slots=True)
class _Back:
    """How far one merchant is put back; `kept` are the fields that are not as before."""

    state: MemberState
    reason: str = ""
    kept: frozenset[str] = frozenset()


def _put_back(plan: Plan, outcome: Outcome, member: Member) -> _Back:
    every = frozenset(map(remembered_as, member.changed))
    if not isinstance(outcome, Done | Nothing) or plan.unread:
        return _Back(MemberState.FAILED, came_through(plan, outcome)[1], every)
    if plan.state in (State.BLOCKED, State.WAITING):
        return _Back(MemberState.KEPT, came_through(plan, outcome)[1], every)
    sent = {remembered_as(field.field) for change in plan.changes for field in change.fields}
    told_of = {remembered_as(each.field) for each in plan.findings if each.field and each.direction}
    kept = every & told_of - sent
    reason = f"changed by somebody since, and left alone: {listed(sorted(kept))}" if kept else ""
    return _Back(MemberState.KEPT if kept else MemberState.UNDONE, reason, kept)


async def _remember(merchant: str, member: Member, back: _Back, world: World) -> None:
    """What is back is what we set last; then the manifests that still ask for the change are ahead, not live behind."""
    memory = (await world.store.recall([merchant])).get(merchant)
    before = {path: to_json(value) for path, value in _values(member, "before").items() if path not in back.kept}
    if memory and before:
        applied: dict[str, Any] = {**memory.applied, **before}
        await world.store.record_applied(merchant, applied, deletion=memory.deletion, at=world.now())


async def _concluded(rollout: Rollout, names: Iterable[str], run: Run) -> Rollout:
    """Undone, unless somebody could not be reached: undo again then."""
    wanted = frozenset(names)
    open_ = [each.merchant for each in rollout.members if each.merchant in wanted and each.state not in _BACK]
    state = RolloutState.UNDOING if open_ else RolloutState.UNDONE
    reason = f"not put back yet: {listed(open_)}" if open_ else ""
    await run.store.turn_rollout(
        rollout.id, of=[RolloutState.UNDOING.value], state=state.value, reason=run.stop.why or reason, since=now()
    )
    return await found(run.store, rollout.name)


_BACK = (MemberState.UNDONE, MemberState.KEPT)
