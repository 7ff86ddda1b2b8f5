"""Where the controller that stays is put together: `merchantctl run`.

manifests ─ state ─ client ─▶ passes, until a signal
                               ├─ told of each pass: the log, the metrics, the chat
                               └─ web: what was seen last; who is to be looked at
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from shlex import quote
from typing import Any

import structlog

from controller.daemon.context import DaemonContext, DaemonState
from controller.daemon.declared_secrets import DeclaredSecrets
from controller.daemon.jobs.abandoned_sync_watcher import AbandonedSyncWatcher
from controller.daemon.jobs.account_keeper import AccountKeeper
from controller.daemon.jobs.data_refresher import DataRefresher
from controller.daemon.jobs.heartbeat import Heartbeat
from controller.daemon.jobs.listing_watcher import ListingWatcher
from controller.daemon.jobs.report_sender import ReportSender
from controller.daemon.jobs.resync import Resync, max_look_age_s
from controller.daemon.jobs.sampler import Sampler
from controller.daemon.jobs.shared_view import SharedView
from controller.daemon.jobs.state_cleaner import StateCleaner
from controller.daemon.jobs.sync_poller import SyncPoller
from controller.daemon.loop import queue_everyone_after_lost_lock, run_single_pass, serve, shut_down
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.revision_keeper import RevisionKeeper
from controller.daemon.rollout_driver import RolloutDriver
from controller.daemon.scheduler import Timer
from controller.daemon.state_queue import open_state_queue
from controller.daemon.workqueue import Queue, WorkQueue
from controller.desired.git_source import CommitOrder, GitUnavailable
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.controller_status import ControllerStatus
from controller.model.errors import InvalidManifests, StateError, StoppedBySignal
from controller.model.hooks import SecretRef
from controller.model.report import FleetPlan, FleetReport
from controller.model.run_policy import Records, RunPolicy, Scope
from controller.operations.bootstrap import (
    RunRequest,
    build_run,
    current_process,
    hold_state_lock,
    no_progress,
    open_reader,
    open_store,
    open_writer,
    refuse_empty_root_and_state,
    stop_on_signals,
)
from controller.operations.git_manifests import fetch_newest_commit, open_git_source
from controller.operations.scheduled_report import check_report_and_parse_schedule
from controller.operations.shared_budget import shared_budget
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.settings import InvalidSettings, Settings
from controller.telemetry.logging import configure_logging
from controller.telemetry.metrics import Metrics
from controller.web.access import AccessPolicy, check_exposure
from controller.web.app import ALL_CONTENT, PortContent, create_app
from controller.web.context import WebContext, parse_webhook_secrets
from controller.web.outside_links import OutsideLinks
from controller.web.server_thread import serving_web
from state import LockWait, RevisionStatus, StateLock, Store, postgresql_url
from state.errors import MAX_HEARTBEAT_SILENCE_S

RESYNCS_PER_FULL_PASS = 24
"""So often everyone is looked at together where no listing tells which companies nobody claims."""

DAEMON_WAIT_LOG_INTERVAL_S = 60.0
"""Seconds from one word about a wait for the lock to the next."""

LOCK_WAIT_LOGGED_AFTER_S = 10.0
"""Seconds that another process of several may have the lock before a word is said: to take turns is the usual thing."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run` was told on the command line: to stay or to look `once`, to mend or only to report."""

    once: bool = False
    report_only: bool = False


async def run_daemon(
    settings: Settings,
    *,
    report_only: bool = False,
    environment: Environment = REAL_ENVIRONMENT,
    read_key: Callable[[], str | None] = lambda: None,
    read_secret: Callable[[SecretRef], str | None] = lambda place: None,
) -> int:
    """The controller, until a signal; its exit code. Broken manifests are refused at the start.

    read_key     the API key as it is set now, asked for where Codat refuses the one in use. Raises InvalidSettings
    read_secret  a secret whose place a manifest names; None where there is none
    """
    _refuse_exposed_ports(settings)
    for report in settings.reports:
        check_report_and_parse_schedule(report)
    options = RunOptions(report_only=report_only)
    async with (
        _open_daemon(settings, options, environment, read_key) as (daemon, metrics),
        _open_heartbeat(daemon) as heartbeat,
        _open_web(settings, daemon, metrics, read_secret) as address,
    ):
        daemon = replace(daemon, jobs=(*daemon.jobs, heartbeat.timer))
        if daemon.applies_changes and postgresql_url(settings.state) is None:
            await _warn_of_second_controller(daemon)
        log.info(
            "controller_started",
            web=address,
            merchants=len(daemon.manifest_watcher.fleet.merchants),
            writes_enabled=daemon.applies_changes,
            queue_shared=_shares_queue(settings, options),
        )
        try:
            await serve(daemon)
        except BaseException as error:
            log.error("controller_stopped", reason=str(error) or type(error).__name__)
            raise
        log.info("controller_stopped", signal=daemon.state.signal.name if daemon.state.signal else None)
    return 128 + (daemon.state.signal or 0)


