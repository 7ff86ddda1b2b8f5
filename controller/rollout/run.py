"""A bulk change in waves: the story.

plan everyone ─ judge once ─ ask ─▶ ┌ write a wave ─ gate ─ soak ─ look again ─ gate ┐ ─▶ done
                                    └────────────────◀── the next ──────────────────┘
a gate that does not open, a pause, a signal: paused, with the reason; `run_waves` goes on where it stands
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from controller.desired.selector import matches_selector
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.desired import DesiredMerchant
from controller.model.errors import (
    ApiUnusable,
    LockedByOtherRun,
    MerchantctlError,
    RemoteError,
    StoppedBySignal,
    TransientError,
)
from controller.model.field_values import START_DATE_PATH, value_to_json
from controller.model.holds import count_closed_by_word
from controller.model.plan import Plan, PlanStatus
from controller.model.report import FleetPlan, FleetReport, Outcome, Skipped
from controller.model.rollout import (
    ACTIVE_ROLLOUT_STATES,
    UNFINISHED_STATES,
    MemberState,
    Rollout,
    RolloutMember,
    RolloutPreview,
    RolloutSpec,
    RolloutState,
)
from controller.model.run_policy import Scope
from controller.planning.diff import recorded_path
from controller.quick_dataclasses import dataclass
from controller.reconcile.concurrency import map_bounded
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import ends_run, log_internal_error, printable_line, skipped_by_stop
from controller.reconcile.fleet import may_write_else_stop, plan_fleet, reconcile
from controller.reconcile.fleet_plan import build_fleet_plan
from controller.reconcile.last_sync import read_latest_sync
from controller.reconcile.load_rollout import load_newest_rollout
from controller.reconcile.load_snapshot import load_snapshot, recover_then_snapshot
from controller.reconcile.merchant_identity import apply_renames, resolve_renames
from controller.reconcile.merchant_lease import awaited_leases
from controller.reconcile.plan_merchant import Applier, apply_and_record
from controller.reconcile.recent_changes import count_recent_automatic_changes
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_count, format_list, format_time
from controller.rollout.gate import (
    changes_only_existing,
    is_rollout_member,
    member_result,
    why_gate_closed,
    why_stuck,
    why_unhealthy,
    why_wave_not_begun,
)
from controller.rollout.record import describe_position, load_rollout
from controller.rollout.waves import split_into_waves
from state import LastSyncRow, MemberRow, ProcessIdentity
from state.errors import StateLocked, StateProblem

ROLLOUT_POLL_INTERVAL_S = 0.5
"""Seconds between two looks for a pause that was asked for elsewhere."""

PauseReason = str
"""Why a rollout is to pause; empty where it goes on."""


@dataclass(frozen=True, slots=True)
class RolloutSession:
    """The process that owns the rollout, with the state's lock (taken for one wave at a time) and where its steps are
    told.

    pauses_by_itself  on a signal, and where Codat cannot be asked. False: it stays under way then, for the next
                      process that carries rollouts out by itself, or for the next try
    on_wave_written   called with what became of each wave
    """

    owner: ProcessIdentity
    lock: Callable[[], AbstractAsyncContextManager[object]]
    on_message: Callable[[str], None]
    pauses_by_itself: bool = True
    on_wave_written: Callable[[FleetReport], None] = lambda report: None


# Beginning ----------------------------------------------------------------------------------------------


async def confirm_and_record_rollout(
    run: RunContext,
    name: str | None,
    spec: RolloutSpec,
    session: RolloutSession,
    confirm: Callable[[RolloutPreview], bool],
) -> Rollout | RolloutPreview:
    """Plans everyone in scope, judges the whole rollout, asks, and writes its record. Refused or declined: what it
    would have been. The caller holds the lock."""
    last = await load_newest_rollout(run.store)
    if last and last.state in ACTIVE_ROLLOUT_STATES:
        step = f"merchantctl rollout resume {last.name}, or abort it"
        raise MerchantctlError(f"{describe_position(last)}, and there is one at a time: {step}")
    preview = await preview_rollout(run, name or f"rollout-{last.id + 1 if last else 1}", spec)
    idle = not any(changes_only_existing(each) for each in preview.plan.plans)
    if preview.plan.refusal or idle or not may_write_else_stop(preview.plan, run.stop) or not confirm(preview):
        return preview
    rows = await run.store.records.load()
    # First the names: the members are recorded under those of these manifests. A `run` beside this may write to them.
    renames = await resolve_renames(run.fleet, rows, run.store)
    async with awaited_leases({*renames.acting, *renames.acting.values()}, run):
        await apply_renames(run.fleet, renames, run.store, run.now())
    members = _member_rows(preview, run.fleet.merchants)
    # By force, since none is under way: whoever has the claim still was told to stop.
    if not await run.store.rollouts.acquire_claim(by_force=True):
        raise LockedByOtherRun("another process still has the last rollout in its hands; end it, then run this again")
    await run.store.rollouts.begin(preview.name, spec.to_json(), members, session.owner, run.now())
    return await load_rollout(run.store, preview.name)


async def preview_rollout(run: RunContext, name: str, spec: RolloutSpec) -> RolloutPreview:
    """What a rollout would do. Raises MerchantctlError where there was one of that name."""
    if await run.store.rollouts.load(name):
        raise MerchantctlError(f"there was a rollout {name!r} already; give this one another --name")
    snapshot = await recover_then_snapshot(run)
    everyone = await plan_fleet(snapshot)
    population = [
        plan
        for plan in everyone.plans
        if plan.merchant in run.fleet.merchants
        and is_rollout_member(plan, snapshot.recorded_state(plan.merchant).last_configured_at is not None)
    ]
    plan = build_fleet_plan(snapshot, population, 0, await count_recent_automatic_changes(run))
    labels = {each.merchant: snapshot.desired[each.merchant].labels for each in population}
    others = [each for each in everyone.plans if each.merchant not in labels]
    left = (*_stuck_note(population, spec), *_irreversible_note(population), *_excluded_notes(others))
    plan = replace(plan, is_complete=everyone.is_complete, unread_reasons=everyone.unread_reasons)
    return RolloutPreview(name, plan, split_into_waves(labels, spec.waves, matches_selector), left)


def _stuck_note(population: list[Plan], spec: RolloutSpec) -> list[str]:
    """Whom the waves will stop at, unless that is mended first."""
    names = sorted(each.merchant for each in population if why_stuck(each))
    if not names:
        return []
    told = f"{format_count(len(names), 'merchant')} cannot be done as things stand ({format_list(names)})"
    return [f"{told}: a wave with more than {spec.max_failures} of them does not begin; merchantctl plan says why"]


def _irreversible_note(population: list[Plan]) -> list[str]:
    """What no undo can take back: Codat lets no start date move earlier (API notes 4.5)."""
    starts = sum(
        any(field.field == START_DATE_PATH for change in each.changes for field in change.fields) for each in population
    )
    words = "a later schedule.startDate, which rollout undo cannot put back: Codat lets none move earlier"
    return [f"{format_count(starts, 'merchant')} with {words}"] if starts else []


def _excluded_notes(plans: list[Plan]) -> list[str]:
    """What the population leaves out, in sentences."""
    others = sum(1 for each in plans if each.changes)
    blocked = sum(each.status is PlanStatus.BLOCKED for each in plans)
    closed = count_closed_by_word(each.hold for each in plans if each.held_changes)
    waiting = sum(each.status is PlanStatus.WAITING and not each.is_closed for each in plans)
    sentences = (
        (others, "to create, configure first, unlink, delete or take down: left to merchantctl apply"),
        (blocked, "blocked before their first configuration, or without a manifest: merchantctl plan says by what"),
        (waiting, "waiting for somebody else: left to merchantctl apply"),
        *((number, f"{word}: an apply brings it once they are open again") for word, number in closed.items()),
    )
    return [f"{format_count(number, 'merchant')} {words}" for number, words in sentences if number]


def _member_rows(preview: RolloutPreview, wanted: Mapping[str, DesiredMerchant]) -> list[MemberRow]:
    why = {plan.merchant: why_stuck(plan) for plan in preview.plan.plans}
    return [
        MemberRow(name, number, wanted[name].digest, MemberState.PENDING.value, why[name])
        for number, wave in enumerate(preview.waves, 1)
        for name in wave
    ]


# Going on -----------------------------------------------------------------------------------------------


async def run_waves(rollout: Rollout, run: RunContext, session: RolloutSession) -> Rollout:
    """Wave after wave, until all is done, a gate does not open, or somebody stops it."""
    async with _watch_for_pause(rollout, run, session):
        while rollout.state is RolloutState.RUNNING:
            try:
                # A signal between two waves pauses, too: left under way, the next controller would carry it on.
                why = run.stop.reason or await _run_wave(rollout, run, session)
            except StoppedBySignal as stopped:  # while the wave was planned
                why = run.stop.reason or str(stopped)
            except (ApiUnusable, RemoteError) as error:  # while it was planned, or looked at again
                if not session.pauses_by_itself:
                    raise
                why = printable_line(str(error))
            if run.stop.signal and not session.pauses_by_itself:
                break
            await _record_wave_result(await load_rollout(run.store, rollout.name), why, run, session)
            rollout = await load_rollout(run.store, rollout.name)
            if why:  # somebody else may have it under way by now
                break
    return rollout


async def _run_wave(rollout: Rollout, run: RunContext, session: RolloutSession) -> PauseReason:
    """The wave in hand: written, watched, looked at again; why the rollout is to pause, empty where it goes on."""
    to_do = rollout.members_of_wave(rollout.current_wave, *UNFINISHED_STATES)
    if to_do:
        why = await _write_wave(rollout, to_do, run, session)
        rollout = await load_rollout(run.store, rollout.name)
        if why or why_gate_closed(rollout):
            return why or why_gate_closed(rollout)
    if not (rollout.spec.soak and rollout.members_of_wave(rollout.current_wave)):
        return ""
    return await _soak_and_check(rollout, run, session)


async def _write_wave(
    rollout: Rollout, to_do: tuple[RolloutMember, ...], run: RunContext, session: RolloutSession
) -> PauseReason:
    session.on_message(f"wave {rollout.current_wave} of {rollout.wave_count}: {format_count(len(to_do), 'merchant')}")
    names = frozenset(each.merchant for each in to_do)
    wave = replace(run, scope=Scope(names=names), author=replace(run.author, verb=rollout.name))
    stuck: dict[str, str] = {}

    # In the place of a person who is asked: the wave is planned and judged, and nothing of it is written yet.
    def may_begin(plan: FleetPlan) -> bool:
        found = {each.merchant: why for each in plan.plans if (why := why_stuck(each))}
        stuck.update(found if why_wave_not_begun(rollout, found) else {})
        return not stuck

    try:
        async with session.lock():
            report = await reconcile(wave, may_begin, applier=_recording_applier(rollout))
            for name, why in stuck.items():
                await run.store.rollouts.update_member(rollout.id, name, state=MemberState.FAILED.value, reason=why)
    except StateLocked as error:
        return str(error)
    if isinstance(report, FleetReport):
        session.on_wave_written(report)
    if isinstance(report, FleetPlan) and report.refusal:
        over = ", ".join(
            f"{each.limited_class} {each.count} of {each.limit}" for each in report.refusal.exceeded_limits
        )
        return f"wave {rollout.current_wave} is over a safety limit by now ({over}); abort, and start anew"
    return run.stop.reason or why_wave_not_begun(rollout, stuck)


def _recording_applier(rollout: Rollout) -> Applier:
    """Carries a merchant's plan out between two notes: what stood there before, and what became of it."""
    members = {each.merchant: each for each in rollout.members}

    async def act(plan: Plan, snapshot: RunSnapshot) -> Outcome:
        if snapshot.run.stop.reason:
            return skipped_by_stop(snapshot.run.stop)
        if plan.changes and not changes_only_existing(plan):
            return await _defer_to_apply(rollout, plan, snapshot)
        if plan.changes:
            # What an earlier try noted stays: it may have been written, though its answer was lost.
            changed = {**members[plan.merchant].changed, **_fields_before_and_after(plan)}
            await _update_member(
                rollout, plan.merchant, snapshot, state=MemberState.IN_PROGRESS.value, changed=changed, held=False
            )
        outcome = await apply_and_record(plan, snapshot)
        # Whom a stop kept from being begun is still to be done, and has not failed.
        if not (isinstance(outcome, Skipped) and snapshot.run.stop.reason):
            state, reason = member_result(plan, outcome)
            await _update_member(rollout, plan.merchant, snapshot, state=state.value, reason=reason, held=False)
        return outcome

    return act


