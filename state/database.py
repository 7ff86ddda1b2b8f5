"""Connections and transactions: the only file that knows SQLite from PostgreSQL.

The promise is the same for both. A write is committed and on disk when its `writing` block ends; there is one writer
at a time, over all processes; a reader sees one moment and waits for nobody.

    SQLite       one writing connection whose transactions begin IMMEDIATE, two reading ones; WAL, synchronous=FULL
    PostgreSQL   one pool; a writing transaction begins with an advisory lock

Who waits for a writer says so after `wait_said_after_s`, and gives up after `longest_wait_s`, or soon after it was told
to end (`end_waits_within`). Who holds the lock of the
state, and whether he lives, is known by its `claim`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Executable, Table, bindparam, create_engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from state import migrations
from state.async_engine import AsyncConnection, AsyncEngine
from state.errors import StateBusy, StateUnreachable, StateUnusable, UnfitValue, first_line_said
from state.mounts import refuse_network_folder
from state.process import LockRow, ProcessIdentity
from state.process_claims import DEFAULT_LEASE_S, Claim, FileClaim, PostgresClaim
from state.read_only import temporary_copy, unwritable_reason
from state.sqlite_engine import create_sqlite_engine
from state.tables import locks

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

LONGEST_WAIT = 60.0
"""Seconds that a writer waits for a writer in another process before it gives up."""

WRITER_WAIT_LOGGED_AFTER_S = 2.0
"""Seconds of such a wait after which it is said."""

WRITER_ATTEMPT_MS = 500
"""How long one attempt of it takes: so late is a signal noticed."""

WRITER_LOCK_KEY = 7_216_033_805
"""PostgreSQL's name for our one writer: any number, as long as it stays the same."""


_LOG = logging.getLogger(__name__)


MAX_UPGRADE_WAIT_S = 3.0
"""So long an upgrade waits for a run of an earlier version: longer than most of its passes last."""

_IN_USE_CHECK_INTERVAL_S = 0.2