async def _warn_of_second_controller(daemon: DaemonContext) -> None:
    """In SQLite one process is enough: a second takes turns with it, and makes nothing faster."""
    for each in await daemon.run.store.controllers.load_alive(daemon.run.now()):
        if not each.report_only:
            log.warning(
                "second_controller_alive",
                host=each.host,
                pid=each.pid,
                alive_at=each.alive_at.isoformat(),
                remedy="one `merchantctl run` a state in SQLite: end one of them, or keep the state in PostgreSQL",
            )


async def run_once(
    settings: Settings, *, report_only: bool = False, environment: Environment = REAL_ENVIRONMENT
) -> FleetPlan | FleetReport:
    """One look at everyone, as the controller has it, and what came of it. Raises what an apply would raise."""
    options = RunOptions(once=True, report_only=report_only)
    async with _open_daemon(settings, options, environment, lambda: None) as (daemon, _):
        return await run_single_pass(daemon)


@asynccontextmanager
async def _open_daemon(
    settings: Settings, options: RunOptions, environment: Environment, read_key: Callable[[], str | None]
) -> AsyncIterator[tuple[DaemonContext, Metrics]]:
    """All that the controller is given, while this lasts; a signal ends what is under way."""
    redact_too = configure_logging(
        [
            settings.api_key,
            settings.webhook_secret,
            settings.git_webhook_secret,
            settings.webhook_authorization,
            settings.notify_url,
            settings.smtp_url,
            settings.web_token,
            *(secret for report in settings.reports for secret in report.secrets),
        ]
    )
    name = {"environment": settings.environment_name} if settings.environment_name else {}
    log.info("controller_starting", **name, api=settings.base_url, once=options.once, report_only=options.report_only)
    for file in settings.exposed:
        log.warning("secret_file_exposed", file=str(file), remedy=f"chmod 600 {quote(str(file))}")
    metrics = Metrics()
    client = (open_reader if options.report_only else open_writer)(settings, environment)
    async with (
        open_store(settings) as store,
        client as api,
        shared_budget(settings, store, api),
        _open_queue(settings, store, options) as queue,
    ):
        watcher = await open_manifest_watcher(settings, store)
        await refuse_empty_root_and_state(settings, watcher.fleet, store)
        request = RunRequest(Scope(), RunPolicy(automatic=True), verb="run", records=Records.ALL)
        run = build_run(settings, request, watcher.fleet, store, api, no_progress, environment)
        if not options.once:
            # One look is a command like `apply`, and keeps to the lock of those (decision 51).
            run = replace(run, lock=store.controller_lock)
        notifier = Notifier(metrics, environment.sleep, settings.notify_url)
        reload_key = _key_reloader(settings.api_key, read_key, api, redact_too)
        daemon = replace(
            _daemon_context(settings, options, run, watcher, queue, notifier),
            reload_key=reload_key,
            revisions=_revision_keeper(settings, options, run, watcher),
            git_poll_interval_s=settings.git_poll_interval,
        )
        if daemon.applies_changes and not options.once:
            daemon = replace(daemon, rollouts=_rollout_driver(daemon))
        with stop_on_signals(lambda signal: shut_down(daemon, signal), store):
            yield daemon, metrics


def _rollout_driver(daemon: DaemonContext) -> RolloutDriver:
    return RolloutDriver(
        daemon.run,
        daemon.lock,
        daemon.state,
        current_process(),
        fleet=lambda: daemon.manifest_watcher.fleet,
        may_write=lambda: not (daemon.revisions and daemon.revisions.report_only_reason),
        on_lost_lock=lambda lost_at: queue_everyone_after_lost_lock(lost_at, daemon),
        on_wave_written=daemon.notifier.log_and_count_wave,
    )