async def _defer_to_apply(rollout: Rollout, plan: Plan, snapshot: RunSnapshot) -> Outcome:
    kinds = ", ".join(change.kind.value for change in plan.changes)
    why = f"needs {kinds} by now, which a rollout leaves to merchantctl apply"
    await _update_member(rollout, plan.merchant, snapshot, state=MemberState.DEFERRED.value, reason=why, held=False)
    return Skipped(why)


async def _update_member(rollout: Rollout, merchant: str, snapshot: RunSnapshot, **columns: Any) -> None:
    await snapshot.run.store.rollouts.update_member(rollout.id, merchant, **columns)


def _fields_before_and_after(plan: Plan) -> dict[str, Any]:
    """What stands and what is about to be written, by field: the POST goes out only where it still stands so.

    `stood` is how it stands in the document, to be put back as it was: as text, by JSON pointer.
    """
    fields = (field for change in plan.changes for field in change.fields)
    return {
        recorded_path(each.field): {"before": value_to_json(each.live), "wrote": value_to_json(each.wanted)}
        | _document_before(plan.document_changes.get(each.field))
        for each in fields
    }


def _document_before(places: Mapping[str, tuple[str | None, str | None]] | None) -> dict[str, Any]:
    return {"stood": {pointer: texts[0] for pointer, texts in places.items()}} if places else {}


