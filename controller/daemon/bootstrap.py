"""Where the controller that stays is put together: `merchantctl run`.

manifests ─ state ─ client ─▶ on duty, until a signal
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
from math import inf
from shlex import quote
from typing import Any

import structlog

from controller.daemon.jobs.data_refresher import DataRefresher
from controller.daemon.jobs.listing_watcher import ListingWatcher
from controller.daemon.jobs.state_cleaner import StateCleaner
from controller.daemon.jobs.sync_poller import SyncPoller
from controller.daemon.loop import run_single_pass, serve, shut_down
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.scheduler import Timer
from controller.daemon.state import DaemonContext, DaemonState
from controller.daemon.workqueue import Queue, WorkQueue
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.controller_status import ControllerStatus
from controller.model.errors import StateError, StoppedBySignal
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import Records, RunPolicy, Scope
from controller.operations.bootstrap import (
    ApplyRequest,
    build_run,
    no_progress,
    open_reader,
    open_store,
    open_writer,
    refuse_empty_root,
    state_lock,
    stop_on_signals,
)
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.settings import InvalidSettings, Settings
from controller.telemetry.logging import configure_logging
from controller.telemetry.metrics import Metrics
from controller.web.access import AccessPolicy, check_exposure
from controller.web.app import ALL_CONTENT, PortContent, create_app
from controller.web.context import WebContext, parse_webhook_secrets
from controller.web.server import serving_web
from state import LockWait, Store, postgresql_url
from state.errors import MAX_HEARTBEAT_SILENCE_S

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
    shift: RunOptions,
    *,
    environment: Environment = REAL_ENVIRONMENT,
    read_key: Callable[[], str | None] = lambda: None,
) -> FleetPlan | FleetReport | int:
    """The controller until a signal: its exit code. Or one look at everyone: what came of it. Broken manifests are
    refused at the start.

    read_key  the API key as it is set now, asked for where Codat refuses the one in use. Raises BadSettings
    """
    if not shift.once:
        _check_ports(settings)
    also_secret = configure_logging(
        [
            settings.api_key,
            settings.webhook_secret,
            settings.webhook_authorization,
            settings.notify_url,
            settings.web_token,
        ]
    )
    log.info("controller_starting", api=settings.base_url, once=shift.once, report_only=shift.report_only)
    for file in settings.exposed:
        log.warning("secret_file_exposed", file=str(file), remedy=f"chmod 600 {quote(str(file))}")
    revisions, meters = ManifestWatcher(settings.manifests, settings.cache), Metrics()
    client = (open_reader if shift.report_only else open_writer)(settings, environment)
    async with open_store(settings) as store, client as api, _queue(settings, shift) as queue:
        await refuse_empty_root(settings, revisions.fleet, store)
        order = ApplyRequest(Scope(), RunPolicy(automatic=True), verb="run", records=Records.ALL)
        run = build_run(settings, order, revisions.fleet, store, api, no_progress, environment)
        voice = Notifier(meters, environment.sleep, settings.notify_url)
        renew_key = _renewing(settings.api_key, read_key, api, also_secret)
        daemon = replace(_daemon_context(settings, shift, run, revisions, queue, voice), renew_key=renew_key)
        with stop_on_signals(lambda signal: shut_down(daemon, signal)):
            if shift.once:
                return await run_single_pass(daemon)
            async with _web(settings, daemon, meters) as address:
                merchants, shared = len(revisions.fleet.merchants), not isinstance(queue, WorkQueue)
                log.info(
                    "controller_started",
                    web=address,
                    merchants=merchants,
                    writes_enabled=daemon.applies_changes,
                    queue_shared=shared,
                )
                await serve(daemon)
    return 128 + (daemon.state.signal or 0)


def _renewing(
    used: str | None, read_key: Callable[[], str | None], api: Any, also_secret: Callable[[str], None]
) -> Callable[[], bool]:
    """Reads the key again, has it used where it is another one, and says whether it is."""

    def renew() -> bool:
        nonlocal used
        try:
            key = read_key()
        except (InvalidSettings, OSError) as error:
            log.warning("api_key_unreadable", reason=str(error))
            return False
        if not key or key == used:
            return False
        used = key
        also_secret(key)
        api.use_key(key)
        log.info("api_key_reloaded")
        return True

    return renew


@asynccontextmanager
async def _queue(settings: Settings, shift: RunOptions) -> AsyncIterator[Queue]:
    """That of this process; or, where it mends what a state in PostgreSQL remembers, that of all who do."""
    shared = None if shift.once or shift.report_only else postgresql_url(settings.state)
    if shared is None:
        yield WorkQueue()
        return
    try:
        from controller.daemon.postgres_queue import open_postgres_queue
    except ModuleNotFoundError:
        raise StateError("a state in PostgreSQL needs `pip install 'merchantctl[postgres]'`.") from None
    async with open_postgres_queue(shared) as queue:
        yield queue


@asynccontextmanager
async def _in_turn(store: Store, board: DaemonState, *, alone: bool) -> AsyncIterator[datetime | None]:
    """The lock, once whoever has it has looked at his, or lost it; a signal ends the waiting at once."""
    async with AsyncExitStack() as turn:
        taking = state_lock(store, inf, _telling(board, alone=alone))
        entering = asyncio.ensure_future(turn.enter_async_context(taking))
        leaving = asyncio.ensure_future(board.signal_received.wait())
        try:
            await asyncio.wait({entering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            board.lock_wait = None
            leaving.cancel()
            if not entering.done():
                entering.cancel()
                await asyncio.wait({entering})
        if entering.cancelled():
            raise StoppedBySignal(board.signal or 0)
        yield entering.result()


def _telling(board: DaemonState, *, alone: bool) -> Callable[[LockWait], None]:
    """Puts on the board that the lock is waited for, and says in the log who has it."""
    next_at = 0.0 if alone else LOCK_WAIT_LOGGED_AFTER_S

    def told(at: LockWait) -> None:
        nonlocal next_at
        board.lock_wait = at
        if at.waited_s < next_at:
            return
        next_at = at.waited_s + DAEMON_WAIT_LOG_INTERVAL_S
        odd = alone or at.silent_for_s > MAX_HEARTBEAT_SILENCE_S
        (log.warning if odd else log.info)(
            "state_lock_waiting",
            holder=at.holder.description,
            silent_s=round(at.silent_for_s),
            waited_s=round(at.waited_s),
        )

    return told


def _daemon_context(
    settings: Settings, shift: RunOptions, run: RunContext, revisions: ManifestWatcher, queue: Queue, voice: Notifier
) -> DaemonContext:
    board = DaemonState(ControllerStatus(fleet=revisions.fleet, report_only=shift.report_only))
    alone = isinstance(queue, WorkQueue)

    def open_lock() -> AbstractAsyncContextManager[datetime | None]:
        if shift.report_only:
            return nullcontext()
        return state_lock(run.store, 0) if shift.once else _in_turn(run.store, board, alone=alone)

    return DaemonContext(
        run=run,
        applies_changes=not shift.report_only,
        resync_interval_s=settings.resync,
        queue=queue,
        manifest_watcher=revisions,
        state=board,
        lock=PassLock(open_lock, lambda: revisions.fleet),
        notifier=voice,
        jobs=tuple(_chores(settings, shift, run, queue, board)),
    )


def _chores(
    settings: Settings, shift: RunOptions, run: RunContext, queue: Queue, board: DaemonState
) -> Iterator[Timer]:
    yield StateCleaner(run, settings.keep, board.signal_received.is_set).timer
    if settings.listing_poll_interval:
        yield ListingWatcher(run.api, run.store, queue, run.now, settings.listing_poll_interval).timer
    if settings.sync_poll_interval:
        yield SyncPoller(
            run.api, run.store, queue, lambda: board.latest, run.service_now, settings.sync_poll_interval
        ).timer
    if settings.refresh_after and not shift.report_only:
        yield DataRefresher(run.api, run.store, lambda: board.latest, run.service_now, settings.refresh_after).timer


@asynccontextmanager
async def _web(settings: Settings, daemon: DaemonContext, meters: Metrics) -> AsyncIterator[str | None]:
    """Each port in a thread of its own, while this lasts; the address of the pages, None where there are none."""
    secrets = parse_webhook_secrets(settings.webhook_secret, settings.webhook_authorization)
    access = _access(settings)
    loop = asyncio.get_running_loop()

    def enqueue(names: Iterable[str]) -> None:
        loop.call_soon_threadsafe(partial(daemon.queue.add, tuple(names), urgent=True))

    @asynccontextmanager
    async def opening() -> AsyncIterator[WebContext]:
        """In the web's own thread and with a store of its own; what crosses over are values and names."""
        async with open_store(settings) as store:
            yield WebContext(
                latest=lambda: _status_snapshot(daemon),
                store=store,
                enqueue=enqueue,
                not_ready_reason=lambda: daemon.state.not_ready_reason,
                waiting=lambda: daemon.state.lock_wait_reason,
                metrics=meters,
                now=daemon.run.now,
                secrets=secrets,
            )

    async with AsyncExitStack() as stack:
        addresses = [
            await stack.enter_async_context(serving_web(create_app(opening, access, serves), *port))
            for port, serves in _ports(settings)
        ]
        yield addresses[0] if settings.listen else None


def _access(settings: Settings) -> AccessPolicy:
    return AccessPolicy(settings.web_token, settings.web_guard, settings.web_hosts)


def _check_ports(settings: Settings) -> None:
    """Raises UsageError before anything else is begun where a port would show pages or metrics to anyone."""
    for (host, _), serves in _ports(settings):
        if serves is not PortContent.WEBHOOKS:  # each delivery proves itself
            check_exposure(host, _access(settings))


def _ports(settings: Settings) -> list[tuple[tuple[str, int], PortContent]]:
    """Where is listened, and what is served there; the pages first."""
    own = [(settings.listen_webhooks, PortContent.WEBHOOKS), (settings.listen_metrics, PortContent.METRICS)]
    elsewhere = [(port, serves) for port, serves in own if port]
    on_main = ALL_CONTENT
    for _, serves in elsewhere:
        on_main &= ~serves
    return ([(settings.listen, on_main)] if settings.listen else []) + elsewhere


def _status_snapshot(daemon: DaemonContext) -> ControllerStatus:
    return replace(
        daemon.state.latest, queued_count=len(daemon.queue), next_full_pass_at=daemon.state.next_full_pass_at
    )