async def open_manifest_watcher(settings: Settings, store: Store) -> ManifestWatcher:
    """The manifests to begin with. From Git that is the branch's newest commit; where that is broken, or does not
    descend from the one in force, the one in force. Where that is gone from the repository, the newest all the same:
    nothing is written by it before a person has released it.

    Raises InvalidManifests, UsageError, GitUnavailable.
    """
    source = open_git_source(settings)
    if source is None:
        return ManifestWatcher(settings.manifests, settings.cache, settings.selector)
    row = await store.revisions.load(RevisionStatus.IN_FORCE)
    in_force = row.revision.git_commit if row and row.revision.source == str(source.address) else None
    head = await asyncio.to_thread(
        fetch_newest_commit, source, lambda sentence: log.warning("repository_unreachable", reason=sentence)
    )
    candidates = [head]
    if in_force is not None and in_force != head:
        is_newer = await asyncio.to_thread(source.compare_commits, head, in_force) is CommitOrder.NEWER
        candidates = [head, in_force] if is_newer else [in_force, head]
    for commit in candidates:
        try:
            root = await asyncio.to_thread(source.check_out, commit)
            watcher = ManifestWatcher(root, settings.cache, settings.selector, commit)
        except (InvalidManifests, GitUnavailable) as error:
            # A commit beside the one in force is no way out of manifests that cannot be read.
            if commit == candidates[-1] or (commit == in_force and isinstance(error, InvalidManifests)):
                raise
            log.warning("commit_unusable", commit=commit, next_commit=candidates[-1], reason=str(error))
            continue
        if commit != head:
            log.warning("manifests_not_newest", commit=commit, newest=head)
        return watcher
    raise AssertionError("the last one is used or raises")


def _revision_keeper(
    settings: Settings, options: RunOptions, run: RunContext, watcher: ManifestWatcher
) -> RevisionKeeper:
    process, source = current_process(), open_git_source(settings)
    return RevisionKeeper(
        run.store,
        watcher,
        source,
        settings.manifests_source,
        str(run.author),
        (process.host, process.pid),
        run.now,
        proposes=not options.report_only,
    )


def _key_reloader(
    used: str | None, read_key: Callable[[], str | None], api: Any, redact_too: Callable[[str], None]
) -> Callable[[], bool]:
    """Reads the key again, has it used where it is another one, and says whether it is."""

    def reload() -> bool:
        nonlocal used
        try:
            key = read_key()
        except (InvalidSettings, OSError) as error:
            log.warning("api_key_reload_failed", reason=str(error))
            return False
        if not key or key == used:
            return False
        used = key
        redact_too(key)
        api.use_key(key)
        log.info("api_key_reloaded")
        return True

    return reload


@asynccontextmanager
async def _open_queue(settings: Settings, store: Store, options: RunOptions) -> AsyncIterator[Queue]:
    """That of all who mend what the state remembers; one of its own for a process that only reports, or looks once."""
    if options.once or options.report_only:
        yield WorkQueue()
        return
    url = postgresql_url(settings.state)
    if url is None:
        async with open_state_queue(store.due, current_process()) as queue:
            yield queue
        return
    try:
        from controller.daemon.postgres_queue import open_postgres_queue
    except ModuleNotFoundError:
        raise StateError("a state in PostgreSQL needs `pip install 'merchantctl[postgres]'`.") from None
    async with open_postgres_queue(url, store.due, current_process()) as shared:
        yield shared


def _shares_queue(settings: Settings, options: RunOptions) -> bool:
    """Whether several processes may take turns on what is due."""
    return not (options.once or options.report_only) and postgresql_url(settings.state) is not None


