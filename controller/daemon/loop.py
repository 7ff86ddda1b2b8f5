"""The controller that stays: whoever is due is looked at, until it is told to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from signal import Signals

import structlog

from controller.daemon.pass_result import Pass, PassFailure, PassResult, scope_for_keys
from controller.daemon.requeue import plan_rechecks
from controller.daemon.scheduler import Timer, run_timers
from controller.daemon.state import DaemonContext
from controller.daemon.workqueue import EVERYONE
from controller.model.errors import (
    ApiKeyRefused,
    ApiUnusable,
    MerchantctlError,
    RateLimited,
    RemoteLimitReached,
    StoppedBySignal,
    WrongAccount,
)
from controller.model.report import FleetPlan, FleetReport
from controller.reconcile.context import RunContext
from controller.reconcile.fence import in_flight_until
from controller.reconcile.finding_history import record_and_date
from controller.reconcile.fleet import plan_fleet, reconcile
from controller.reconcile.load_snapshot import load_snapshot
from state.errors import StateProblem

MANIFEST_POLL_INTERVAL_S = 3.0
"""Seconds between two looks at the folder of manifests."""

log = structlog.get_logger()


async def serve(daemon: DaemonContext) -> None:
    """Looks at everyone, then at whoever is due, until it is told to leave.

    The first look is every process's own, whoever else shares the queue: what it shows is what it saw.
    """
    with run_timers(*build_timers(daemon)):
        await run_pass((EVERYONE, *await daemon.run.store.merchants_with_open_deliveries()), daemon)
        while keys := await daemon.queue.get():
            await run_pass(keys, daemon)


async def run_pass(keys: tuple[str, ...], daemon: DaemonContext) -> None:
    """One pass, whatever comes of it. Where the API was unusable, the key is read again: it may be another by now."""
    began = daemon.run.now()
    done = Pass(keys, await try_pass(keys, daemon), began, daemon.run.now())
    await finish_pass(done, daemon)
    if done.unusable and daemon.renew_key():
        daemon.queue.add(done.keys)


async def run_single_pass(daemon: DaemonContext) -> FleetPlan | FleetReport:
    """One pass over everyone, which waits for lost answers as an apply does. Raises what an apply would raise."""
    daemon, began = replace(daemon, run=replace(daemon.run, waits_for_lost_creates=True)), daemon.run.now()
    seen = await execute_pass((EVERYONE,), daemon)
    await finish_pass(Pass((EVERYONE,), seen, began, daemon.run.now()), daemon)
    return seen


async def try_pass(keys: tuple[str, ...], daemon: DaemonContext) -> PassResult:
    """A pass whose failure is a result like any other; only an unusable state ends everything."""
    try:
        return await execute_pass(keys, daemon)
    except StoppedBySignal as error:
        return PassFailure(str(error), harmless=True)
    except (StateProblem, WrongAccount):
        raise
    except ApiUnusable as error:
        return PassFailure(str(error), unusable=True, key_refused=isinstance(error, ApiKeyRefused))
    except (RemoteLimitReached, RateLimited) as error:
        return PassFailure(str(error), error.resume_at if isinstance(error, RemoteLimitReached) else error.retry_at)
    except MerchantctlError as error:
        return PassFailure(str(error))
    except Exception as error:
        log.exception("internal_error", remedy="please report this fault of merchantctl")
        return PassFailure(f"a fault of merchantctl itself: {type(error).__name__}: {error}")


async def execute_pass(keys: tuple[str, ...], daemon: DaemonContext) -> FleetPlan | FleetReport:
    """One pass: the newest manifests that are whole, the state's lock, plan, judge, write. Raises what prevents it."""
    if not daemon.applies_changes:
        run = _run(keys, daemon)
        return await record_and_date(await plan_fleet(await load_snapshot(run)), run, run.now())
    async with daemon.lock() as lost_at:
        if lost_at:
            daemon.queue.add([EVERYONE], after=(in_flight_until(lost_at) - daemon.run.now()).total_seconds())
        return await reconcile(_run(keys, daemon), confirm=lambda plan: True)


def _run(keys: tuple[str, ...], daemon: DaemonContext) -> RunContext:
    return replace(
        daemon.run, fleet=daemon.manifest_watcher.fleet, scope=scope_for_keys(keys), stop=daemon.state.new_stop()
    )


async def finish_pass(done: Pass, daemon: DaemonContext) -> None:
    """What was seen is noted and told, and whoever needs another look is put down for one."""
    daemon.state.record_pass(done, daemon.manifest_watcher.fleet)
    if done.covers_everyone:
        daemon.queue.add([EVERYONE], after=daemon.resync_interval_s)
        daemon.state.next_full_pass_at = done.ended + timedelta(seconds=daemon.resync_interval_s)
    if not isinstance(done.result, PassFailure):
        await daemon.run.store.close_deliveries(done.merchants, received_until=done.began, at=done.ended)
    seen = daemon.state.latest.plan
    over = [each.code for each in seen.findings] if seen else []
    for key, seconds in plan_rechecks(done, daemon.state.failing_since, await load_retry_times(daemon), over).items():
        daemon.queue.add([key], after=seconds)
    try:
        await daemon.notifier.pass_finished(done, daemon.state.latest, daemon.run.store)
    except Exception:
        log.exception("pass_report_failed", remedy="please report this fault of merchantctl")


async def load_retry_times(daemon: DaemonContext) -> Mapping[str, datetime]:
    """Until when merchants that failed are left alone, without those that wait for a change; and when the next look
    at a create whose answer was lost decides something."""
    stays = await daemon.run.store.quarantined()
    looks = {
        each.merchant: daemon.run.recovery_times.next_look_at(each) for each in await daemon.run.store.open_intents()
    }
    return {name: stay.until for name, stay in stays.items() if stay.until} | looks


def shut_down(daemon: DaemonContext, signal: Signals) -> None:
    """The pass in hand ends as an apply does on a signal; there is no other after it."""
    daemon.state.stop_for_signal(signal)
    daemon.queue.close()


def build_timers(daemon: DaemonContext) -> tuple[Timer, ...]:
    """What happens by the clock. A timer only says whom to look at, or does its own small piece of work."""

    async def reread() -> None:
        if daemon.state.key_refused and daemon.renew_key():
            daemon.queue.add([EVERYONE])
        try:
            if await daemon.manifest_watcher.reload_if_changed():
                daemon.queue.add([EVERYONE])
        except MerchantctlError as error:
            # For instance no file descriptor is left: that says nothing about the manifests, which stay in force.
            log.warning("manifests_unreadable", reason=str(error))
            return
        if daemon.state.set_diagnostics(daemon.manifest_watcher.diagnostics):
            await daemon.notifier.manifests_changed(daemon.state.latest, daemon.run.store, daemon.run.now())

    return Timer("manifests", MANIFEST_POLL_INTERVAL_S, reread), *daemon.jobs