NOTICE_SILENT_SERVER = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""Arguments of a connection to PostgreSQL: it ends half a minute after its other end, or the network, is gone."""


class LockKind(IntEnum):
    """Which lock on the state: the id of its row."""

    COMMANDS = 1
    CONTROLLERS = 2


class Database:
    """Where transactions come from. `close` ends its threads and connections.

    longest_wait_s     how long a writer waits for one in another process
    wait_said_after_s  how much of such a wait is not said
    earlier_claim      that of a version that had one lock for all
    """

    longest_wait_s = LONGEST_WAIT
    wait_said_after_s = WRITER_WAIT_LOGGED_AFTER_S
    _SIZE: Executable

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        claims: Mapping[LockKind, Claim],
        rollout_claim: Claim,
        earlier_claim: Claim,
    ) -> None:
        self.claims, self.rollout_claim = claims, rollout_claim
        self.earlier_claim = earlier_claim
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()
        self._last_wait_ends_at = math.inf

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: durable when the block ends, undone when the block raises. Raises StateBusy."""
        with _translate_database_errors(self._writer.url):
            async with self._turn, AsyncExitStack() as stack:
                yield await self._begin_writing(stack)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment of the database."""
        with _translate_database_errors(self._reader.url):
            async with self._reader.connect() as connection:
                yield connection

    async def load_lock_holder(self, kind: LockKind) -> LockRow | None:
        """Who holds that lock on the state, dead or alive."""
        async with self.reading() as connection:
            return await read_lock_holder(connection, kind)

    async def has_session_per_connection(self) -> bool:
        """Whether what a connection holds from one statement to the next is its own: locks, and what it listens to."""
        return True

    async def holder_silence_s(self, kind: LockKind) -> float | None:
        """Seconds since the last sign of life of whoever has that claim; None where nobody who lives has it."""
        with _translate_database_errors(self._reader.url):
            return await self.claims[kind].holder_silence_s()

    async def rollout_holder_silence_s(self) -> float | None:
        """The same of whoever carries a rollout out."""
        with _translate_database_errors(self._reader.url):
            return await self.rollout_claim.holder_silence_s()

    async def is_in_use(self) -> bool:
        """Whether a living process, of this version or an earlier one, has any claim on it."""
        with _translate_database_errors(self._reader.url):
            claims = (*self.claims.values(), self.rollout_claim, self.earlier_claim)
            return any([await claim.holder_silence_s() is not None for claim in claims])

    async def size(self) -> int:
        """Bytes on disk, those included that were freed and will be used again."""
        async with self.reading() as connection:
            return int(await connection.scalar(self._SIZE) or 0)

    async def require_reachable_and_current(self) -> None:
        """Raises StateUnreachable, and StateUnusable where its version is another one by now."""
        async with self.reading() as connection:
            await require_current_schema(connection)

    def end_waits_within(self, seconds: float) -> None:
        """This process is to end: from then on it waits for no writer in another process any more."""
        self._last_wait_ends_at = asyncio.get_running_loop().time() + seconds

    async def close(self) -> None:
        for claim in (*self.claims.values(), self.rollout_claim):
            await claim.give_back()
        async with self._turn:
            await self._reader.dispose()
            await self._writer.dispose()

    async def _begin_writing(self, stack: AsyncExitStack) -> AsyncConnection:
        """A writing transaction, once no other process is in the middle of one."""
        now, said = asyncio.get_running_loop().time, False
        began = now()
        while True:
            try:
                # No pause between two attempts: each has waited in the database itself, for WRITER_ATTEMPT_MS.
                return await stack.enter_async_context(self._begin_writing_once())
            except DBAPIError as error:
                if not _is_busy(error):
                    raise
            waited = now() - began
            if waited >= self.longest_wait_s or now() >= self._last_wait_ends_at:
                raise StateBusy(without_password(self._writer.url), waited, await self._other_holder_if_readable())
            if waited >= self.wait_said_after_s and not said:
                said, holder = True, await self._other_holder_if_readable()
                by = f"; {holder.description} holds its lock" if holder else ""
                _LOG.warning(
                    "another process is in the middle of a write to the state %s%s; waiting up to %.0f s for it",
                    without_password(self._writer.url),
                    by,
                    self.longest_wait_s - waited,
                )

    async def _other_holder_if_readable(self) -> LockRow | None:
        """For a sentence about a wait. Whoever is in the way may be making the tables at this moment, and this process
        may hold a lock itself."""
        with suppress(StateUnusable):
            for kind in LockKind:
                row = await self.load_lock_holder(kind)
                if row and (row.owner.pid, row.owner.host) != (os.getpid(), socket.gethostname()):
                    return row
        return None

    @asynccontextmanager
    async def _begin_writing_once(self) -> AsyncIterator[AsyncConnection]:
        async with self._writer.begin() as connection:
            yield connection


_LOCK_ROW = select(locks.c.host, locks.c.pid, locks.c.started, locks.c.command, locks.c.since).where(
    (locks.c.id == bindparam("kind")) & locks.c.ended_at.is_(None)
)


async def require_current_schema(connection: AsyncConnection) -> None:
    """Raises StateUnusable where another version has brought the state up to its own schema since it was opened."""
    if not await connection.run_sync(migrations.is_current):
        raise StateUnusable("the state is that of another version of merchantctl by now. Run this again.")


async def read_lock_holder(connection: AsyncConnection, kind: LockKind) -> LockRow | None:
    row = (await connection.execute(_LOCK_ROW, {"kind": int(kind)})).one_or_none()
    return LockRow(ProcessIdentity(*row[:4]), row.since) if row else None


def _is_busy(error: DBAPIError) -> bool:
    """Somebody else writes: SQLite says so in words, PostgreSQL with lock_not_available."""
    return "database is locked" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "55P03"


@asynccontextmanager
async def open_database(
    url: str, on_read_only: Callable[[str], None] | None = None, lease_s: float = DEFAULT_LEASE_S
) -> AsyncIterator[Database]:
    """The database at a user's URL, made and brought up to date as needed. Raises StateUnusable.

    on_read_only  it may be one that cannot be written: this is called with a sentence then, and what is noted is lost
    lease_s       seconds without a sign of life after which its claim lapses, and its open transactions end
    """
    parsed = _parse_url(url)
    with _writable_url_or_copy(parsed, on_read_only) as at:
        database = _build_database(at, parsed, lease_s)
        try:
            await _upgrade_schema_once_unused(database)
            yield database
        finally:
            await database.close()


@contextmanager
def _writable_url_or_copy(url: URL, on_read_only: Callable[[str], None] | None) -> Iterator[URL]:
    path = url.database if url.get_backend_name() == "sqlite" else None
    why = unwritable_reason(path) if path and path != ":memory:" else None
    if path is None or why is None:
        yield url
        return
    if on_read_only is None:
        raise StateUnusable(
            f"the state {without_password(url)} cannot be written: {why}. "
            "Give this user the right to, or name another place with MERCHANTCTL_STATE."
        )
    on_read_only(f"the state {without_password(url)} cannot be written: {why}. Nothing of this look is noted there.")
    with temporary_copy(path) as copy:
        yield url.set(database=copy)


@asynccontextmanager
async def open_existing_database_as_is(url: str) -> AsyncIterator[Database | None]:
    """The database as it is, to be looked at: not made and not brought up to date. None where there is no file."""
    parsed = _parse_url(url)
    if not _may_exist(parsed):
        yield None
        return
    with _writable_url_or_copy(parsed, lambda sentence: None) as at:
        database = _build_database(at, parsed, DEFAULT_LEASE_S)
        try:
            yield database
        finally:
            await database.close()


def postgresql_url(url: str) -> str | None:
    """A user's URL as PostgreSQL's own library reads it; None for a state elsewhere. Raises StateUnusable."""
    parsed = _parse_url(url)
    if not parsed.get_backend_name().startswith("postgres"):
        return None
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or set their columns where a row with that primary key exists. All rows name the same columns."""
    if not rows:
        return
    await connection.execute(_upsert_statement(connection.dialect.name, table, tuple(rows[0])), list(rows))


