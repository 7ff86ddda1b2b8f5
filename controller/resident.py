"""Where the controller that stays is put together: `merchantctl run`.

manifests ─ state ─ client ─▶ on duty, until a signal
                               ├─ told of each pass: the log, the metrics, the chat
                               └─ web: what was seen last; who is to be looked at
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import structlog

from controller.app import Order, held, reading, remembered, run_of, silent, stopped_by_signals, writing
from controller.model.errors import StateError
from controller.model.latest import Latest
from controller.model.run import Leave, Scope
from controller.reconcile.survey import now
from controller.reporting.log import start_log
from controller.reporting.metrics import Meters
from controller.reporting.verdict import exit_code
from controller.runtime.duty import Board, Duty
from controller.runtime.refresh import Refresher
from controller.runtime.revision import Revisions
from controller.runtime.rota import Rota
from controller.runtime.scheduler import Timer
from controller.runtime.service import leave, look_once, serve
from controller.runtime.telling import Voice
from controller.runtime.workqueue import Queue, WorkQueue
from controller.settings import Settings
from controller.web.app import create_app
from controller.web.listening import listening
from controller.web.ports import Window, secrets_of
from state import Store, postgresql_url
from state.errors import StateLocked

PATIENCE = 1.0
"""Seconds from one asking whether a signal came to the next, while another process has its turn."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shift:
    """What `run` was told on the command line: to stay or to look `once`, to mend or only to report."""

    once: bool = False
    report_only: bool = False


async def keep_watch(settings: Settings, shift: Shift) -> int:
    """The controller, until a signal or for one look; its exit code. Broken manifests are refused at the start."""
    start_log([settings.api_key, settings.webhook_secret, settings.webhook_authorization, settings.notify_url])
    revisions, meters = Revisions(settings.manifests, settings.cache), Meters()
    client = reading(settings) if shift.report_only else writing(settings)
    async with remembered(settings) as store, client as api, _queue(settings, shift) as queue:
        duty = _duty(settings, shift, revisions, store, api, queue, Voice(meters, settings.notify_url))
        with stopped_by_signals(lambda signal: leave(duty, signal)):
            if shift.once:
                return exit_code("drift" if shift.report_only else "apply", await look_once(duty))
            async with _web(settings, duty, meters) as address:
                merchants, shared = len(revisions.fleet.merchants), not isinstance(queue, WorkQueue)
                log.info("on duty", web=address, merchants=merchants, mends=duty.mends, shared=shared)
                await serve(duty)
    return 128 + (duty.board.signal or 0)


@asynccontextmanager
async def _queue(settings: Settings, shift: Shift) -> AsyncIterator[Queue]:
    """That of this process; or, where it mends what a state in PostgreSQL remembers, that of all who do."""
    shared = None if shift.once or shift.report_only else postgresql_url(settings.state)
    if shared is None:
        yield WorkQueue()
        return
    try:
        from controller.runtime.tasks import shared_queue
    except ModuleNotFoundError:
        raise StateError("a state in PostgreSQL needs `pip install 'merchantctl[postgres]'`.") from None
    async with shared_queue(shared) as queue:
        yield queue


@asynccontextmanager
async def _in_turn(store: Store, board: Board) -> AsyncIterator[None]:
    """The lock, once whoever has it has looked at his; a signal ends the waiting."""
    async with AsyncExitStack() as turn:
        while True:
            try:
                await turn.enter_async_context(held(store, patience=PATIENCE))
                break
            except StateLocked:
                if board.signal:
                    raise
        yield


def _duty(
    settings: Settings, shift: Shift, revisions: Revisions, store: Store, api: Any, queue: Queue, voice: Voice
) -> Duty:
    board = Board(Latest(fleet=revisions.fleet, report_only=shift.report_only))
    alone = isinstance(queue, WorkQueue)
    return Duty(
        run=run_of(settings, Order(Scope(), Leave(unattended=True)), revisions.fleet, store, api, silent),
        mends=not shift.report_only,
        resync=settings.resync,
        queue=queue,
        revisions=revisions,
        board=board,
        hold=lambda: held(store, patience=0) if alone else _in_turn(store, board),
        voice=voice,
        chores=tuple(_chores(settings, shift, store, api, queue, board)),
    )


def _chores(settings: Settings, shift: Shift, store: Store, api: Any, queue: Queue, board: Board) -> Iterator[Timer]:
    if settings.sync_rota:
        yield Rota(api, store, queue, lambda: board.latest, now, settings.sync_rota).timer
    if settings.refresh_after and not shift.report_only:
        yield Refresher(api, store, lambda: board.latest, now, settings.refresh_after).timer


def _web(settings: Settings, duty: Duty, meters: Meters) -> AbstractAsyncContextManager[str | None]:
    if settings.listen is None:
        return nullcontext()
    secrets = secrets_of(settings.webhook_secret, settings.webhook_authorization)
    loop = asyncio.get_running_loop()

    def enqueue(names: Iterable[str]) -> None:
        loop.call_soon_threadsafe(duty.queue.add, tuple(names))

    @asynccontextmanager
    async def opening() -> AsyncIterator[Window]:
        """In the web's own thread and with a store of its own; what crosses over are values and names."""
        async with remembered(settings) as store:
            yield Window(
                latest=lambda: _moment(duty),
                store=store,
                enqueue=enqueue,
                ready=lambda: None if duty.board.ready else "no look at everyone has come through yet",
                meters=meters,
                now=now,
                secrets=secrets,
            )

    return listening(create_app(opening), *settings.listen)


def _moment(duty: Duty) -> Latest:
    return replace(duty.board.latest, queued=len(duty.queue), next_at=duty.board.next_at)
