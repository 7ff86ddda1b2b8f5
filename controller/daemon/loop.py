"""The controller that stays: whoever is due is looked at, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from signal import Signals

import structlog

from controller.codat.rate_limiter import background_requests
from controller.daemon.context import DaemonContext
from controller.daemon.manifest_watcher import NO_CHANGE, ManifestChange
from controller.daemon.pass_lock import HeldElsewhere
from controller.daemon.pass_result import Pass, PassFailure, scope_for_keys
from controller.daemon.requeue import plan_rechecks
from controller.daemon.rollout_driver import ROLLOUT_DRIVE_INTERVAL_S
from controller.daemon.scheduler import Timer, run_timers
from controller.daemon.workqueue import EVERYONE, Lane, Work
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Fleet
from controller.model.errors import (
    ApiKeyRefused,
    ApiUnusable,
    MerchantctlError,
    RateLimited,
    RemoteLimitReached,
    StateError,
    StoppedBySignal,
    WrongAccount,
)
from controller.model.report import FleetPlan, FleetReport
from controller.model.run_policy import Records, RunPolicy
from controller.planning.clock_skew import describe_skew, service_time
from controller.planning.unattended_limits import parked_by_judgement
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import backoff, internal_error_text
from controller.reconcile.fence import in_flight_until
from controller.reconcile.fleet import plan_fleet_and_account_settings, reconcile, record_look
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.pass_takeovers import Takeovers
from state import Store
from state.errors import StateProblem, StateUnreachable

URGENT_PASSES_AT_ONCE = 4
"""One merchant that is slow to answer holds up those of the same urgent pass, and not those of the next."""

MAX_URGENT_PASS = 16
"""Merchants in one urgent pass. A long one waits for the end of those that have joined it: in a flood of events, one
over all of them would take minutes, and whose turn it is would fall behind for as long as the flood lasts."""

LEFT_TO_OTHERS_CHECK_INTERVAL_S = 1.0
"""Seconds between two looks whether this process still has to leave the fleet to another one."""

MANIFEST_POLL_INTERVAL_S = 2.0
"""Seconds between two looks at the folder of manifests. What changed is loaded once it has stood still for so long."""

SCHEMA_CHECK_INTERVAL_S = 10.0
"""Seconds between two looks whether another version has taken the state over. No pass begins after that anyway; but
what is recorded beside the passes goes on until then."""

QUOTA_CHECK_INTERVAL_S = 60.0
"""Seconds between two looks whether a day's quota is back, at most: another answer may have said otherwise."""

log = structlog.get_logger()


async def serve(daemon: DaemonContext) -> None:
    """Looks at everyone, then at whoever is due, and at whomever something happens to at once, until told to leave.

    The first look is every process's own, whoever else shares the queue: what it shows is what it saw.
    """
    # In the state's own queue their looks stand already; that of a process that only reports begins empty.
    daemon.queue.add(await daemon.run.store.inbox.load_waiting_merchants(), lane=Lane.EVENT)
    # The look at everyone judges them. Something may happen to one of them before, and a look at it alone may not.
    daemon.state.revised |= await load_revised_since_last_load(daemon.manifest_watcher.fleet, daemon.run.store)
    daemon.state.revised_at = daemon.run.now()
    async with run_timers(*build_timers(daemon), now=daemon.run.now):
        try:
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(daemon.outage.watch(daemon.run.store.require_reachable_and_current))
                lanes.create_task(end_where_another_version_took_over(daemon))
                lanes.create_task(_run_lane_through_outages(_run_due_passes, daemon))
                lanes.create_task(_fetch_when_pushed(daemon))
                lanes.create_task(_drive_rollouts(daemon))
                for _ in range(URGENT_PASSES_AT_ONCE):
                    lanes.create_task(_run_lane_through_outages(_run_urgent_passes, daemon))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None


