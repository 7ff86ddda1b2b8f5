"""The doorbells of several machines: the door to Procrastinate.

a row is due ──▶ ring: a job ──▶ a worker of the lane, in any process ──▶ heard ──▶ claimed ──▶ done: the job ends
                 one a key       one a key: the job's lock                 └─ not ours: the job ends at once

What is due, and who has it in work, the rows say (`state_queue`). A job only tells one process that it may look: where
one is lost the next tick rings again, and one too many finds nothing. Jobs are asked for, ended and given up through
Procrastinate's own calls; its worker fetches them, so many at once as a lane has room for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg.sql import SQL, Identifier, Literal

from controller.daemon.doubling_wait import DoublingWait
from controller.daemon.scheduler import Timer
from controller.daemon.state_queue import StateQueue
from controller.daemon.workqueue import Lane, Work
from controller.model.errors import StateError
from controller.quick_dataclasses import dataclass
from state import ProcessIdentity
from state.database import NOTICE_SILENT_SERVER
from state.due import Due, Taker
from state.errors import StateProblem, first_line_said

TASK = "look"

MAX_BELLS: Mapping[Lane, int] = {Lane.EVENT: 40, Lane.REVISION: 1, Lane.RETRY: 100, Lane.RESYNC: 100}
"""So many bells of a lane are heard at once by one process: so many keys may be in work there. A new revision is
claimed as a whole, so one bell is enough for it."""

MAX_BELL_WAIT_S: Mapping[Lane, float] = {Lane.EVENT: 3.0, Lane.REVISION: 10.0, Lane.RETRY: 30.0, Lane.RESYNC: 30.0}
"""So long a bell is heard here while nobody claims its key, since all are at work: then another process may hear it."""

BELL_GATHER_S: Mapping[Lane, float] = {Lane.EVENT: 0.02, Lane.REVISION: 0.02, Lane.RETRY: 0.1, Lane.RESYNC: 0.1}
"""So long after a bell others are waited for, that one pass has them all."""

OVERDUE_S: Mapping[Lane, float] = {Lane.EVENT: 2.0, Lane.REVISION: 5.0, Lane.RETRY: 10.0, Lane.RESYNC: 10.0}
"""Who is due for so long and free is claimed without a bell: that hangs with a process that died, or does not come."""

MAX_WAITING_BELLS = 400
"""While so many jobs wait no more are added: they would wait, too."""

BELL_TICK_INTERVAL_S = 1.0
FETCH_INTERVAL_S = 0.5
WORKER_HEARTBEAT_INTERVAL_S = 5.0
WORKER_HEARTBEAT_TIMEOUT_S = 30.0
"""Seconds without a sign of life of a worker after which its jobs are given up."""

REAP_INTERVAL_S = 5.0

LOST_JOB_AGE_S = 10.0
"""A job that stands as begun by a worker of this process, which does not have it, for so long has lost its end: the
statement that was to say so never came through."""

CONNECTION_WAIT_S = 5.0
"""Seconds without a connection after which the database counts as out of reach."""

FIRST_RESTART_WAIT_S, MAX_RESTART_WAIT_S = 0.5, 5.0
"""Seconds from the end of a worker to its next beginning: twice as long each time."""

DEFER_ATTEMPTS = 5

SCHEMA_PREFIX = "merchantctl_queue_"

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Bell:
    """A job that a worker of this process has begun. `ended`: set once its key is none of ours any more."""

    lane: Lane
    job_id: int
    heard_at: float
    ended: asyncio.Event


class OwnWorkersJobManager(JobManager):
    """Procrastinate's, which knows the workers of this process."""

    def __init__(self, connector: PsycopgConnector) -> None:
        super().__init__(connector)
        self.own_workers: set[int] = set()

    async def register_worker(self) -> int:
        worker = await super().register_worker()
        self.own_workers.add(worker)
        return worker

    async def unregister_worker(self, worker_id: int) -> None:
        await super().unregister_worker(worker_id)
        self.own_workers.discard(worker_id)


