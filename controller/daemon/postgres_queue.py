"""The promise of `workqueue` over several machines: the door to Procrastinate.

add(acme) ──▶ a job that waits ──▶ in one process's hand ──▶ looked at: the job is gone
              one per merchant     one per merchant      └─ left, or that process silent for SILENT: it waits again

Procrastinate keeps the jobs, wakes whoever listens, and knows who is alive. What it has no words for (the earliest of
two times wins; back into the queue beside one that waits already) is one statement each, so that nobody is ever lost
between two. Its worker is not used: it takes jobs whenever it can, we when we can look (decision 22).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg.sql import SQL, Identifier, Literal

from controller.model.errors import StateError
from state.database import NOTICE_SILENT_SERVER
from state.errors import StateUnreachable

QUEUE_NAME, URGENT_QUEUE_NAME = "looks", "urgent looks"
QUEUE_NAMES = [QUEUE_NAME, URGENT_QUEUE_NAME]
BATCH_SIZE = 100
"""So many are looked at in one pass. More would keep from the other processes what they have time for."""

QUEUE_POLL_INTERVAL_S = 1.0
"""Seconds from one look into the queue to the next, while nobody wakes us: how late a due time is noticed."""

HEARTBEAT_INTERVAL_S = 5.0
"""Seconds from one sign of life to the next."""

HEARTBEAT_TIMEOUT_S = 30.0
"""Seconds without a sign of life after which a process's merchants are anybody's again.

