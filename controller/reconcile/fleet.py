"""A fleet, once: think about everyone, judge once, ask, then apply. The story of every run that writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.errors import ApiUnusable, MerchantctlError
from controller.model.exit_codes import exit_code
from controller.model.merchant_status import plan_after
from controller.model.plan import Plan
from controller.model.report import FleetPlan, FleetReport, Outcome
from controller.model.run_policy import Records, Scope
from controller.planning.during_manual_sync import hold_during_manual_sync
from controller.planning.holds import hold_if_closed, hold_if_left_to_rollout
from controller.planning.limits import count_changes
from controller.planning.merchant_renames import RenamePlan, with_rename_or_finding
from controller.reconcile.account_settings import (
    add_account_settings_plan,
    apply_account_settings,
    plan_account_settings,
)
from controller.reconcile.concurrency import apply_all, plan_all
from controller.reconcile.concurrent_creates import fail_concurrent_creates
from controller.reconcile.context import RunContext, StopSignal
from controller.reconcile.failure_policy import (
    ONCE_QUOTA_IS_BACK,
    QUOTA_USED_UP,
    ends_run,
    hold_if_quarantined,
    log_internal_error,
    save_without_unfit_rows,
    stop_for_unusable_api,
)
from controller.reconcile.finding_history import NOT_ALL_RECORDED, ExecutedRun, begin_run, record_look_and_date_findings
from controller.reconcile.fleet_membership import record_membership_change
from controller.reconcile.fleet_plan import build_fleet_plan
from controller.reconcile.load_snapshot import recover_then_snapshot
from controller.reconcile.merchant_identity import apply_renames, rename_events
from controller.reconcile.merchant_lease import awaited_leases
from controller.reconcile.pass_takeovers import Takeovers
from controller.reconcile.persist import history_events, persist_configured
from controller.reconcile.plan_merchant import Applier, apply_and_record
from controller.reconcile.recent_changes import count_recent_automatic_changes
from controller.reconcile.retry_lost_creates import retry_lost_creates
from controller.reconcile.saved_plan_check import drop_stale_plans
from controller.reconcile.snapshot import RunSnapshot
from controller.reconcile.unchanged_looks import UnchangedLooks
from controller.reporting.formatting import format_count
from state import EventRow
from state.errors import StateUnusable


async def reconcile(
    run: RunContext,
    confirm: Callable[[FleetPlan], bool],
    saved_plan: Mapping[str, Any] | None = None,
    applier: Applier = apply_and_record,
    takeovers: Takeovers | None = None,
    began: datetime | None = None,
) -> FleetReport | FleetPlan:
    """Plans everyone, judges the plans at once, asks once, writes. Refused or declined: the plan alone comes back.

    takeovers  other passes of this process may take merchants over from this one meanwhile
    began      the date of what it sees; None = now
    """
    started = began or run.now()
    takeovers = takeovers or Takeovers()
    snapshot = await recover_then_snapshot(run)
    # Not before: this pass has looked for the lost creates, and two may not look for the same ones (decision 33).
    takeovers.allow()
    plan, stale = drop_stale_plans(await plan_fleet_and_account_settings(snapshot, began=started), saved_plan)
    with run.in_flight_changes.reserve(plan.plans):
        writable = may_write_else_stop(plan, run.stop)
        if plan.refusal:
            # Nobody has declined these manifests: whoever comes with the next ones did not come with these.
            # Not with renames: nothing is renamed in the state yet, and these rows stand under the new names already.
            if run.policy.automatic and not snapshot.renames.acting:
                await record_membership_change(snapshot.declared, run.store, after_renames=False)
            return await record_look(await _apply_account_settings_if_automatic(plan, run), run, started, takeovers)
        if writable:
            plan, agreed = confirm_what_can_be_shown(plan, confirm)
            if not agreed:
                return await record_look(plan, run, started, takeovers)
        # Stopped before anybody was asked: it goes through `execute` all the same, which begins nothing after a stop.
        report = await execute(plan, snapshot, applier, started, stale, takeovers)
        return replace(report, confirmed=writable)


async def plan_fleet(
    snapshot: RunSnapshot, *, will_be_repeated: bool = False, began: datetime | None = None
) -> FleetPlan:
    """Everyone's plan, judged at once; nothing has been written yet.

    will_be_repeated  another run carries the plan out and has to read all of this again: part of the estimated cost
    began             when a look began that records by that date what it sees; None = it may record nothing
    """
    run = snapshot.run
    # A controller's look at everyone may take many minutes, in which whoever waits longest must not come last, and
    # whoever is as before need not wait for its end.
    is_long = run.policy.automatic and run.scope.is_everyone
    looked_at = await run.store.last_looks.load_times() if is_long else None
    unchanged = UnchangedLooks(run, began) if looked_at and began and run.records is Records.ALL else None

    async def record_if_unchanged(plan: Plan) -> None:
        if unchanged:
            await unchanged.add(_add_holds(plan, snapshot))

    plans = await plan_all(
        sorted(snapshot.desired), snapshot, run.parallelism, run.on_progress, looked_at, record_if_unchanged
    )
    if unchanged:
        await unchanged.record()
    # Whatever is agreed to later: a verdict is about a look, and nothing is written to whoever has one.
    await run.store.in_sync_cache.save_keys(snapshot.new_in_sync_keys)
    plans = [_add_holds(plan, snapshot) for plan in plans]
    reads_to_repeat = run.api.reads - snapshot.reads_at_start if will_be_repeated else 0
    return build_fleet_plan(snapshot, plans, reads_to_repeat, await count_recent_automatic_changes(run))


def _add_holds(plan: Plan, snapshot: RunSnapshot) -> Plan:
    """The plan with what holds this merchant, whatever becomes of the others.

    The first hold stays, since it leaves the next ones no changes to hold: what a person has said goes before ours.
    """
    merchant, renames = plan.merchant, snapshot.renames
    plan = hold_if_closed(plan, snapshot.desired[merchant], snapshot.run.service_now())
    plan = hold_during_manual_sync(plan, snapshot.open_manual_syncs.get(merchant))
    plan = hold_if_left_to_rollout(plan, snapshot.holds.get(merchant))
    plan = hold_if_quarantined(plan, snapshot)
    return with_rename_or_finding(plan, renames.acting.get(merchant), renames.already.get(merchant))


async def plan_fleet_and_account_settings(
    snapshot: RunSnapshot, *, will_be_repeated: bool = False, began: datetime | None = None
) -> FleetPlan:
    """Everyone's plan, and that of the account's own settings where the run is about everyone. See `plan_fleet`."""
    # The account first: from the judging of the plans to `InFlightChanges.reserve` nothing may wait.
    account = await plan_account_settings(snapshot.run)
    plan = await plan_fleet(snapshot, will_be_repeated=will_be_repeated, began=began)
    return add_account_settings_plan(plan, account, snapshot.run)


async def _apply_account_settings_if_automatic(plan: FleetPlan, run: RunContext) -> FleetPlan:
    """Where a limit holds the merchants and nobody is asked, the account's own settings are kept as declared all the
    same; by hand nothing at all is written then."""
    if plan.account is None or not run.policy.automatic:
        return plan
    outcome = await apply_account_settings(plan.account, run)
    return replace(plan, account=plan_after(plan.account, outcome))


async def record_look(plan: FleetPlan, run: RunContext, began: datetime, takeovers: Takeovers) -> FleetPlan:
    """Record what a run that writes nothing saw, without those of whom another pass does; the plan, with its ages."""
    async with takeovers.recording():
        return await record_look_and_date_findings(plan.without(takeovers.taken_over), run, began)


def _narrow_to_merchants(plan: FleetPlan, names: Collection[str]) -> FleetPlan:
    """What the plan says of these merchants, and nothing of the fleet or the account."""
    plans = tuple(each for each in plan.plans if each.merchant in names)
    return replace(plan, plans=plans, findings=(), account=None, scope=Scope(names=frozenset(names)))


async def execute(
    plan: FleetPlan,
    snapshot: RunSnapshot,
    applier: Applier,
    started: datetime,
    stale: Mapping[str, Outcome],
    takeovers: Takeovers,
) -> FleetReport:
    """Carries a confirmed plan out, merchant by merchant. `stale`: outcomes of those that it holds for no longer."""
    run = snapshot.run
    if snapshot.account_to_record:
        await run.store.account.bind(snapshot.account_to_record)
    renamed = snapshot.renames.acting
    async with awaited_leases({*renamed, *renamed.values()}, run):
        moved = await apply_renames(run.fleet, snapshot.renames, run.store, started)
        await record_membership_change(snapshot.declared, run.store, after_renames=bool(moved))
    await run.store.rollouts.release_holds(snapshot.released_holds)
    run_id = await begin_run(run, started)
    await run.store.runs.record_events(run_id, rename_events(run_id, started, moved))
    # The state has the new names by now: nothing that is done from here on may rename once more.
    snapshot = replace(snapshot, run_id=run_id, renames=RenamePlan())

    async def record(outcomes: Mapping[str, Outcome]) -> None:
        executed = ExecutedRun(outcomes, run_id, run.now())
        await record_look_and_date_findings(_narrow_to_merchants(plan, outcomes.keys()), run, started, executed)

    with _write_count_in_state_errors(run):
        of_account = {ACCOUNT_NAME: await apply_account_settings(plan.account, run)} if plan.account else {}
        guarded = takeovers.guard(applier, record)
        outcomes = await apply_all(plan.plans, snapshot, run.parallelism, run.on_progress, guarded)
        plan, outcomes = await _settle_lost_and_duplicate_creates(plan, snapshot, outcomes, applier)
        async with takeovers.recording():
            outcomes = {name: outcome for name, outcome in outcomes.items() if name not in takeovers.taken_over}
            outcomes = {**stale, **of_account, **outcomes}
            report = FleetReport(plan.without(takeovers.taken_over), outcomes, started, run.now())
            report = run.stop.add_to_report(report)
            try:
                return await _record_run(report, snapshot, takeovers.recorded_before_takeover)
            except Exception as error:
                return replace(report, plan=_mark_incomplete_or_raise(NOT_ALL_RECORDED, error, report.plan))


async def _settle_lost_and_duplicate_creates(
    plan: FleetPlan, snapshot: RunSnapshot, outcomes: dict[str, Outcome], applier: Applier
) -> tuple[FleetPlan, dict[str, Outcome]]:
    """The looks for creates whose answer was lost, and for what somebody else created at the same time.

    Whatever goes wrong with them, what the first round wrote is written: it is reported and recorded.
    """
    try:
        # Unguarded: a run that waits for lost answers is alone in its process, and nobody takes over from it.
        outcomes |= await retry_lost_creates(plan, snapshot, outcomes, applier)
    except ApiUnusable as error:
        stop_for_unusable_api(error, 0, snapshot)
        return plan, outcomes
    except Exception as error:
        plan = _mark_incomplete_or_raise("creates whose answer was lost could not be looked for again", error, plan)
    try:
        outcomes |= await fail_concurrent_creates(snapshot, outcomes)
    except ApiUnusable as error:
        stop_for_unusable_api(error, 0, snapshot)
    except Exception as error:
        what = "whether somebody else created the same at the same time could not be looked at"
        plan = _mark_incomplete_or_raise(what, error, plan)
    return plan, outcomes


def _mark_incomplete_or_raise(what: str, error: Exception, plan: FleetPlan) -> FleetPlan:
    """The plan, which says what could not be done once its changes were made, and why. Raises what ends the run."""
    if ends_run(error):
        raise error
    why = str(error) if isinstance(error, MerchantctlError) else log_internal_error(what, error)
    return replace(plan, is_complete=False, unread_reasons=(*plan.unread_reasons, f"{what}: {why}"))


@contextmanager
def _write_count_in_state_errors(run: RunContext) -> Iterator[None]:
    """Where the state fails within this there is no report; its error says at least how much was written."""
    writes_before = run.api.writes
    try:
        yield
    except StateUnusable as error:
        writes = format_count(run.api.writes - writes_before, "writing request")
        error.args = (f"{error} By then {writes} had been sent.",)
        raise


def may_write_else_stop(plan: FleetPlan, stop: StopSignal) -> bool:
    """Whether anything may be written: no signal came meanwhile, and the day's quota is not used up."""
    if plan.resume_at:
        stop.request(QUOTA_USED_UP, remedy=ONCE_QUOTA_IS_BACK, resume_at=plan.resume_at)
    return stop.reason is None