class PostgresQueue(StateQueue):
    """The queue of a state in PostgreSQL: who claims what is due is whoever hears its bell."""

    def __init__(self, due: Due, taker: Taker, app: App, connector: PsycopgConnector) -> None:
        super().__init__(due, taker)
        self._app, self._connector = app, connector
        self._jobs = OwnWorkersJobManager(connector)
        app.job_manager = self._jobs
        app.task(name=TASK, pass_context=True)(self._hear_bell_until_ended)
        self._bells: dict[str, Bell] = {}
        self._lost_since: dict[int, float] = {}
        self._ring_soon = asyncio.Event()
        self._ringing, self._claiming = asyncio.Lock(), asyncio.Lock()
        self._workers: dict[Lane, asyncio.Task[None]] = {}
        self._due_since: dict[str, float] = {}
        self._overdue: dict[str, Lane] = {}
        self._cannot_ring = False

    @property
    def upkeep_timers(self) -> tuple[Timer, ...]:
        tick, beat = super().upkeep_timers
        reaper = Timer("bells", REAP_INTERVAL_S, self.give_up_lost_jobs)
        return (Timer(tick.name, BELL_TICK_INTERVAL_S, self.signal_due, at_once=True), beat, reaper)

    def close(self) -> None:
        """Its bells, and those that would come, are for others."""
        super().close()
        self._end_bells(tuple(self._bells))
        for worker in self._workers.values():
            worker.cancel()

    @property
    def workers(self) -> tuple[asyncio.Task[None], ...]:
        """Those of the lanes that somebody here has asked for."""
        return tuple(self._workers.values())

    async def done(self, work: Work) -> None:
        await super().done(work)
        self._end_bells(work)

    # -- Ringing

    async def signal_due(self) -> None:
        """Rings for those due, whoever has asked for them. Where the state is out of reach, whoever waits is woken, and
        finds that out."""
        async with self._ringing:
            self._ring_soon.clear()
            try:
                due = {
                    key: Lane(lane) for key, lane in (await self._due.repair_waits_and_load_due(self._taker)).items()
                }
                if not due.keys().isdisjoint(self._in_work):  # to be taken over here: no bell is needed
                    self._wake_waiters()
                self._stop_idle_workers()
                self._end_stale_bells(due)
                self._update_overdue(due)
                if due:
                    await self._ring(due)
                self._cannot_ring = False
            except StateProblem:
                self._wake_waiters()
            except _FOREIGN as error:
                if not self._cannot_ring:
                    log.warning("queue_wakeup_failed", reason=first_line_said(error.__cause__ or error))
                self._cannot_ring = True
                self._wake_waiters()

    async def ring_forever(self) -> None:
        """In the background: at once, where somebody has asked."""
        while True:
            await self._ring_soon.wait()
            await self.signal_due()

    def _on_maybe_due(self) -> None:
        self._ring_soon.set()

    async def _ring(self, due: Mapping[str, Lane]) -> None:
        jobs = list(await self._jobs.list_jobs_async())
        waiting = {str(job.queueing_lock): job for job in jobs if job.status == Status.TODO.value}
        begun = {str(job.queueing_lock): job for job in jobs if job.status == Status.DOING.value}
        room = MAX_WAITING_BELLS - len(waiting)
        is_revision_rung = any(job.queue == _queue_name(Lane.REVISION) for job in jobs)
        new: list[Job] = []
        for key, lane in due.items():
            job = _job(key, lane)
            if key in self._in_work or (lane is Lane.REVISION and is_revision_rung):
                continue
            # A job that has begun is made no more urgent: another waits beside it, and begins when its lock is free.
            if key in waiting or (key in begun and begun[key].priority < job.priority):
                if key not in waiting or waiting[key].priority < job.priority:
                    await self._ring_or_raise_priority(job)
            elif key not in begun and len(new) < room:
                new.append(job)
                is_revision_rung = is_revision_rung or lane is Lane.REVISION
        if new:
            try:
                await self._jobs.batch_defer_jobs_async(new)
            except AlreadyEnqueued:  # one of them makes all fail
                for job in new:
                    await self._ring_or_raise_priority(job)

    async def _ring_or_raise_priority(self, job: Job) -> None:
        """One job of that key, at the highest priority that anybody asked for."""
        for _ in range(DEFER_ATTEMPTS):
            waiting = list(await self._jobs.list_jobs_async(queueing_lock=job.queueing_lock, status=Status.TODO.value))
            if any(each.priority >= job.priority for each in waiting):
                return
            with suppress(AlreadyEnqueued):  # somebody else was quicker: once more
                async with self._connector.pool.connection() as connection:
                    for each in waiting:
                        await self._jobs.cancel_job_by_id_async(
                            int(each.id or 0), delete_job=True, connection=connection
                        )
                    await self._jobs.defer_job_async(job, connection=connection)
                return

    # -- Hearing

    async def _hear_bell_until_ended(self, context: JobContext) -> None:
        """A job: it lasts until its key was looked at here, or is none of ours."""
        job = context.job
        key, bell = str(job.lock), Bell(_lane(job), int(job.id or 0), _now(), asyncio.Event())
        # Ended at once, its key is due still, and is rung for again: by another process, since this one ends.
        if self._closed:
            return
        self._bells[key] = bell
        self._lost_since.pop(bell.job_id, None)
        self._wake_waiters()
        try:
            await bell.ended.wait()
        finally:
            # A more urgent one of the same key may stand there by now.
            if self._bells.get(key) is bell:
                del self._bells[key]

    async def _claim(self, lanes: tuple[Lane, ...], limit: int | None) -> dict[str, int]:
        """Whoever's bell was heard, and who is overdue. What is taken, gone or due later is none of ours."""
        for lane in lanes:
            if lane not in self._workers and not self._closed:
                self._workers[lane] = asyncio.create_task(self.work_forever(lane))
        if any(bell.lane in lanes for bell in self._bells.values()):
            await asyncio.sleep(min(BELL_GATHER_S[lane] for lane in lanes))
        async with self._claiming:
            heard = {key for key, bell in self._bells.items() if bell.lane in lanes and key not in self._in_work}
            overdue = {key for key, lane in self._overdue.items() if lane in lanes}
            # A revision has one bell for all of its merchants, and whoever hears it claims them all.
            keys: Collection[str] | None = None if Lane.REVISION in lanes and heard | overdue else heard | overdue
            taken = await self._due.claim(lanes, self._taker, limit=limit, keys=keys)
            # While the lock is held: else the next to claim would find them heard and not taken, and end their bells.
            self._in_work |= {key: Lane(lane) for key, lane in taken.items()}
            for key in overdue:
                self._overdue.pop(key, None)
            if limit is None or len(taken) < limit:
                self._end_bells(heard - taken.keys())
            else:
                self._wake_waiters()  # the others are for others
            return taken

    def _end_stale_bells(self, due: Mapping[str, Lane]) -> None:
        """Of keys that wait here in vain: they are more urgent by now, or nobody here claims them for too long."""
        for key, lane in due.items():
            bell = self._bells.get(key)
            if bell is None or key in self._in_work:
                continue
            if lane < bell.lane or _now() - bell.heard_at > MAX_BELL_WAIT_S[bell.lane]:
                bell.ended.set()

    def _stop_idle_workers(self) -> None:
        """Of lanes that nobody here takes at this moment, since this process looks at everyone, or leaves the fleet to
        another: who is due is for those that take. The next `get` starts them again."""
        for lane in [lane for lane in self._workers if not self._is_lane_served_here(lane)]:
            self._workers.pop(lane).cancel()
            self._end_bells(key for key, bell in self._bells.items() if bell.lane is lane)

    def _update_overdue(self, due: Mapping[str, Lane]) -> None:
        now = _now()
        self._due_since = {key: self._due_since.get(key, now) for key in due}
        self._overdue = {
            key: lane
            for key, lane in due.items()
            if now - self._due_since[key] > OVERDUE_S[lane] and key not in self._bells
        }
        if self._overdue:
            self._wake_waiters()

    def _is_lane_served_here(self, lane: Lane) -> bool:
        is_waited_for = any(lane in lanes for lanes in self._waiters.values())
        return is_waited_for or any((each is Lane.EVENT) == (lane is Lane.EVENT) for each in self._in_work.values())

    def _end_bells(self, keys: Iterable[str]) -> None:
        for key in keys:
            if bell := self._bells.get(key):
                bell.ended.set()

    # -- Workers, and what dead ones leave

    async def work_forever(self, lane: Lane) -> None:
        """In the background: the worker of a lane. It ends where the database is out of reach, also by returning."""
        restart_wait = DoublingWait(FIRST_RESTART_WAIT_S, MAX_RESTART_WAIT_S)
        while not self._closed:
            began = _now()
            with suppress(*_FOREIGN):
                await self._app.run_worker_async(
                    queues=[_queue_name(lane)],
                    name=_queue_name(lane),
                    concurrency=MAX_BELLS[lane],
                    fetch_job_polling_interval=FETCH_INTERVAL_S,
                    update_heartbeat_interval=WORKER_HEARTBEAT_INTERVAL_S,
                    stalled_worker_timeout=WORKER_HEARTBEAT_TIMEOUT_S,
                    shutdown_graceful_timeout=1.0,  # its jobs only wait, so nothing is lost with them
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
            if _now() - began > MAX_RESTART_WAIT_S:
                restart_wait.reset()
            await asyncio.sleep(restart_wait.take_next_s())

    async def give_up_lost_jobs(self) -> None:
        """Jobs of workers that give no sign of life, and those of ours whose end was lost: each is rung anew, and only
        then ended. Their keys are nobody's before, so that no two processes look at once."""
        with suppress(*_FOREIGN):
            for lane in Lane:
                for job in await self._jobs.get_stalled_jobs(
                    queue=_queue_name(lane), seconds_since_heartbeat=WORKER_HEARTBEAT_TIMEOUT_S
                ):
                    await self._give_up(job)
            for job in await self._find_own_lost_jobs():
                await self._give_up(job)

    async def _find_own_lost_jobs(self) -> list[Job]:
        """Begun by a worker of this process, and not had by it for LOST_JOB_AGE_S."""
        had = {bell.job_id for bell in self._bells.values()}
        not_had = {
            int(job.id or 0): job
            for worker in self._jobs.own_workers
            for job in await self._jobs.list_jobs_async(status=Status.DOING.value, worker_id=worker)
            if job.id not in had
        }
        now = _now()
        self._lost_since = {number: self._lost_since.get(number, now) for number in not_had}
        return [not_had[number] for number, since in self._lost_since.items() if now - since >= LOST_JOB_AGE_S]

    async def _give_up(self, job: Job) -> None:
        await self._ring_or_raise_priority(_job(str(job.lock), _lane(job)))
        try:
            await self._jobs.finish_job_by_id_async(int(job.id or 0), Status.FAILED, delete_job=True)
        except ConnectorException as error:
            # Procrastinate's own function raises that in the database where the job is not begun any more.
            if not isinstance(error.__cause__, psycopg.errors.RaiseException):  # another process was quicker
                raise


def _queue_name(lane: Lane) -> str:
    return lane.name.lower()


def _lane(job: Job) -> Lane:
    return Lane[job.queue.upper()]


def _job(key: str, lane: Lane) -> Job:
    return Job(queue=_queue_name(lane), task_name=TASK, lock=key, queueing_lock=key, priority=-lane)


@asynccontextmanager
async def open_postgres_queue(url: str, due: Due, process: ProcessIdentity) -> AsyncIterator[PostgresQueue]:
    """The queue of a state at a PostgreSQL URL, while this lasts; Procrastinate's tables are made where there are none.

    Raises StateError.
    """
    taker = Taker(uuid4().hex, process)
    async with AsyncExitStack() as stack:
        try:
            connector = await _build_connector(url)
            app = await stack.enter_async_context(App(connector=connector).open_async())
            await _recreate_tables_unless_current(connector, await _load_schema_name(url))
        except _FOREIGN as error:
            fact = first_line_said(error.__cause__ or error)
            raise StateError(
                f"the queue beside the state cannot be used: {fact}. Mend that, then start `run` again."
            ) from error
        queue = PostgresQueue(due, taker, app, connector)
        await due.record_alive_and_reap(taker)
        # A worker that ends is begun anew, and what that is about is said once, by whoever asks the state next.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        tasks = [asyncio.create_task(work) for work in (queue.write_noted_forever(), queue.ring_forever())]
        try:
            yield queue
        finally:
            queue.close()
            await _cancel_and_wait([*queue.workers, *tasks])
            with suppress(StateProblem):  # silent from now on: the others take over
                await queue.put_back_and_end()


async def _cancel_and_wait(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Told so until they listen: Python 3.11's wait_for loses a cancellation that comes with what it waited for."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


# -- The tables, in a schema of their own


_NEWEST_STEP = max(Path(SchemaManager.get_migrations_path()).glob("*.sql")).name


async def _load_schema_name(url: str) -> str:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute("SELECT current_schema()")).fetchone()
        return f"{SCHEMA_PREFIX}{row[0] if row else ''}"


async def _build_connector(url: str) -> PsycopgConnector:
    search_path = SQL("SET search_path TO {}").format(Identifier(await _load_schema_name(url)))

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(search_path)
        await connection.commit()

    return PsycopgConnector(
        conninfo=url,
        min_size=1,
        max_size=6,
        configure=configure,
        timeout=CONNECTION_WAIT_S,
        kwargs=NOTICE_SILENT_SERVER,
    )


async def _recreate_tables_unless_current(connector: PsycopgConnector, schema: str) -> None:
    """Those of another version make room: they have doorbells in them, or what a look at everyone brings back."""
    mark, name = f"the doorbells of merchantctl; procrastinate {_NEWEST_STEP}", Identifier(schema)
    async with connector.pool.connection() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
        found = await connection.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", (schema,))
        if await found.fetchone() == (mark,):
            return
        await connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        await connection.execute(SQL("CREATE SCHEMA {}").format(name))
        await connection.execute(SchemaManager.get_schema())
        await connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(name, Literal(mark)))


_FOREIGN = (ConnectorException, psycopg.Error)


def _now() -> float:
    return asyncio.get_running_loop().time()
