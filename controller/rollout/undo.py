"""A rollout put back: exactly the fields that it changed, where live still holds what it wrote.

The wish is what stood there before, and what it wrote counts as last applied: so a value that somebody has changed
since is a conflict, and `drift: Report` leaves it alone. What goes back is what stood in the document itself, a time
zone and its local hour for instance, and not how we show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.codat.document_edit import sync_hour_from_pointers
from controller.model.desired import DeletionPolicy, DesiredMerchant, DriftPolicy, Fleet, MerchantPolicy
from controller.model.errors import LockedByOtherRun, MerchantctlError
from controller.model.field_values import (
    COMPANY_NAME_PATH,
    START_DATE_PATH,
    SYNC_HOUR_PATH,
    Option,
    Ref,
    Value,
    value_from_json,
    value_to_json,
)
from controller.model.observed import RecordedState
from controller.model.plan import Plan, PlanStatus
from controller.model.report import Applied, FleetPlan, Outcome, Skipped, Unchanged
from controller.model.rollout import ACTIVE_ROLLOUT_STATES, MemberState, Rollout, RolloutMember, RolloutState
from controller.model.run_policy import Scope
from controller.planning.diff import recorded_path
from controller.planning.holds import declared_or_assumed_hold
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.reconcile.fleet import confirm_changes, execute, may_write_else_stop, plan_fleet
from controller.reconcile.load_rollout import load_newest_rollout
from controller.reconcile.load_snapshot import recover_then_snapshot
from controller.reconcile.pass_takeovers import Takeovers
from controller.reconcile.plan_merchant import Applier, apply_and_record
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_list
from controller.rollout.gate import changes_only_existing, member_result, result_by_status
from controller.rollout.record import describe_position, load_rollout

PUT_BACK_STATES = (MemberState.UNDONE, MemberState.NOT_REVERTED)
UNDOABLE_STATES = (RolloutState.PAUSED, RolloutState.ABORTED, RolloutState.DONE, RolloutState.UNDOING)


async def undo_rollout(
    run: RunContext, name: str | None, confirm: Callable[[FleetPlan], bool], declared: Fleet
) -> Rollout | FleetPlan:
    """Plans and judges all of it at once, asks once, and holds its merchants from the same change. Refused or
    declined: the plan alone comes back. The caller holds the lock.

    declared  the manifests as far as they can be read: who is closed to writes is left alone here, too
    """
    started = run.now()
    rollout = await load_rollout(run.store, name)
    await _refuse_what_cannot_be_undone(rollout, run)
    members = _members_to_put_back(rollout)
    author = replace(run.author, verb=f"{rollout.name} undo")
    run = replace(run, scope=Scope(names=frozenset(members)), author=author)
    snapshot, plan = await _plan_undo(rollout, members, run, declared)
    if plan.refusal or not may_write_else_stop(plan, run.stop) or not confirm_changes(plan, confirm):
        return plan
    # Taken up while the question was open, its waves would go on beside this; over by now, they wrote to more.
    latest = await load_rollout(run.store, rollout.name)
    await _refuse_what_cannot_be_undone(latest, run)
    is_as_asked = _members_to_put_back(latest) == members
    if not is_as_asked or not await run.store.rollouts.compare_and_set(
        rollout.id, if_state_in=[latest.state.value], state=RolloutState.UNDOING.value, since=run.now()
    ):
        raise MerchantctlError(
            f"rollout {rollout.name} went on while its undoing was asked about, so nothing was put back. To see it as "
            f"it is by now: merchantctl rollout undo {rollout.name}"
        )
    # Before anybody is put back: `run` would bring the change to whom nobody holds, as the manifests still want it.
    await run.store.rollouts.hold_members(rollout.id)
    await execute(plan, snapshot, _undo_applier(rollout, members), started, {}, Takeovers())
    return await _record_undo_result(await load_rollout(run.store, rollout.name), members, run)


def _members_to_put_back(rollout: Rollout) -> dict[str, RolloutMember]:
    return {each.merchant: each for each in rollout.members if each.changed and each.state is not MemberState.UNDONE}


async def _refuse_what_cannot_be_undone(rollout: Rollout, run: RunContext) -> None:
    last = await load_newest_rollout(run.store)
    if rollout.state is RolloutState.RUNNING:
        raise MerchantctlError(f"{describe_position(rollout)}: merchantctl rollout pause {rollout.name} first")
    if rollout.state not in UNDOABLE_STATES:
        raise MerchantctlError(f"{describe_position(rollout)}: there is nothing to undo")
    if last and last.id != rollout.id and last.state in ACTIVE_ROLLOUT_STATES:
        raise MerchantctlError(f"{describe_position(last)}: finish or abort it before {rollout.name} is undone")
    # Told to stop, it may write to one more merchant all the same, whom this would find as before.
    row = await run.store.rollouts.load(rollout.name)
    if row and await run.store.rollouts.is_claim_held():
        raise LockedByOtherRun(
            f"{describe_position(rollout)}, and `{row.owner.command}` (pid {row.owner.pid} on {row.owner.host}) is "
            f"still at its last request: wait for it, or end it, then: merchantctl rollout undo {rollout.name}"
        )


async def _plan_undo(
    rollout: Rollout, members: Mapping[str, RolloutMember], run: RunContext, declared: Fleet
) -> tuple[RunSnapshot, FleetPlan]:
    """What is remembered of everyone is read first: the wishes are made of it."""
    rows = await run.store.records.load(members)
    known = {name: row.applied.get(COMPANY_NAME_PATH) for name, row in rows.items()}
    # As recorded: what is carried out is recorded, and an undo says nothing of what becomes of a removed manifest.
    policies = {name: DeletionPolicy(row.deletion) for name, row in rows.items()}
    wishes = {
        name: _desired_before(
            member, rollout, known.get(name) or name, policies.get(name, DeletionPolicy.RETAIN), run.service_now()
        )
        for name, member in members.items()
    }
    wishes = {name: replace(wish, hold=declared_or_assumed_hold(name, declared)) for name, wish in wishes.items()}
    # Not complete: whoever is no member is not one whose manifest is gone.
    run = replace(run, fleet=Fleet(wishes, frozenset(wishes), (), is_complete=False, digest=""))
    snapshot = await recover_then_snapshot(run)
    written = {name: _recorded_after_rollout(members[name], snapshot.recorded_state(name)) for name in snapshot.desired}
    snapshot = replace(snapshot, recorded={**snapshot.recorded, **written})
    return snapshot, await plan_fleet(snapshot)


def _values_by_recorded_path(member: RolloutMember, which: str) -> dict[str, Value]:
    """`before` or `wrote`, by the path under which «last applied» keeps the field."""
    return {recorded_path(path): value_from_json(path, each[which]) for path, each in member.changed.items()}


def _desired_before(
    member: RolloutMember, rollout: Rollout, name: str, deletion: DeletionPolicy, at: datetime
) -> DesiredMerchant:
    before = _values_to_restore(member, at)
    called = str(before.pop(COMPANY_NAME_PATH, name))
    policy = MerchantPolicy(drift=DriftPolicy.REPORT, deletion=deletion)
    fields = {path: Ref("id", value.id) if isinstance(value, Option) else value for path, value in before.items()}
    exact = {path: member.changed[path]["stood"] for path in fields if member.changed[path].get("stood")}
    return DesiredMerchant(
        member.merchant, called, fields=fields, policy=policy, exact_json=exact, digest=f"before rollout {rollout.id}"
    )


def _values_to_restore(member: RolloutMember, at: datetime) -> dict[str, Value]:
    """What is to stand again, by path, as far as it can. A local hour is the UTC hour that it is by now."""
    before = _values_by_recorded_path(member, "before")
    hour = member.changed.get(SYNC_HOUR_PATH, {}).get("stood")
    if hour:
        before[SYNC_HOUR_PATH] = sync_hour_from_pointers(hour, at)
    return {path: value for path, value in before.items() if path not in irreversible_fields(member)}


def irreversible_fields(member: RolloutMember) -> dict[str, str]:
    """The fields that cannot be put back whatever live holds, and why."""
    why = {}
    if START_DATE_PATH in member.changed:
        why[START_DATE_PATH] = "Codat lets no start date move earlier"
    hour = member.changed.get(SYNC_HOUR_PATH)
    if hour and not hour.get("stood") and not isinstance(hour["before"], int):
        why[SYNC_HOUR_PATH] = (
            f"it stood at {hour['before']}, which is no UTC hour, and a rollout begun with an earlier version did not "
            "note in what time zone; set it in the portal or in the manifest"
        )
    return why


def _recorded_after_rollout(member: RolloutMember, recorded: RecordedState) -> RecordedState:
    return replace(recorded, last_applied={**recorded.last_applied, **_values_by_recorded_path(member, "wrote")})


def _undo_applier(rollout: Rollout, members: Mapping[str, RolloutMember]) -> Applier:
    """Carries out a merchant's plan like any run, and records how far it is put back instead of what is declared."""

    async def record(plan: Plan, outcome: Outcome, snapshot: RunSnapshot) -> None:
        member = members[plan.merchant]
        undone = _undo_outcome(plan, outcome, member)
        await _record_restored_values(member, undone, snapshot)
        await snapshot.run.store.rollouts.update_member(
            rollout.id, plan.merchant, state=undone.state.value, reason=undone.reason
        )

    async def undo(plan: Plan, snapshot: RunSnapshot) -> Outcome:
        if plan.changes and not changes_only_existing(plan) and not snapshot.run.stop.reason:
            refused = Skipped("needs more than the rollout has changed")
            await record(plan, refused, snapshot)
            return refused
        return await apply_and_record(plan, snapshot, record)

    return undo