async def _soak_and_check(rollout: Rollout, run: RunContext, session: RolloutSession) -> PauseReason:
    """The soak, which survives the process, and the second look. By Codat's clock: so are the syncs it judges."""
    soak = timedelta(seconds=rollout.spec.soak)
    if run.api.skew is None:  # resumed in the middle of a soak: nobody has asked Codat anything yet
        with suppress(TransientError):
            await run.api.count_companies()
    until = rollout.soak_until or run.service_now() + soak
    await run.store.rollouts.compare_and_set(
        rollout.id, if_state_in=[RolloutState.RUNNING.value], if_owner=session.owner, soak_until=until
    )
    session.on_message(f"wave {rollout.current_wave} of {rollout.wave_count}: watched until {format_time(until)}")
    await run.stop.wait_unless_stopped(
        run.sleep(max(timedelta(), min(soak, until - run.service_now())).total_seconds())
    )
    if run.stop.reason:
        return run.stop.reason
    await _mark_unhealthy_as_failed(rollout, until - soak, run)
    return why_gate_closed(await load_rollout(run.store, rollout.name))


async def _mark_unhealthy_as_failed(rollout: Rollout, written_at: datetime, run: RunContext) -> None:
    """Whoever is not as the wave left it failed after all, and is tried again when the rollout is resumed."""
    done = {each.merchant: each for each in rollout.members_of_wave(rollout.current_wave, MemberState.DONE)}
    if not done:
        return
    look = replace(run, scope=Scope(names=frozenset(done)))
    await _read_and_save_syncs(await load_snapshot(look))
    # Loaded once more, with the syncs that were just read.
    snapshot = await load_snapshot(look)
    for plan in (await plan_fleet(snapshot)).plans:
        why = why_unhealthy(
            plan, done[plan.merchant].changed, snapshot.recorded_state(plan.merchant).last_sync, written_at
        )
        if why:
            await _update_member(rollout, plan.merchant, snapshot, state=MemberState.FAILED.value, reason=why)


