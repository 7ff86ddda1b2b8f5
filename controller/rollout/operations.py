"""`merchantctl rollout`: each of its verbs, with settings, manifests, state, client and lock put together.

start_rollout, resume_rollout   plan, judge, ask; then wave after wave, the lock held for one wave at a time
pause_rollout, abort_rollout    a word in the state, which the process that carries the rollout out notices
load_status                     where one stands
undo_rollout                    what it changed, put back
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from controller.desired.selector import require_any_match
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import Fleet
from controller.model.errors import UsageError
from controller.model.plan import ChangeClass
from controller.model.report import FleetPlan
from controller.model.rollout import Rollout, RolloutPreview, RolloutSpec
from controller.model.run_policy import Records, RunPolicy, Scope
from controller.operations.bootstrap import (
    EMPTY_FLEET,
    OnProgress,
    RunRequest,
    build_run,
    current_process,
    hold_state_lock,
    ignore_message,
    load_manifests,
    no_progress,
    open_store,
    open_writer,
    refuse_empty_root_and_state,
    stop_on_signals,
)
from controller.operations.shared_budget import shared_budget
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.reconcile.load_snapshot import select_merchants
from controller.rollout import record as rollout_record
from controller.rollout.run import RolloutSession, confirm_and_record_rollout, run_waves
from controller.rollout.undo import undo_rollout as put_back
from controller.rollout.waves import is_selector_or_raise
from controller.settings import Settings

CLASSES_LIMITED_BY_WAVES = (ChangeClass.REMAP.value, ChangeClass.RESCHEDULE.value)
"""Not judged by the limits of an apply: a rollout is as large as it is meant to be, and so is its undoing."""

MAX_LOCK_WAIT_BETWEEN_WAVES_S = 600.0
"""How long a wave waits for another run that has the lock on the state."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What `rollout start` was told. `confirm` is called once, with the whole preview; `lock_timeout` is in seconds.
    `foreground`: this process carries it out, also where a controller would."""

    scope: Scope
    spec: RolloutSpec
    confirm: Callable[[RolloutPreview], bool]
    name: str | None = None
    lock_timeout: float = 0
    foreground: bool = False


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """What `rollout undo` was told. `name` None: the newest."""

    name: str | None
    allow: tuple[str, ...]
    confirm: Callable[[FleetPlan], bool]
    lock_timeout: float = 0


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How far a rollout came in this process, and the signal that ended it.

    controller  the host of the `run` that carries it out from here on; None: nobody, or this process did
    """

    rollout: Rollout
    signal: int | None = None
    controller: str | None = None


@dataclass(frozen=True, slots=True)
class ProgressSink:
    """Where progress goes: sentences, and how many of how many merchants are done."""

    on_message: Callable[[str], None]
    on_progress: OnProgress = no_progress


async def start_rollout(
    settings: Settings, request: StartRequest, sink: ProgressSink, *, environment: Environment = REAL_ENVIRONMENT
) -> RolloutResult | RolloutPreview:
    """A rollout from its plan on. Refused or declined: its preview. UsageError for a wave that matches nobody."""
    fleet = load_manifests(settings, request.scope, strict=True, cached=False)
    labels = [merchant.labels for merchant in select_merchants(fleet, request.scope).values()]
    for wave in request.spec.waves:
        if is_selector_or_raise(wave):  # a mistyped label would leave everyone to the last wave
            require_any_match(wave, labels, f"--wave {wave}")
    async with _open_session(settings, fleet, request.scope, sink, environment) as (run, session):
        await refuse_empty_root_and_state(settings, fleet, run.store)
        run = replace(run, policy=wave_policy(request.spec))
        async with hold_state_lock(run.lock, request.lock_timeout):
            started = await confirm_and_record_rollout(run, request.name, request.spec, session, request.confirm)
        if isinstance(started, RolloutPreview):
            return started
        controller = None if request.foreground else await _controller_host_for(fleet, run)
        if controller:
            return RolloutResult(started, controller=controller)
        return RolloutResult(await run_waves(started, run, session), run.stop.signal)