async def load_revised_since_last_load(fleet: Fleet, store: Store) -> frozenset[str]:
    """Whom these manifests declare otherwise than the last that were carried out. Without newcomers: nothing can have
    happened to them yet."""
    rows = (await store.declarations.load_all_or_departed_if_same("")).rows
    return frozenset(
        name for name, digest in fleet.content_digests.items() if name in rows and rows[name].digest != digest
    )


async def end_where_another_version_took_over(daemon: DaemonContext) -> None:
    """Raises StateUnusable then. Ends with the service."""
    while not daemon.state.signal:
        with suppress(StateUnreachable):  # what is to be done then is a matter of the outage
            await daemon.run.store.require_reachable_and_current()
        with suppress(TimeoutError):
            await asyncio.wait_for(daemon.state.signal_received.wait(), SCHEMA_CHECK_INTERVAL_S)


async def _run_lane_through_outages(lane: Callable[[DaemonContext], Awaitable[None]], daemon: DaemonContext) -> None:
    """A lane that begins anew whenever the state can be reached again. Ends with the service."""
    while not daemon.state.signal:
        try:
            await lane(daemon)
            return
        except StateUnreachable as problem:
            daemon.outage.begin(problem)
            await daemon.outage.wait_until_over()


async def _fetch_when_pushed(daemon: DaemonContext) -> None:
    """Fetches the manifests' branch whenever somebody pushed to it. Ends with the service."""
    while daemon.revisions and daemon.revisions.source:
        await daemon.revisions.fetch_soon.wait()
        if daemon.state.signal:
            return
        # Cleared before the fetch: a push that comes during it is fetched once more.
        daemon.revisions.fetch_soon.clear()
        await daemon.revisions.follow_branch()


async def _drive_rollouts(daemon: DaemonContext) -> None:
    """Carries out whatever rollout is under way in nobody's hands. Ends with the service."""
    while daemon.rollouts and not daemon.state.signal:
        await daemon.outage.wait_until_over()
        await daemon.rollouts.drive()
        with suppress(TimeoutError):
            await asyncio.wait_for(daemon.state.signal_received.wait(), ROLLOUT_DRIVE_INTERVAL_S)


async def _run_due_passes(daemon: DaemonContext) -> None:
    """Everyone first, then whoever is due. In the background: urgent passes go before it."""
    with background_requests():
        if not daemon.state.has_begun:
            await _wait_for_quota(daemon)
            # No queue handed it out, so there is nothing to put back: this lane begins anew with it after an outage.
            await _run_long_passes({EVERYONE: Lane.RESYNC}, daemon)
            daemon.state.has_begun = True
        while work := await daemon.queue.get_not_urgent():
            await _wait_for_quota(daemon)
            await _run_or_put_back(work, daemon)


async def _wait_for_quota(daemon: DaemonContext) -> None:
    """Until requests may be sent in the background again, which is said once. A pass before that would see nobody, and
    say so of everyone; events are answered meanwhile from what the background leaves to them."""
    waited = False
    while (resume_at := daemon.run.api.resume_at) and not daemon.state.signal:
        if not waited:
            log.warning("background_quota_spent", resume_at=resume_at.isoformat())
        waited = True
        seconds = (resume_at - daemon.run.now()).total_seconds()
        with suppress(TimeoutError):
            await asyncio.wait_for(daemon.state.signal_received.wait(), min(max(seconds, 1.0), QUOTA_CHECK_INTERVAL_S))
    if waited:
        log.info("background_quota_is_back")


async def _run_long_passes(work: Work, daemon: DaemonContext) -> None:
    daemon.state.full_pass_under_way = EVERYONE in work
    try:
        for keys in split_into_passes(tuple(work), daemon.state.revised):
            await run_and_record_pass(keys, daemon, reason=min(work.get(key, Lane.REVISION) for key in keys).reason)
    finally:
        daemon.state.full_pass_under_way = False