class PlanNotShown(Exception):
    """Somebody was to agree to a plan of which a part could not be shown. `plans`, by merchant, say so instead."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        super().__init__(", ".join(plans))
        self.plans = plans


def confirm_what_can_be_shown(plan: FleetPlan, confirm: Callable[[FleetPlan], bool]) -> tuple[FleetPlan, bool]:
    """What was agreed to, and whether. A merchant that cannot be shown is not written to; the others are asked about
    all the same."""
    try:
        return plan, confirm_changes(plan, confirm)
    except PlanNotShown as hidden:
        plans = tuple(hidden.plans.get(each.merchant, each) for each in plan.plans)
        account = hidden.plans.get(ACCOUNT_NAME, plan.account)
        plan = replace(plan, plans=plans, account=account, counts=count_changes(plans), is_complete=False)
    return plan, confirm_changes(plan, confirm)


def confirm_changes(plan: FleetPlan, confirm: Callable[[FleetPlan], bool]) -> bool:
    """Whether the plan may be carried out. Nobody is asked about one without changes."""
    return not any(each.changes for each in plan.every_plan) or confirm(plan)


async def _record_run(report: FleetReport, snapshot: RunSnapshot, recorded: Collection[str]) -> FleetReport:
    """The run's lines in the history, when everyone was last seen configured, and the findings' ages in the report.

    recorded  of whom it has been recorded how they stood, before another pass looked at them
    """
    run, run_id, plans = snapshot.run, snapshot.run_id, report.plan.plans
    await persist_configured(plans, report.outcomes, snapshot)
    events = history_events(run_id, report.plan.every_plan, report.outcomes, snapshot)
    await save_without_unfit_rows(lambda rows: run.store.runs.record_events(run_id, rows), events)
    await _record_departures_and_returns(report.plan, snapshot)
    await run.store.runs.end(run_id, exit_code("apply", report), {"merchants": len(plans)}, report.ended_at)
    executed = ExecutedRun(report.outcomes, run_id, report.ended_at)
    dated = await record_look_and_date_findings(report.plan.without(recorded), run, report.started_at, executed)
    plans = (*dated.plans, *(each for each in plans if each.merchant in recorded))
    return replace(report, plan=replace(dated, plans=tuple(sorted(plans, key=lambda each: each.merchant))))


async def _record_departures_and_returns(plan: FleetPlan, snapshot: RunSnapshot) -> None:
    """A merchant whose manifest is gone while all stays as it is leaves a line in the history, and so does its
    return."""
    store, run_id, now = snapshot.run.store, snapshot.run_id, snapshot.run.now()
    leaving = [retained.merchant for retained in plan.retained if retained.retained_since is None]
    back = [each.merchant for each in plan.plans if snapshot.recorded_state(each.merchant).retained_since]
    await store.bindings.set_without_manifest_since(leaving, now)
    await store.bindings.set_without_manifest_since(back, None)
    why = "its manifest is gone; deletion: Retain keeps company, connection and sync as they are"
    events = [EventRow(now, run_id, name, "left management", {"reason": why}) for name in leaving]
    events += [EventRow(now, run_id, name, "came back", {"reason": "it has a manifest again"}) for name in back]
    if events:
        await store.runs.record_events(run_id, events)