async def _read_and_save_syncs(snapshot: RunSnapshot) -> None:
    """How everyone's latest sync went; what cannot be read is not held against anybody."""
    run = snapshot.run
    known = await run.store.last_syncs.load()
    companies = [(name, id_) for name in sorted(snapshot.desired) if (id_ := snapshot.recorded_state(name).company_id)]

    async def read(who: tuple[str, str]) -> LastSyncRow | None:
        try:
            return await read_latest_sync(*who, known.get(who[0]), run.api, run.service_now())
        except RemoteError:
            pass
        except Exception as error:
            if ends_run(error):
                raise
            log_internal_error(who[0], error)
        return None

    rows = await map_bounded(companies, read, run.parallelism, run.on_progress)
    believed_until = run.service_now() + MAX_CLOCK_DIFFERENCE
    await run.store.last_syncs.save_if_newer((row for row in rows if row), believed_until=believed_until)


async def _record_wave_result(
    rollout: Rollout, pause_reason: PauseReason, run: RunContext, session: RolloutSession
) -> None:
    """What follows a wave: the next one, a pause, or the end; nothing where somebody else has spoken meanwhile."""
    state, reason = _next_state(rollout, pause_reason)
    changes: dict[str, Any] = {"state": state.value, "reason": reason, "since": run.now()}
    if not pause_reason:
        changes |= {"wave": min(rollout.current_wave + 1, rollout.wave_count), "soak_until": None}
    # A soak that is interrupted keeps its end; where somebody is written to once more it begins anew.
    elif rollout.members_of_wave(rollout.current_wave, *UNFINISHED_STATES):
        changes |= {"soak_until": None}
    await run.store.rollouts.compare_and_set(
        rollout.id, if_state_in=[RolloutState.RUNNING.value], if_owner=session.owner, **changes
    )
    session.on_message(f"wave {rollout.current_wave} of {rollout.wave_count}: {pause_reason or 'through'}")