Whoever was only slow has them looked at twice; the lock on the state keeps the two looks apart.
"""

CONNECTION_WAIT_S = 5.0
"""Seconds without a connection after which the database counts as out of reach."""

DEAD_WORKER_RETENTION_S = 86_400.0
"""Seconds after which a silent process is struck off the list."""

SCHEMA_PREFIX = "merchantctl_queue_"

log = structlog.get_logger()


class PostgresQueue:
    """The queue of all processes that work on one state. What it holds outlives them.

    `add` only notes. What is noted is written down in the background, before anybody handed out counts as looked at.
    """

    def __init__(self, jobs: JobManager, worker: int) -> None:
        self._jobs, self._worker = jobs, worker
        self._noted: dict[str, float] = {}
        self._noted_urgent: set[str] = set()
        self._hand: dict[str, int] = {}
        self._urgent_hand: dict[str, int] = {}
        self._waiting = 0
        self._closed = False
        self._writing = asyncio.Lock()
        self._noticed = asyncio.Event()
        self._waiters: set[asyncio.Event] = set()

    @property
    def max_batch(self) -> int:
        return BATCH_SIZE

    def add(self, keys: Iterable[str], after: float = 0, *, urgent: bool = False) -> None:
        time, keys = _now() + after, tuple(keys)
        for key in keys:
            self._noted[key] = min(time, self._noted.get(key, time))
        if urgent:
            self._noted_urgent.update(keys)
        self._noticed.set()

    async def get(self) -> tuple[str, ...]:
        with _foreign_errors_stop_here():
            while not self._closed:
                change = self._next_change()
                await self._write_down()
                finished, self._hand = self._hand, {}
                await self._strike_off(finished.values())
                self._hand = await self._take(QUEUE_NAME)
                if self._hand:
                    return tuple(sorted(self._hand))
                await self._wait_for(change)
        return ()

    async def get_urgent(self) -> tuple[str, ...]:
        with _foreign_errors_stop_here():
            while not self._closed:
                change = self._next_change()
                await self._write_down()
                taken = await self._take(URGENT_QUEUE_NAME)
                if taken:
                    self._urgent_hand |= taken
                    return tuple(sorted(taken))
                await self._wait_for(change)
        return ()

    async def done(self, keys: Iterable[str]) -> None:
        """Once the database can be reached: what would stay in hand, no process ever looks at again."""
        hands = [(hand, key) for key in keys for hand in (self._urgent_hand, self._hand) if key in hand]
        while not self._closed:
            with suppress(*_FOREIGN):
                await self._write_down()
                await self._strike_off([hand[key] for hand, key in hands])
                break
            await asyncio.sleep(QUEUE_POLL_INTERVAL_S)
        for hand, key in hands:
            hand.pop(key, None)

    def close(self) -> None:
        self._closed = True
        self._wake_waiters()

    def __len__(self) -> int:
        """As of the last sign of life."""
        return self._waiting + len(self._noted)

    async def shut_down(self) -> None:
        """Whoever is still in hand is anybody's, and this process is no more."""
        await self._write_down()
        await self._put_back([*self._hand.values(), *self._urgent_hand.values()])
        await self._jobs.unregister_worker(self._worker)

    # -- In the background

    async def listen(self) -> None:
        """Wakes `get` and `get_urgent` whenever somebody was added anywhere."""
        await self._jobs.listen_for_jobs(on_notification=self._on_notification, queues=QUEUE_NAMES)

    async def write_additions(self) -> None:
        await self._noticed.wait()
        await self._write_down()
        self._wake_waiters()

    async def heartbeat(self) -> None:
        """One sign of life; and those in the hands of whoever gives none any more wait again."""
        await asyncio.sleep(HEARTBEAT_INTERVAL_S)
        await self._jobs.update_heartbeat(self._worker)
        lost = [
            job.id
            for queue in QUEUE_NAMES
            for job in await self._jobs.get_stalled_jobs(queue=queue, seconds_since_heartbeat=HEARTBEAT_TIMEOUT_S)
        ]
        if lost:
            await self._put_back(lost)
            log.warning("merchants_put_back", merchants=len(lost))
        await self._jobs.prune_stalled_workers(DEAD_WORKER_RETENTION_S)
        self._waiting = (await self._jobs.connector.execute_query_one_async(_COUNT, queues=QUEUE_NAMES))["waiting"]

    # -- One step each

    async def _write_down(self) -> None:
        async with self._writing:
            self._noticed.clear()
            noted, self._noted = self._noted, {}
            urgent, self._noted_urgent = self._noted_urgent, set()
            try:
                await self._write(noted, urgent)
            except BaseException:
                self._noted = {key: min(noted.get(key, time), time) for key, time in (noted | self._noted).items()}
                self._noted_urgent |= urgent
                raise

    async def _write(self, noted: dict[str, float], urgent: Collection[str]) -> None:
        if noted:
            keys, now = sorted(noted), _now()
            seconds = [max(0.0, noted[key] - now) for key in keys]
            queues = [URGENT_QUEUE_NAME if key in urgent else QUEUE_NAME for key in keys]
            await self._jobs.connector.execute_query_async(
                _ADD, urgent=URGENT_QUEUE_NAME, queues=queues, keys=keys, seconds=seconds
            )

    async def _take(self, queue: str) -> dict[str, int]:
        """As many as are due, a handful at most: by key the number of its job."""
        taken: dict[str, int] = {}
        with suppress(UniqueViolation):  # another process took the same merchant a moment before
            while len(taken) < BATCH_SIZE:
                job = await self._jobs.fetch_job(queues=[queue], worker_id=self._worker)
                if job is None:
                    break
                taken[str(job.lock)] = int(job.id or 0)
        return taken

    async def _strike_off(self, ids: Iterable[int]) -> None:
        if ids := list(ids):
            await self._jobs.connector.execute_query_async(_STRIKE_OFF, ids=ids)
            self._wake_waiters()  # whoever of them was added meanwhile may be handed out again

    async def _put_back(self, ids: Sequence[int | None]) -> None:
        if ids:
            await self._jobs.connector.execute_query_async(_PUT_BACK, urgent=URGENT_QUEUE_NAME, ids=list(ids))
            self._wake_waiters()

    def _next_change(self) -> asyncio.Event:
        """Set by the next change from now on."""
        change = asyncio.Event()
        self._waiters.add(change)
        return change

    async def _wait_for(self, change: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(QUEUE_POLL_INTERVAL_S):
                await change.wait()
        except TimeoutError:
            self._waiters.discard(change)

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            waiter.set()

    async def _on_notification(self, **_: Any) -> None:
        self._wake_waiters()


@asynccontextmanager
async def open_postgres_queue(url: str) -> AsyncIterator[PostgresQueue]:
    """The queue beside the state at a PostgreSQL URL, its tables made where there are none. Raises StateError."""
    with _foreign_errors_stop_here():
        connector = await _connector(url)
        async with App(connector=connector).open_async() as app:
            await _lay_tables(connector, await _schema(url))
            queue = PostgresQueue(app.job_manager, await app.job_manager.register_worker())
            async with _background_work(queue):
                yield queue


@asynccontextmanager
async def _background_work(queue: PostgresQueue) -> AsyncIterator[None]:
    """While this lasts the queue listens, writes and gives signs of life; at the end it lets go of all it has."""
    works = (queue.listen, queue.write_additions, queue.heartbeat)
    tasks = [asyncio.create_task(_run_forever(work)) for work in works]
    try:
        yield
    finally:
        await _cancel(tasks)
        with suppress(*_FOREIGN):  # silent from now on: the others take over
            await queue.shut_down()


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Told so until they listen: Python 3.11's wait_for loses a cancellation that comes with what it waited for."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


async def _run_forever(work: Callable[[], Awaitable[None]]) -> None:
    """A database that is out of reach for a while stops nothing here; who asks the queue is told."""
    while True:
        try:
            await work()
        except _FOREIGN as error:
            log.warning("queue_unreachable", reason=_words(error))
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)