async def resume_rollout(
    settings: Settings,
    name: str | None,
    max_failures: int | None,
    sink: ProgressSink,
    *,
    foreground: bool = False,
    environment: Environment = REAL_ENVIRONMENT,
) -> RolloutResult:
    """Goes on with a rollout where it stands."""
    fleet = load_manifests(settings, Scope(), strict=True, cached=False)
    async with _open_session(settings, fleet, Scope(), sink, environment) as (run, session):
        rollout = await rollout_record.claim_and_resume_rollout(
            run.store, name, fleet.merchants, session.owner, max_failures, run.now()
        )
        controller = None if foreground else await _controller_host_for(fleet, run)
        if controller:
            return RolloutResult(rollout, controller=controller)
        run = replace(run, policy=wave_policy(rollout.spec))
        return RolloutResult(await run_waves(rollout, run, session), run.stop.signal)


async def undo_rollout(
    settings: Settings, request: UndoRequest, sink: ProgressSink, *, environment: Environment = REAL_ENVIRONMENT
) -> RolloutResult | FleetPlan:
    """Puts back what a rollout changed; a manifest is asked for nothing but whether its merchant is closed. Refused or
    declined: the plan alone comes back."""
    try:
        declared = load_manifests(settings, Scope(), strict=False)
    except UsageError:  # there is no such folder, so nobody is closed
        declared = EMPTY_FLEET
    opening = _open_session(settings, EMPTY_FLEET, Scope(), sink, environment)
    async with opening as (run, _), hold_state_lock(run.lock, request.lock_timeout):
        run = replace(run, policy=_rollout_policy(request.allow))
        undone = await put_back(run, request.name, request.confirm, declared)
        return undone if isinstance(undone, FleetPlan) else RolloutResult(undone, run.stop.signal)


async def pause_rollout(
    settings: Settings, name: str | None, *, environment: Environment = REAL_ENVIRONMENT
) -> Rollout:
    """Nothing new of it is begun from now on."""
    async with open_store(settings) as store:
        return await rollout_record.pause_rollout(store, name, environment.clock())


async def abort_rollout(
    settings: Settings, name: str | None, *, environment: Environment = REAL_ENVIRONMENT
) -> Rollout:
    """Ends it for good where it stands, and gives back the merchants that it holds."""
    async with open_store(settings) as store:
        return await rollout_record.abort_rollout(store, name, environment.clock())


async def load_status(settings: Settings, name: str | None) -> Rollout:
    """Where it stands. `name` None: the newest."""
    async with open_store(settings, ignore_message) as store:
        return await rollout_record.load_rollout(store, name)


async def _controller_host_for(fleet: Fleet, run: RunContext) -> str | None:
    """The host of a controller that keeps merchants at these very manifests, and so can carry the waves out."""
    alive = await run.store.controllers.load_alive(run.now())
    return next(
        (each.host for each in alive if each.revision == fleet.digest and not (each.report_only or each.failure)), None
    )


@asynccontextmanager
async def _open_session(
    settings: Settings, fleet: Fleet, scope: Scope, sink: ProgressSink, environment: Environment
) -> AsyncIterator[tuple[RunContext, RolloutSession]]:
    """A run that may write, and stops between two merchants on a signal."""
    async with (
        open_store(settings) as store,
        open_writer(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        records = Records.MENDED if fleet.root_is_complete else Records.NONE
        request = RunRequest(scope, verb="rollout", records=records)
        run = build_run(settings, request, fleet, store, api, sink.on_progress, environment)
        session = RolloutSession(
            current_process(), lambda: hold_state_lock(run.lock, MAX_LOCK_WAIT_BETWEEN_WAVES_S), sink.on_message
        )
        with stop_on_signals(lambda number: run.stop.request(f"stopped by {number.name}", signal=number), store):
            yield run, session


def wave_policy(spec: RolloutSpec) -> RunPolicy:
    """How far the waves of a rollout may go."""
    return _rollout_policy(spec.allow)


def _rollout_policy(allow: Iterable[str]) -> RunPolicy:
    """The waves, and the look between them, are the limit of what a rollout is for; every other class is judged."""
    return RunPolicy(allowed=frozenset({*allow, *CLASSES_LIMITED_BY_WAVES}), for_rollout=True)