def _next_state(rollout: Rollout, pause_reason: PauseReason) -> tuple[RolloutState, str]:
    if pause_reason:
        return RolloutState.PAUSED, pause_reason
    if rollout.current_wave >= rollout.wave_count:
        return RolloutState.DONE, ""
    if rollout.spec.step and rollout.members_of_wave(rollout.current_wave):
        return (
            RolloutState.PAUSED,
            f"wave {rollout.current_wave} is through, and the next one waits to be told (--step)",
        )
    return RolloutState.RUNNING, ""


@asynccontextmanager
async def _watch_for_pause(rollout: Rollout, run: RunContext, session: RolloutSession) -> AsyncIterator[None]:
    """Meanwhile, a pause or an abort from another terminal stops this process between two merchants."""

    async def watch() -> None:
        while True:
            await run.sleep(ROLLOUT_POLL_INTERVAL_S)
            row = None
            # Asked again: a soak lasts for hours, and whoever has to write to a state that is gone finds out himself.
            try:
                row = await run.store.rollouts.load(rollout.name)
            except StateProblem:
                pass
            except Exception as error:  # raised in the end, it would be all that is told of the rollout
                log_internal_error(rollout.name, error)
            if row and (row.state != RolloutState.RUNNING or row.owner != session.owner):
                run.stop.request(f"rollout {rollout.name} was {row.state} elsewhere")

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
