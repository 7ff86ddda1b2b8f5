"""Connections and transactions: the only file that knows SQLite from PostgreSQL.

The promise is the same for both. A write is committed and on disk when its `writing` block ends; there is one writer
at a time, over all processes; a reader sees one moment and waits for nobody.

    SQLite       one writing connection whose transactions begin IMMEDIATE, two reading ones; WAL, synchronous=FULL
    PostgreSQL   one pool; a writing transaction begins with an advisory lock

Only PostgreSQL, with processes on many machines, knows who of them lives: see `Claim`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Executable, Table, event, func, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from state import migrations
from state.errors import StateUnusable

BUSY_TIMEOUT_MS = 60_000
"""How long a writer waits for a writer in another process before it gives up."""

ADVISORY_LOCK = 7_216_033_805
"""PostgreSQL's name for our one writer: any number, as long as it stays the same."""


class Claim(Enum):
    """What only one living process can have; a dead one has lost it with its connection."""

    OURS = "nobody who lives had it"
    THEIRS = "somebody who lives has it"
    UNKNOWABLE = "this database does not know who lives"


class Database:
    """Where transactions come from. `close` ends its threads and connections."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: durable when the block ends, undone when the block raises."""
        with _foreign_errors_stop_here(self._writer.url):
            async with self._turn, self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment of the database."""
        with _foreign_errors_stop_here(self._reader.url):
            async with self._reader.connect() as connection:
                yield connection

    async def claim(self) -> Claim:
        """Take the claim, if nobody who lives has it; to be asked for in a writing transaction."""
        return Claim.UNKNOWABLE

    async def unclaim(self) -> None:
        """Give the claim back, if it is ours."""

    async def evict(self) -> None:
        """Take the claim from whoever has it."""

    async def close(self) -> None:
        await self.unclaim()
        async with self._turn:
            await self._reader.dispose()
            await self._writer.dispose()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """The database at a user's URL, made and brought up to date as needed. Raises StateUnusable."""
    database = _connect(_parse(url))
    try:
        await _bring_up_to_date(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def existing_database(url: str) -> AsyncIterator[Database | None]:
    """The database as it is, to be looked at: not made and not brought up to date. None where there is no file."""
    parsed = _parse(url)
    if not _may_be_there(parsed):
        yield None
        return
    database = _connect(parsed)
    try:
        yield database
    finally:
        await database.close()


def postgresql_url(url: str) -> str | None:
    """A user's URL as PostgreSQL's own library reads it; None for a state elsewhere. Raises StateUnusable."""
    parsed = _parse(url)
    if not parsed.get_backend_name().startswith("postgres"):
        return None
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or set their columns where a row with that primary key exists. All rows name the same columns."""
    if not rows:
        return
    await connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0])), list(rows))


async def insert_new(connection: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with that primary key exists; whether it was inserted."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing().values(row).returning(*table.primary_key)
    return (await connection.execute(statement)).first() is not None


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


async def count_ids_on(connection: AsyncConnection, table: Table) -> None:
    """After rows came in with ids of their own: let the next id be a new one. SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        await connection.execute(select(func.setval(sequence, func.max(table.c.id))).having(func.count() > 0))


async def _bring_up_to_date(database: Database) -> None:
    """Who finds it up to date waits for no writer."""
    async with database.reading() as connection:
        if await connection.run_sync(migrations.is_current):
            return
    async with database.writing() as connection:
        await connection.run_sync(migrations.upgrade)


# -- From a user's URL to engines ------------------------------------------------------------------------------------


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise StateUnusable(
            "the address of the state is not a URL. Write `sqlite:///folder/file.db` (relative), "
            "`sqlite:////folder/file.db` (absolute) or `postgresql://user@host/database`."
        ) from None


def _may_be_there(url: URL) -> bool:
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _connect(url: URL) -> Database:
    kinds = {"sqlite": _sqlite, "postgresql": _postgresql, "postgres": _postgresql}
    kind = kinds.get(url.get_backend_name())
    if kind is None:
        raise StateUnusable(
            f"the state cannot be kept in {url.get_backend_name()!r}. Use `sqlite:///…` or `postgresql://…`."
        )
    return kind(url)


def _sqlite(url: URL) -> Database:
    if not url.database or url.database == ":memory:":
        raise StateUnusable("the state needs a file to be remembered in, as in `sqlite:///var/merchantctl.db`.")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnusable(f"the folder of the state {url.database} cannot be made: {error.strerror}.") from error
    url = url.set(drivername="sqlite+aiosqlite")
    return Database(_sqlite_engine(url, 1, "BEGIN IMMEDIATE"), _sqlite_engine(url, 2, "BEGIN"))


def _sqlite_engine(url: URL, connections: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=connections, max_overflow=0, pool_timeout=None)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own: `begin` below does
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL"):
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(url: URL) -> Database:
    try:
        engine = create_async_engine(url.set(drivername="postgresql+psycopg"), pool_timeout=None, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StateUnusable("a state in PostgreSQL needs `pip install 'merchantctl[postgres]'`.") from None
    return _OneWriter(engine, engine)


class _OneWriter(Database):
    """PostgreSQL would let many write at once: hold it to the promise of this file.

    The claim is an advisory lock of one connection, kept open for it. The server asks that connection's other end
    for a sign of life when it is silent, and ends it half a minute after the last one.
    """

    _claim: AsyncConnection | None = None

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with super().writing() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            yield connection

    async def claim(self) -> Claim:
        with _foreign_errors_stop_here(self._writer.url):
            connection = await self._writer.connect()
            try:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(_SIGNS_OF_LIFE)
                if not await connection.scalar(_CLAIM):
                    return Claim.THEIRS
                self._claim = connection
                return Claim.OURS
            finally:
                if self._claim is not connection:
                    await connection.close()

    async def unclaim(self) -> None:
        connection, self._claim = self._claim, None
        if connection:
            with suppress(SQLAlchemyError):  # a connection that is broken has lost the claim already
                await connection.execute(select(func.pg_advisory_unlock_all()))
            await connection.invalidate()
            await connection.close()

    async def evict(self) -> None:
        async with self.reading() as connection:
            await connection.execute(_EVICT)


CLAIM = 1_907_311_642
"""PostgreSQL's name for our claim, with the number of the table `lock`: each state in a database has its own."""

_SIGNS_OF_LIFE = text(
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '4', false)"
)

_CLAIM = text("SELECT pg_try_advisory_lock((CAST(:claim AS bigint) << 32) | CAST(to_regclass('lock') AS oid)::bigint)")
_CLAIM = _CLAIM.bindparams(claim=CLAIM)

_EVICT = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = :claim AND objid = CAST(to_regclass('lock') AS oid)"
).bindparams(claim=CLAIM)


@contextmanager
def _foreign_errors_stop_here(url: URL) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        if cause is not None and not isinstance(error, DBAPIError):
            raise cause from None  # a value that fits no column: the caller's fault, not the database's
        fact = str(cause or error).strip().splitlines()[0]
        place = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
        raise StateUnusable(f"the state {place} cannot be used: {fact}. {_next_step(fact)}") from error


def _next_step(fact: str) -> str:
    for symptom, step in _NEXT_STEPS.items():
        if symptom in fact:
            return step
    return "Mend that, or name another place with MERCHANTCTL_STATE."


_NEXT_STEPS = {
    "is locked": "Another process is writing to it and does not end: end it, then run this again.",
    "not a database": "Something else is in that file: put it away, or name another place with MERCHANTCTL_STATE.",
    "disk is full": "Make room, then run this again: nothing was half written.",
    "malformed": "The file is damaged: restore it from a copy, or start anew, which adopts every company by name.",
}