async def insert_new(connection: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with that primary key exists; whether it was inserted."""
    insert = _insert_statement(connection.dialect.name, table)
    statement = insert.on_conflict_do_nothing().values(row).returning(*table.primary_key)
    return (await connection.execute(statement)).first() is not None


@cache
def _upsert_statement(dialect: str, table: Table, columns: tuple[str, ...]) -> Executable:
    statement = _insert_statement(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _insert_statement(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what a row is to do that is there already: each dialect has its own, of the same words.

    Only the dialect in use is loaded: PostgreSQL's takes as long as all that a `plan` on SQLite asks of the state.
    """
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


async def current_time(connection: AsyncConnection) -> datetime:
    """The time by the database's clock, which is one for all processes."""
    if connection.dialect.name == "postgresql":
        moment: datetime = await connection.scalar(select(func.clock_timestamp()))
        return moment
    return datetime.now(UTC)  # the processes of a state in SQLite have one clock, that of their machine


async def advance_id_sequence(connection: AsyncConnection, table: Table) -> None:
    """After rows came in with ids of their own: let the next id be a new one. SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        await connection.execute(select(func.setval(sequence, func.max(table.c.id))).having(func.count() > 0))


async def _upgrade_schema_once_unused(database: Database) -> None:
    """Who finds it up to date waits for no writer."""
    async with database.reading() as connection:
        if await connection.run_sync(migrations.is_current):
            return
    deadline = asyncio.get_running_loop().time() + MAX_UPGRADE_WAIT_S
    while asyncio.get_running_loop().time() < deadline:
        async with database.writing() as connection:
            # Asked within the writing transaction: claims are taken in one, too, so none is taken before the upgrade.
            if not await database.is_in_use():
                await connection.run_sync(migrations.upgrade)
                return
        await asyncio.sleep(_IN_USE_CHECK_INTERVAL_S)
    raise StateUnusable(
        "the state is that of an earlier version of merchantctl, which is at work on it at this moment. End that "
        "process, and this version brings the state up to date. Nothing was changed."
    )


# -- From a user's URL to engines ------------------------------------------------------------------------------------


def _parse_url(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise StateUnusable(
            "the address of the state is not a URL. Write `sqlite:///folder/file.db` (relative), "
            "`sqlite:////folder/file.db` (absolute) or `postgresql://user@host/database`."
        ) from None


def _may_exist(url: URL) -> bool:
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _build_database(url: URL, original: URL, lease_s: float) -> Database:
    """`original`: the state itself, where `url` is that of a copy of it to look into."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _build_sqlite(url, original)
    if backend in ("postgresql", "postgres"):
        return _build_postgresql(url, lease_s)
    raise StateUnusable(f"the state cannot be kept in {backend!r}. Use `sqlite:///…` or `postgresql://…`.")


def _build_sqlite(url: URL, original: URL) -> Database:
    if not url.database or url.database == ":memory:":
        raise StateUnusable("the state needs a file to be remembered in, as in `sqlite:///var/merchantctl.db`.")
    refuse_network_folder(str(original.database))
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnusable(f"the folder of the state {url.database} cannot be made: {error.strerror}.") from error
    _ensure_private_file(url.database)
    pragmas = ("journal_mode=WAL", "synchronous=FULL")
    writer = create_sqlite_engine(url, 1, begin="BEGIN IMMEDIATE", busy_ms=WRITER_ATTEMPT_MS, pragmas=pragmas)
    reader = create_sqlite_engine(url, 2, busy_ms=int(LONGEST_WAIT * 1000), pragmas=pragmas)
    beside = str(original.database)
    commands, controllers, rollouts = (
        FileClaim(f"{beside}.{name}", f"{beside}.leases") for name in ("lock", "controller.lock", "rollout.lock")
    )
    claims = {LockKind.COMMANDS: commands, LockKind.CONTROLLERS: controllers}
    return _SqliteDatabase(url, writer, reader, claims, rollouts)


class _SqliteDatabase(Database):
    """SQLite goes on with a file that somebody has removed or replaced, and what it writes is gone with it. So before
    each transaction, and thus before each request that writes, the file has to be the one that was opened."""

    _SIZE = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")

    def __init__(
        self, url: URL, writer: AsyncEngine, reader: AsyncEngine, claims: Mapping[LockKind, Claim], rollout_claim: Claim
    ) -> None:
        super().__init__(writer, reader, claims, rollout_claim, claims[LockKind.COMMANDS])  # its file has that name
        self._url = url
        self._opened = _file_identity(str(url.database))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        self._check_same_file()
        async with super().writing() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        self._check_same_file()
        async with super().reading() as connection:
            yield connection

    def _check_same_file(self) -> None:
        found = _file_identity(str(self._url.database))
        if self._opened is None or found == self._opened:
            return
        what = "was deleted" if found is None else "was replaced by another file"
        raise StateUnusable(
            f"the state {without_password(self._url)} {what} while this ran: nothing more is written. "
            "Put the file back from a copy, then run this again; without it every company is adopted by name."
        )


def _file_identity(path: str) -> tuple[int, int] | None:
    """Which file stands at a path; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _ensure_private_file(path: str) -> None:
    """For its owner's eyes alone, as saved plans and exports are: it names every merchant, company and account.

    One that is there is not opened: closing it would end the locks of a SQLite in this process that has it open.
    SQLite gives the files beside it (`-wal`, `-shm`) the permissions of the database when it makes them.
    """
    with suppress(OSError):  # what cannot be made or tightened here is said when it is opened, or by `doctor`
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    for each in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):
            if stat.S_IMODE(os.stat(each).st_mode) & 0o077:
                os.chmod(each, 0o600)


def _build_postgresql(url: URL, lease_s: float) -> Database:
    """Known to the server by process and host; a server that does not answer is not waited for."""
    application = f"merchantctl {os.getpid()}@{socket.gethostname()}"[:63]
    known = {"connect_timeout": 10, "application_name": application, **NOTICE_SILENT_SERVER}
    arguments = {key: value for key, value in known.items() if key not in url.query}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg_async"),
            pool_timeout=None,
            pool_pre_ping=True,
            connect_args=arguments,
        )
    except ModuleNotFoundError:
        raise StateUnusable("a state in PostgreSQL needs `pip install 'merchantctl[postgres]'`.") from None
    pool = AsyncEngine(engine)
    return _PostgresDatabase(pool, pool, lease_s)


class _PostgresDatabase(Database):
    """PostgreSQL would let many write at once: hold it to the promise of this file.

    The server ends the transaction of a process that stands still in the middle of one, after its lease.
    """

    _SIZE = text(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = to_regnamespace(current_schema())"
    )

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, lease_s: float) -> None:
        commands, controllers, rollouts = (
            PostgresClaim(writer, lease_s, table) for table in ("locks", "controllers", "rollouts")
        )
        claims = {LockKind.COMMANDS: commands, LockKind.CONTROLLERS: controllers}
        super().__init__(writer, reader, claims, rollouts, PostgresClaim(writer, lease_s, "lock"))
        self._lease_s = lease_s

    async def has_session_per_connection(self) -> bool:
        with _translate_database_errors(self._reader.url):
            async with self._reader.connect() as first, self._reader.connect() as second:
                return await have_own_sessions(first, second)

    @asynccontextmanager
    async def _begin_writing_once(self) -> AsyncIterator[AsyncConnection]:
        async with super()._begin_writing_once() as connection:
            await connection.execute(_OUR_TURN, {"lease": f"{self._lease_s * 1000:.0f}"})
            yield connection


async def have_own_sessions(first: AsyncConnection, second: AsyncConnection) -> bool:
    """Whether each of two open connections has a server process to itself.

    A pooler by transactions (PgBouncer, pool_mode = transaction) gives one to whoever asks next: a lock taken by one
    connection is then held for all, or for nobody.
    """
    for connection in {first, second}:
        await connection.execution_options(isolation_level="AUTOCOMMIT")  # an open transaction would keep its process
    processes = [await connection.scalar(select(func.pg_backend_pid())) for connection in (first, second, first)]
    return bool(processes[0] == processes[2] != processes[1])


_OUR_TURN = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :lease, true), "
    "set_config('lock_timeout', :attempt, true), "
    "pg_advisory_xact_lock(:writer), set_config('lock_timeout', '0', true)"
).bindparams(attempt=f"{WRITER_ATTEMPT_MS}", writer=WRITER_LOCK_KEY)
"""Evaluated from left to right: only our turn is waited for so briefly, no table."""


def without_password(url: URL) -> str:
    """The address for people: without our driver, and no password, not as a parameter either."""
    secret = {key: "***" for key in url.query if "pass" in key.lower()}
    shown = url.set(drivername=url.get_backend_name()).update_query_dict(secret)
    return shown.render_as_string(hide_password=True)


@contextmanager
def _translate_database_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        if isinstance(error, DataError | IntegrityError):
            raise UnfitValue(f"a value does not fit the state: {first_line_said(cause or error)}.") from error
        if cause is not None and not isinstance(error, DBAPIError):
            raise cause from None  # a value that fits no column: the caller's fault, not the database's
        fact = _add_system_error_if_any(first_line_said(cause or error))
        place = without_password(url)
        kind = StateUnreachable if _is_unreachable(error) else StateUnusable
        raise kind(f"the state {place} cannot be used: {fact}. {_next_step(fact)}") from error


def _is_unreachable(error: SQLAlchemyError) -> bool:
    """Whether PostgreSQL did not answer, ended the connection, or takes none at this moment."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", "")  # SQLite's errors have none
    if code is None:  # nor has that of a connection which could not be made
        return type(error.orig).__name__ == "OperationalError"
    return error.connection_invalidated or code.startswith(_UNREACHABLE_CODES)


_UNREACHABLE_CODES = ("08", "53300", "57P01", "57P02", "57P03")
"""Of PostgreSQL: the connection broke, there are too many, the server ends or begins."""


def _add_system_error_if_any(fact: str) -> str:
    """What the database said; SQLite does not say that no file at all can be opened any more."""
    if "unable to open" in fact:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return f"{fact}: {os.strerror(error.errno or 0)}"
    return fact


def _next_step(fact: str) -> str:
    for symptom, step in _NEXT_STEP_BY_ERROR.items():
        if symptom in fact:
            return step
    return "Mend that, or name another place with MERCHANTCTL_STATE."


_NEXT_STEP_BY_ERROR = {
    "is locked": "Another process has it open and does not end: end it, then run this again.",
    "not a database": "Something else is in that file: put it away, or name another place with MERCHANTCTL_STATE.",
    "disk is full": "Make room, then run this again: it finds what was done until then.",
    "disk I/O error": "Look at the disk and the room on it, then run this again: it finds what was done until then.",
    "Too many open files": "Allow more open files, as with `ulimit -n 1024`, then run this again.",
    "malformed": "The file is damaged: restore it from a copy, or start anew, which adopts every company by name.",
}
