"""Where the controller that stays is put together: `merchantctl run`.

manifests ─ state ─ client ─▶ on duty, until a signal
                               ├─ told of each pass: the log, the metrics, the chat
                               └─ web: what was seen last; who is to be looked at
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import structlog

from controller.app import Order, held, reading, remembered, run_of, silent, stopped_by_signals, writing
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
from controller.runtime.workqueue import WorkQueue
from controller.settings import Settings
from controller.web.app import create_app
from controller.web.listening import listening
from controller.web.ports import Window, secrets_of
from state import Store

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
    async with remembered(settings) as store, client as api:
        duty = _duty(settings, shift, revisions, store, api, Voice(meters, settings.notify_url))
        with stopped_by_signals(lambda signal: leave(duty, signal)):
            if shift.once:
                return exit_code("drift" if shift.report_only else "apply", await look_once(duty))
            async with _web(settings, duty, meters) as address:
                log.info("on duty", web=address, merchants=len(revisions.fleet.merchants), mends=duty.mends)
                await serve(duty)
    return 128 + (duty.board.signal or 0)


def _duty(settings: Settings, shift: Shift, revisions: Revisions, store: Store, api: Any, voice: Voice) -> Duty:
    queue, board = WorkQueue(), Board(Latest(fleet=revisions.fleet, report_only=shift.report_only))
    return Duty(
        run=run_of(settings, Order(Scope(), Leave(unattended=True)), revisions.fleet, store, api, silent),
        mends=not shift.report_only,
        resync=settings.resync,
        queue=queue,
        revisions=revisions,
        board=board,
        hold=lambda: held(store, patience=0),
        voice=voice,
        chores=tuple(_chores(settings, shift, store, api, queue, board)),
    )


def _chores(
    settings: Settings, shift: Shift, store: Store, api: Any, queue: WorkQueue, board: Board
) -> Iterator[Timer]:
    if settings.sync_rota:
        yield Rota(api, store, queue, lambda: board.latest, now, settings.sync_rota).timer
    if settings.refresh_after and not shift.report_only:
        yield Refresher(api, lambda: board.latest, now, settings.refresh_after).timer


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
    timetable = duty.board.timetable
    return replace(duty.board.latest, queued=len(duty.queue), next_at=timetable.next("resync") if timetable else None)