@dataclass(frozen=True, slots=True)
class _UndoOutcome:
    """How far one merchant is put back; `kept` are the fields that are not as before."""

    state: MemberState
    reason: str = ""
    kept: frozenset[str] = frozenset()


def _undo_outcome(plan: Plan, outcome: Outcome, member: RolloutMember) -> _UndoOutcome:
    every = frozenset(map(recorded_path, member.changed))
    is_stuck = plan.status is not PlanStatus.CHANGE and result_by_status(plan) is not MemberState.DONE
    if is_stuck and not plan.has_unread:
        return _UndoOutcome(MemberState.NOT_REVERTED, member_result(plan, outcome)[1], every)
    if plan.has_unread or not isinstance(outcome, Applied | Unchanged):
        return _UndoOutcome(MemberState.FAILED, member_result(plan, outcome)[1], every)
    written = {recorded_path(field.field) for change in plan.changes for field in change.fields}
    differing = {recorded_path(field) for field in plan.differences}
    changed_since = every & differing - written
    reasons = [f"{path} stays: {why}" for path, why in irreversible_fields(member).items()]
    if changed_since:
        reasons.append(f"changed by somebody since, and left alone: {format_list(sorted(changed_since))}")
    kept = changed_since | irreversible_fields(member).keys()
    return _UndoOutcome(MemberState.NOT_REVERTED if kept else MemberState.UNDONE, "; ".join(reasons), kept)