async def _run_or_put_back(work: Work, daemon: DaemonContext, *, urgent: bool = False) -> None:
    """Whoever was handed out is looked at; or goes back into the queue, where the state was lost meanwhile, or while
    another process keeps the fleet at manifests that are not those here: this one could write nothing, and the other
    would never hear of them."""
    is_held_elsewhere = is_out_of_reach = False
    if not daemon.leaves_fleet_to_others:
        try:
            await (run_and_record_pass(tuple(work), daemon, urgent=True) if urgent else _run_long_passes(work, daemon))
        except HeldElsewhere:
            is_held_elsewhere = True
        except StateUnreachable as problem:
            is_out_of_reach = True
            daemon.outage.begin(problem)
            await daemon.outage.wait_until_over()
    # Asked once more, since the pass itself may have found that another process keeps the fleet. Added before `done`,
    # which writes both in one transaction: a crash in between loses nobody.
    if daemon.leaves_fleet_to_others or is_held_elsewhere or is_out_of_reach:
        for key, lane in work.items():
            daemon.queue.add([key], lane=lane)
    await daemon.queue.done(work)
    # Waited for here, else this process would claim at once whom it has just put back.
    if is_held_elsewhere:
        with suppress(TimeoutError):
            await asyncio.wait_for(daemon.state.signal_received.wait(), LEFT_TO_OTHERS_CHECK_INTERVAL_S)
    while daemon.leaves_fleet_to_others and not daemon.state.signal_received.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(daemon.state.signal_received.wait(), LEFT_TO_OTHERS_CHECK_INTERVAL_S)