@asynccontextmanager
async def _interruptible_lock(
    lock: StateLock, state: DaemonState, max_wait_s: float, *, is_alone: bool
) -> AsyncIterator[datetime | None]:
    """The lock, once whoever has it has looked at his, or lost it; a signal ends the waiting at once."""
    async with AsyncExitStack() as turn:
        taking = hold_state_lock(lock, max_wait_s, _build_lock_wait_announcer(state, is_alone=is_alone))
        entering = asyncio.ensure_future(turn.enter_async_context(taking))
        leaving = asyncio.ensure_future(state.signal_received.wait())
        try:
            await asyncio.wait({entering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            state.lock_wait = None
            leaving.cancel()
            if not entering.done():
                entering.cancel()
                await asyncio.wait({entering})
        # Not `state.signal`: a lock that was taken just before it is handed on, and given back with this block.
        if entering.cancelled():
            raise StoppedBySignal(state.signal or 0)
        yield entering.result()


def _build_lock_wait_announcer(state: DaemonState, *, is_alone: bool) -> Callable[[LockWait], None]:
    """Puts on the state that the lock is waited for, and says in the log who has it."""
    next_at = 0.0 if is_alone else LOCK_WAIT_LOGGED_AFTER_S

    def announce(at: LockWait) -> None:
        nonlocal next_at
        state.lock_wait = at
        if at.waited_s < next_at:
            return
        next_at = at.waited_s + DAEMON_WAIT_LOG_INTERVAL_S
        odd = is_alone or at.silent_for_s > MAX_HEARTBEAT_SILENCE_S
        (log.warning if odd else log.info)(
            "state_lock_waiting",
            holder=at.holder.description,
            silent_s=round(at.silent_for_s),
            waited_s=round(at.waited_s),
        )

    return announce


def _daemon_context(
    settings: Settings, options: RunOptions, run: RunContext, watcher: ManifestWatcher, queue: Queue, notifier: Notifier
) -> DaemonContext:
    state = DaemonState(ControllerStatus(fleet=watcher.fleet, report_only=options.report_only))
    is_alone = not _shares_queue(settings, options)

    def open_lock(max_wait_s: float) -> AbstractAsyncContextManager[datetime | None]:
        # Who only reports writes down nothing but what it saw, and of two looks the later one counts (decision 51).
        if options.report_only:
            return nullcontext()
        if options.once:
            return hold_state_lock(run.lock, 0)
        return _interruptible_lock(run.lock, state, max_wait_s, is_alone=is_alone)

    jobs = (*_build_jobs(settings, options, run, queue, state, watcher, notifier.meters),)
    if interval_s := settings.listing_poll_interval:
        listings = ListingWatcher(run.api, run.store, queue, run.now, interval_s, state.record_unclaimed)
        jobs = (*jobs, listings.timer)
        run = replace(run, on_company_read=listings.record_read_statuses)
    return DaemonContext(
        run=run,
        applies_changes=not options.report_only,
        resync_interval_s=settings.resync,
        queue=queue,
        manifest_watcher=watcher,
        state=state,
        lock=PassLock(open_lock, lambda: watcher.fleet),
        notifier=notifier,
        jobs=jobs,
        # What belongs to no merchant, the listings tell; without them only a look at everyone at once does.
        full_pass_interval_s=None if settings.listing_poll_interval else settings.resync * RESYNCS_PER_FULL_PASS,
    )


def _build_jobs(
    settings: Settings,
    options: RunOptions,
    run: RunContext,
    queue: Queue,
    state: DaemonState,
    watcher: ManifestWatcher,
    metrics: Metrics,
) -> Iterator[Timer]:
    if not options.once:
        yield Resync(queue, state, lambda: watcher.fleet.merchants, run.now, settings.resync).timer
        yield AccountKeeper(queue, lambda: watcher.fleet).timer
        yield AbandonedSyncWatcher(run.store, queue).timer
    yield SharedView(run.store, state, lambda: watcher.fleet, run.now).timer
    yield Sampler(run.store, lambda: state.latest, run.now).timer
    if settings.reports and not options.once:
        yield ReportSender(settings, run.store, metrics, run.now).timer
    yield StateCleaner(run, settings.keep, state.signal_received.is_set).timer
    if settings.sync_poll_interval:
        yield SyncPoller(
            # By Codat's clock, and the refresher, too: what they compare are times that Codat told (decision 27).
            run.api,
            run.store,
            queue,
            lambda: state.latest,
            run.service_now,
            settings.sync_poll_interval,
        ).timer
    if settings.refresh_after and not options.report_only:
        yield DataRefresher(run.api, run.store, lambda: state.latest, run.service_now, settings.refresh_after).timer


@asynccontextmanager
async def _open_heartbeat(daemon: DaemonContext) -> AsyncIterator[Heartbeat]:
    heartbeat = Heartbeat(
        current_process(),
        daemon.run.store,
        latest=lambda: daemon.state.latest,
        revision=lambda: daemon.manifest_watcher.fleet.digest,
        now=daemon.run.now,
    )
    async with heartbeat.remove_at_end():
        if daemon.revisions:
            daemon.revisions.before_taking = heartbeat.beat
        yield heartbeat


@asynccontextmanager
async def _open_web(
    settings: Settings, daemon: DaemonContext, metrics: Metrics, read_secret: Callable[[SecretRef], str | None]
) -> AsyncIterator[str | None]:
    """Each port in a thread of its own, while this lasts; the address of the pages, None where there are none."""
    secrets = parse_webhook_secrets(settings.webhook_secret, settings.webhook_authorization)
    access = _access_policy(settings)
    loop = asyncio.get_running_loop()

    def enqueue(names: Iterable[str]) -> None:
        loop.call_soon_threadsafe(daemon.queue.notify_event_recorded, tuple(names))

    def request_fetch() -> None:
        if daemon.revisions:
            loop.call_soon_threadsafe(daemon.revisions.fetch_soon.set)

    def enqueue_account() -> None:
        # In its turn, after whatever pass is under way: two at once might create one consumer each.
        loop.call_soon_threadsafe(partial(daemon.queue.add, (ACCOUNT_NAME,)))

    in_git = daemon.revisions is not None and daemon.revisions.source is not None

    @asynccontextmanager
    async def open_context() -> AsyncIterator[WebContext]:
        """In the web's own thread and with a store of its own; what crosses over are values and names."""
        async with open_store(settings) as store:
            yield WebContext(
                latest=lambda: _current_status(daemon),
                store=store,
                enqueue=enqueue,
                not_ready_reason=lambda: daemon.not_ready_reason,
                waiting=lambda: daemon.state.lock_wait_reason,
                metrics=metrics,
                now=daemon.run.now,
                service_now=daemon.run.service_now,
                secrets=secrets,
                read_declared=DeclaredSecrets(
                    store, lambda: daemon.manifest_watcher.fleet, read_secret, daemon.run.now
                ),
                enqueue_account=enqueue_account,
                git_secret=settings.git_webhook_secret.encode() if settings.git_webhook_secret else None,
                request_fetch=request_fetch if in_git else None,
                links=OutsideLinks(settings.portal_link, settings.manifest_link),
            )

    async with AsyncExitStack() as stack:
        addresses = [
            await stack.enter_async_context(serving_web(create_app(open_context, access, serves), *port))
            for port, serves in _served_ports(settings)
        ]
        yield addresses[0] if settings.listen else None


def _access_policy(settings: Settings) -> AccessPolicy:
    return AccessPolicy(settings.web_token, settings.web_guard, settings.web_hosts)


def _refuse_exposed_ports(settings: Settings) -> None:
    """Raises UsageError before anything else is begun where a port would show pages or metrics to anyone."""
    for (host, _), serves in _served_ports(settings):
        if serves is not PortContent.WEBHOOKS:  # each delivery proves itself
            check_exposure(host, _access_policy(settings))


def _served_ports(settings: Settings) -> list[tuple[tuple[str, int], PortContent]]:
    """Where is listened, and what is served there; the pages first."""
    own = [(settings.listen_webhooks, PortContent.WEBHOOKS), (settings.listen_metrics, PortContent.METRICS)]
    elsewhere = [(port, serves) for port, serves in own if port]
    on_main = ALL_CONTENT
    for _, serves in elsewhere:
        on_main &= ~serves
    return ([(settings.listen, on_main)] if settings.listen else []) + elsewhere


def _current_status(daemon: DaemonContext) -> ControllerStatus:
    note = daemon.revisions.note if daemon.revisions else None
    number, pace = len(daemon.manifest_watcher.fleet.merchants), daemon.run.requests_per_minute
    return replace(
        daemon.state.latest,
        queued_count=len(daemon.queue),
        revision_note=note,
        max_look_age_s=max_look_age_s(number, daemon.resync_interval_s, pace),
    )