# -- The tables, in a schema of their own


_NEWEST_STEP = max(Path(SchemaManager.get_migrations_path()).glob("*.sql")).name


async def _schema(url: str) -> str:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute("SELECT current_schema()")).fetchone()
        return f"{SCHEMA_PREFIX}{row[0] if row else ''}"


async def _connector(url: str) -> PsycopgConnector:
    search_path = SQL("SET search_path TO {}").format(Identifier(await _schema(url)))

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(search_path)
        await connection.commit()

    return PsycopgConnector(
        conninfo=url,
        min_size=1,
        max_size=4,
        configure=configure,
        timeout=CONNECTION_WAIT_S,
        kwargs=NOTICE_SILENT_SERVER,
    )


async def _lay_tables(connector: PsycopgConnector, schema: str) -> None:
    """Those of another version make room: a queue knows nothing that a look at everyone does not bring back."""
    mark, name = f"the queue of merchantctl; procrastinate {_NEWEST_STEP}", Identifier(schema)
    async with connector.pool.connection() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
        found = await connection.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", (schema,))
        if await found.fetchone() == (mark,):
            return
        await connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        await connection.execute(SQL("CREATE SCHEMA {}").format(name))
        await connection.execute(SchemaManager.get_schema())
        await connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(name, Literal(mark)))


_INTO_THE_QUEUE = """
INSERT INTO procrastinate_jobs AS jobs (queue_name, task_name, lock, queueing_lock, scheduled_at)
SELECT queue, 'look', key, key, now() + make_interval(secs => seconds) FROM asked ORDER BY key
ON CONFLICT (queueing_lock) WHERE status = 'todo'
DO UPDATE SET
    scheduled_at = LEAST(excluded.scheduled_at, jobs.scheduled_at),
    queue_name = CASE WHEN excluded.queue_name = %(urgent)s THEN excluded.queue_name ELSE jobs.queue_name END
WHERE jobs.scheduled_at > excluded.scheduled_at OR excluded.queue_name = %(urgent)s
"""

_ADD = """
WITH asked AS (
    SELECT * FROM unnest(%(queues)s::text[], %(keys)s::text[], %(seconds)s::float8[]) AS each (queue, key, seconds)
)
"""
_ADD += _INTO_THE_QUEUE

_PUT_BACK = """
WITH asked AS (
    DELETE FROM procrastinate_jobs WHERE id = ANY(%(ids)s) AND status = 'doing'
    RETURNING queue_name AS queue, lock AS key, 0.0 AS seconds
)
"""
_PUT_BACK += _INTO_THE_QUEUE

_STRIKE_OFF = "DELETE FROM procrastinate_jobs WHERE id = ANY(%(ids)s)"

_COUNT = "SELECT count(*) AS waiting FROM procrastinate_jobs WHERE queue_name = ANY(%(queues)s) AND status = 'todo'"


# -- Errors

_FOREIGN = (ConnectorException, psycopg.Error)


@contextmanager
def _foreign_errors_stop_here() -> Iterator[None]:
    try:
        yield
    except _FOREIGN as error:
        words = f"the queue beside the state cannot be used: {_words(error)}. Mend that, then start `run` again."
        raise (StateUnreachable(words) if _is_unreachable(error) else StateError(words)) from error


def _is_unreachable(error: BaseException) -> bool:
    return isinstance(error.__cause__ or error, psycopg.OperationalError)


def _words(error: BaseException) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0]


def _now() -> float:
    return asyncio.get_running_loop().time()