def split_into_passes(keys: tuple[str, ...], revised: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Those whom a new revision changed come first, and by themselves: they are judged as one, also with whom an event
    has taken out of the queue meanwhile. Pure."""
    if EVERYONE in keys:
        yield keys
        return
    of_revision = tuple(sorted(revised)) if not set(revised).isdisjoint(keys) else ()
    others = tuple(key for key in keys if key not in revised)
    yield from (some for some in (of_revision, others) if some)


async def _run_urgent_passes(daemon: DaemonContext) -> None:
    while work := await daemon.queue.get_urgent():
        keys = tuple(work)
        for first in range(0, len(keys), MAX_URGENT_PASS):
            some = {key: work[key] for key in keys[first : first + MAX_URGENT_PASS]}
            await _run_or_put_back(some, daemon, urgent=True)


async def run_and_record_pass(
    keys: tuple[str, ...], daemon: DaemonContext, *, urgent: bool = False, reason: str = Lane.RETRY.reason
) -> None:
    """One pass, whatever comes of it. Where the API was unusable, the key is read again: it may be another by now."""
    done = await try_pass(keys, daemon, urgent=urgent, reason=reason)
    async with daemon.finishing:
        await record_pass_and_queue_rechecks(done, daemon)
    warn_once_of_wrong_clock(daemon)
    if done.api_unusable and daemon.reload_key():
        daemon.queue.add(done.keys, lane=Lane.EVENT if urgent else Lane.RETRY)


async def run_single_pass(daemon: DaemonContext) -> FleetPlan | FleetReport:
    """One pass over everyone, which waits for lost answers as an apply does. Raises what an apply would raise, and
    StateError where these manifests are not those in force."""
    daemon = replace(daemon, run=replace(daemon.run, waits_for_lost_creates=True))
    done = await execute_pass((EVERYONE,), daemon)
    await record_pass_and_queue_rechecks(done, daemon)
    if daemon.applies_changes and daemon.revisions and daemon.revisions.report_only_reason:
        raise StateError(f"{daemon.revisions.report_only_reason}. See merchantctl revision show")
    assert not isinstance(done.result, PassFailure), "what prevents a pass is raised"
    return done.result


async def try_pass(
    keys: tuple[str, ...], daemon: DaemonContext, *, urgent: bool = False, reason: str = Lane.RETRY.reason
) -> Pass:
    """A pass whose failure is a result like any other; only an unusable state ends everything."""
    began = daemon.run.now()
    reason = "event" if urgent else "resync" if EVERYONE in keys else reason
    try:
        return replace(await execute_pass(keys, daemon, urgent=urgent), reason=reason)
    except StoppedBySignal as error:
        failure = PassFailure(str(error), harmless=True)
    except (StateProblem, WrongAccount, HeldElsewhere):  # no failures of a pass: it is put back, or all ends
        raise
    except ApiUnusable as error:
        failure = PassFailure(str(error), api_unusable=True, key_refused=isinstance(error, ApiKeyRefused))
    except (RemoteLimitReached, RateLimited) as error:
        failure = PassFailure(str(error), error.resume_at if isinstance(error, RemoteLimitReached) else error.retry_at)
    except MerchantctlError as error:
        failure = PassFailure(str(error))
    except Exception as error:
        log.exception("internal_error_in_pass", because=reason, remedy="please report this fault of merchantctl")
        failure = PassFailure(internal_error_text(error))
    return Pass(keys, failure, began, daemon.run.now(), urgent=urgent, reason=reason)


async def execute_pass(keys: tuple[str, ...], daemon: DaemonContext, *, urgent: bool = False) -> Pass:
    """One pass: the state's lock, the newest manifests that are whole, plan, judge, write. Raises what prevents it.

    urgent  it does not wait for the end of another pass, but takes its merchants over from that one
    """
    result: FleetPlan | FleetReport
    async with daemon.lock.join_or_hold(keys) if urgent else daemon.lock.hold() as turn:
        # Once it has the lock: what another process has just recorded is no news of this pass.
        began, known_before = daemon.run.now(), daemon.state.latest.plan
        if turn.lost_at:
            queue_everyone_after_lost_lock(turn.lost_at, daemon)
        with daemon.state.new_stop() as stop:
            policy = limit_pass(keys, daemon)
            scope = scope_for_keys(keys, turn.fleet)
            run = replace(daemon.run, fleet=turn.fleet, scope=scope, policy=policy, stop=stop)
            if daemon.revisions:
                await daemon.revisions.update_revision_in_force()
            only_looks = daemon.revisions is not None and not daemon.revisions.may_write_by(turn.fleet)
            if only_looks:
                daemon.state.owes_full_pass = True
                result = await plan_and_record(replace(run, records=Records.NONE), turn.takeovers, began)
            elif daemon.applies_changes:
                result = await reconcile(run, lambda plan: True, takeovers=turn.takeovers, began=began)
            else:
                result = await plan_and_record(run, turn.takeovers, began)
        return Pass(
            keys,
            result,
            began,
            daemon.run.now(),
            taken_over=turn.takeovers.looked_at_by_others,
            urgent=urgent,
            fleet=turn.fleet,
            known_before=known_before,
            judges_revision=policy.judges_revision,
            only_looked=only_looks,
        )


def queue_everyone_after_lost_lock(lost_at: datetime, daemon: DaemonContext) -> None:
    """Once what was in flight from there has ended: nobody has heard how. `lost_at`: when it was seen last."""
    daemon.queue.add([EVERYONE], after_s=(in_flight_until(lost_at) - daemon.run.now()).total_seconds())


def limit_pass(keys: tuple[str, ...], daemon: DaemonContext) -> RunPolicy:
    """How far a pass over these may go.

    Only exactly those whom the revision changed are judged as one. With anybody else among them, since what somebody
    else did is no part of the revision, or with some of them alone, as for an event, nothing of it is written yet.
    """
    judges_revision = bool(daemon.state.revised) and daemon.state.revised == set(keys)
    unjudged = frozenset(() if judges_revision else daemon.state.revised)
    seen, about = daemon.state.latest.plan, frozenset(keys)
    parked = [
        each for plan in (seen.plans if seen else ()) if plan.merchant in about for each in parked_by_judgement(plan)
    ]
    return replace(daemon.run.policy, judges_revision=judges_revision, unjudged=unjudged, parked=tuple(parked))


async def plan_and_record(run: RunContext, takeovers: Takeovers, began: datetime) -> FleetPlan:
    """What there is to do, noted in the ledger by the date `began`; nothing is written to the API."""
    snapshot = await load_snapshot(run)
    takeovers.allow()
    return await record_look(await plan_fleet_and_account_settings(snapshot, began=began), run, began, takeovers)


async def record_pass_and_queue_rechecks(done: Pass, daemon: DaemonContext) -> None:
    """What was seen is noted and told, and whoever needs another look is put down for one."""
    before = daemon.state.latest.plan
    daemon.state.record_pass(done, daemon.manifest_watcher.fleet)
    try:
        await _close_deliveries_and_queue_rechecks(done, daemon)
    except Exception:
        # Above all where the state does not answer: the same are looked at once more then, and that look finds no news.
        await _tell_of_pass(done, before, daemon)
        raise
    await _tell_of_pass(done, before, daemon)


async def _tell_of_pass(done: Pass, before: FleetPlan | None, daemon: DaemonContext) -> None:
    """The log, the metrics and the chat. What goes wrong in that never fails a pass."""
    try:
        daemon.notifier.log_pass(done, before)
        await daemon.notifier.alert_of_pass(done, daemon.state.latest, daemon.run.store)
    except Exception:
        log.exception("pass_notification_failed", remedy="please report this fault of merchantctl")


async def _close_deliveries_and_queue_rechecks(done: Pass, daemon: DaemonContext) -> None:
    if done.plan and needs_full_pass(done.plan):
        daemon.queue.add([EVERYONE], after_s=daemon.resync_interval_s)
    elif done.covers_everyone and daemon.full_pass_interval_s is not None:
        daemon.queue.add([EVERYONE], after_s=daemon.full_pass_interval_s)
    if not isinstance(done.result, PassFailure) and not done.only_looked and not daemon.leaves_fleet_to_others:
        # Not those that came after it began: what they tell of, its reads may have been too early for.
        await daemon.run.store.inbox.close_deliveries(
            done.merchants, excluding=done.taken_over, received_until=done.began, at=done.ended
        )
    seen = daemon.state.latest.plan
    fleet_codes = [each.code for each in seen.findings] if seen else []
    waits = plan_rechecks(done, daemon.state.failing_since, await load_retry_times(daemon.run), fleet_codes)
    # Of a revision whose pass was cut short, or that was not judged by this one, all are due at the same moment, and
    # claimed as one: so they are judged.
    revised = set[str]() if done.only_looked else daemon.state.revised.intersection(done.keys)
    if revised:
        after_s = max(waits[key] for key in revised) if done.incomplete_reason else 0.0
        daemon.queue.add(sorted(revised), after_s=after_s, lane=Lane.REVISION)
    for key in waits.keys() - revised:
        daemon.queue.add([key], after_s=waits[key])


def warn_once_of_wrong_clock(daemon: DaemonContext) -> None:
    """Once, and once more where it was right in between: whoever's writes depend on it is held."""
    told = describe_skew(daemon.run.now(), daemon.run.api.skew)
    if told and not daemon.state.wrong_clock_told:
        log.warning("clock_differs_from_codat", reason=told)
    daemon.state.wrong_clock_told = told is not None


def needs_full_pass(plan: FleetPlan) -> bool:
    """Whether something was found that only another look at everyone can end or carry out. Pure."""
    return bool(plan.findings or plan.refusal) or any(each.is_removal for each in plan.plans)


async def load_retry_times(run: RunContext) -> Mapping[str, datetime]:
    """Until when merchants that failed are left alone, without those that wait for a change; and when the next look
    at a create whose answer was lost decides something. All by this machine's clock.

    Nobody waits for longer than his own wait: what is dated later was so before the clock was put back.
    """
    now = run.now()
    stays = {
        each.merchant: min(each.until, now + backoff(each.tries))
        for each in (await run.store.quarantine.load()).values()
        if each.until
    }
    # Lost creates are dated by Codat's clock. One whose time has come and that is open all the same could not be
    # decided by the look that has just ended, as while an account is on its way: the next would find the same at once.
    codat_is_ahead, times = service_time(now, run.api.skew) - now, run.recovery_times
    soonest, latest = now + timedelta(seconds=times.first_look_s), now + timedelta(seconds=times.max_wait_s)
    looks = {
        each.merchant: min(max(times.next_look_at(each) - codat_is_ahead, soonest), latest)
        for each in await run.store.intents.load_open()
    }
    return stays | looks


def shut_down(daemon: DaemonContext, signal: Signals) -> None:
    """The pass in hand ends as an apply does on a signal; there is no other after it."""
    daemon.state.stop_for_signal(signal)
    daemon.queue.close()
    daemon.outage.close()
    if daemon.revisions:
        # Whoever waits for a push wakes up, and sees the signal.
        daemon.revisions.fetch_soon.set()


def enqueue_changed_merchants(change: ManifestChange, daemon: DaemonContext) -> None:
    """Whoever the newest manifests declare otherwise is looked at; everyone, where that alone can carry it out."""
    if change.account:
        daemon.queue.add([ACCOUNT_NAME], lane=Lane.REVISION)
    if change.needs_everyone:
        daemon.queue.add([EVERYONE], lane=Lane.REVISION)
        return
    daemon.queue.add(change.merchants, lane=Lane.REVISION)


async def take_up_changes_on_disk(daemon: DaemonContext) -> None:
    """Takes up what changed on disk, and puts whom it concerns into the queue. What cannot be read changes nothing."""
    if daemon.state.key_refused and daemon.reload_key():
        daemon.queue.add([EVERYONE])
    try:
        if daemon.revisions:
            await daemon.revisions.keep_checked_out()
        if change := await daemon.manifest_watcher.reload_if_changed():
            # Kept, since it is told once: where the state does not answer below, the next look here goes on with it.
            daemon.state.change_to_queue |= change
            # At once: from here on passes go by the new manifests, and write nothing of them before they were judged.
            daemon.state.revised |= change.merchants
            daemon.state.revised_at = daemon.run.now()
        if daemon.revisions:
            await daemon.revisions.update_revision_in_force()
        if daemon.state.owes_full_pass and not (daemon.revisions and daemon.revisions.report_only_reason):
            daemon.queue.add([EVERYONE], lane=Lane.REVISION)
            daemon.state.owes_full_pass = False
        if daemon.state.change_to_queue != NO_CHANGE and not daemon.leaves_fleet_to_others:
            # Only once the revision is in force: another process that shares the queue, and does not have these
            # manifests yet, would take the merchants out of it as nobody it knows, or look at them by its own.
            enqueue_changed_merchants(daemon.state.change_to_queue, daemon)
            daemon.state.change_to_queue = NO_CHANGE
    except StateProblem as problem:
        log.warning("revision_comparison_failed", reason=str(problem))
        return
    except MerchantctlError as error:
        # For instance no file descriptor is left: that says nothing about the manifests, which stay in force.
        log.warning("manifests_unreadable", reason=str(error))
        return
    if daemon.state.set_diagnostics(daemon.manifest_watcher.diagnostics):
        await daemon.notifier.notify_of_diagnostics(daemon.state.latest, daemon.run.store, daemon.run.now())


def build_timers(daemon: DaemonContext) -> tuple[Timer, ...]:
    """What happens by the clock, while the state can be reached. A timer only says whom to look at, or does its own
    small piece of work."""
    timers = (
        Timer("manifests", MANIFEST_POLL_INTERVAL_S, partial(take_up_changes_on_disk, daemon)),
        *daemon.queue.upkeep_timers,
        *daemon.jobs,
    )
    if daemon.revisions and daemon.revisions.source:
        timers = (*timers, Timer("git", daemon.git_poll_interval_s, daemon.revisions.follow_branch))

    async def unless_out_of_reach(timer: Timer) -> None:
        if daemon.outage.reason is None:
            await timer.action()

    return tuple(replace(timer, action=partial(unless_out_of_reach, timer)) for timer in timers)