async def _record_restored_values(member: RolloutMember, undone: _UndoOutcome, snapshot: RunSnapshot) -> None:
    """What is back counts as what we set last; then the manifests that still ask for the change are ahead of live, and
    live is no drift."""
    run = snapshot.run
    record = (await run.store.records.load([member.merchant])).get(member.merchant)
    values = {
        path: value_to_json(value)
        for path, value in _values_to_restore(member, run.service_now()).items()
        if path not in undone.kept
    }
    if record and values:
        applied: dict[str, Any] = {**record.applied, **values}
        await run.store.applied.save(member.merchant, applied, deletion=record.deletion, at=run.now())


async def _record_undo_result(rollout: Rollout, names: Iterable[str], run: RunContext) -> Rollout:
    """Undone, unless somebody could not be reached: undo again then."""
    wanted = frozenset(names)
    open_ = [each.merchant for each in rollout.members if each.merchant in wanted and each.state not in PUT_BACK_STATES]
    state = RolloutState.UNDOING if open_ else RolloutState.UNDONE
    reason = f"not put back yet: {format_list(open_)}" if open_ else ""
    await run.store.rollouts.compare_and_set(
        rollout.id,
        if_state_in=[RolloutState.UNDOING.value],
        state=state.value,
        reason=run.stop.reason or reason,
        since=run.now(),
    )
    return await load_rollout(run.store, rollout.name)
