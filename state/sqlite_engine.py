"""Engines for SQLite by way of aiosqlite, with less work for each statement than SQLAlchemy's own have.

compiled once    in a process, and not once for each engine: a state has two, the next state in this process two more
no trip          to the thread of the connection, which is two changes of thread, for what waits for nobody: BEGIN, the
                 statements of a transaction, its rollback. Where somebody else holds the lock they need, they are
                 tried again in the thread, which waits for it
one trip         for what waits for the disk: to connect, COMMIT, to close, and whatever is outside of a transaction.
                 SQLAlchemy makes one each for a cursor, for its execute, fetchall and close

Together they leave a quarter of the processor time that a look at merchants in sync would take.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from time import monotonic, sleep
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL
from sqlalchemy import URL, create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache, await_

from state.async_engine import AsyncEngine, KeepingEngine

BUSY_RETRY_INTERVAL_S = 0.01


def create_sqlite_engine(
    url: URL, connections: int, *, begin: str = "BEGIN", busy_ms: int = 5000, pragmas: Sequence[str] = ()
) -> AsyncEngine:
    """An engine for the file of that URL with at most so many connections, for which callers wait.

    begin    the statement that begins a transaction
    busy_ms  so long a statement waits for a lock that somebody else holds
    pragmas  what is set on each new connection, as in `synchronous=FULL`
    """
    engine = create_engine(
        url.set(drivername="sqlite+merchantctl"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=None,
        connect_args={"async_creator_fn": partial(_unopened_connection, busy_ms, pragmas)},
        execution_options={"compiled_cache": _COMPILED},
        begin=begin,
    )
    return KeepingEngine(engine, connections)


_COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Compiled statements of all engines. Which dialect they are for is part of their keys."""


class _Dialect(SQLiteDialect_aiosqlite):
    """Equal to that of any other engine, so that they find each other's compiled statements."""

    supports_statement_cache = True

    def __init__(self, begin: str = "BEGIN", **options: Any) -> None:
        super().__init__(**options)
        self._begin = begin

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def do_begin(self, dbapi_connection: Any) -> None:
        connection: _Connection = dbapi_connection.driver_connection
        await_(connection.run_in_loop_or_thread(partial(connection.execute_sync, self._begin), begins=True))

    def on_connect(self) -> None:  # type: ignore[override]
        """No statement of ours calls the functions that SQLAlchemy would make, each by a trip of its own."""

    def get_default_isolation_level(self, dbapi_conn: object) -> str:  # type: ignore[override]  # noqa: ARG002
        """Known without asking."""
        return "SERIALIZABLE"


registry.register("sqlite.merchantctl", __name__, "_Dialect")


def _unopened_connection(busy_ms: int, pragmas: Sequence[str], database: str, **arguments: Any) -> _Connection:
    """To be awaited. Its thread does not keep the process alive, as SQLAlchemy has it, too."""

    def connect() -> sqlite3.Connection:
        # Autocommit: transactions begin with the engine's own words.
        options = arguments | {"check_same_thread": False, "isolation_level": None, "timeout": busy_ms / 1000}
        connection: sqlite3.Connection = sqlite3.connect(database, **options)
        try:
            for pragma in pragmas:
                _set_pragma(connection, pragma, busy_ms)
            # From here on nothing waits for a lock in the event loop: `_run_waiting_for_locks` does so in the thread.
            _set_busy_timeout(connection, 0)
        except BaseException:
            connection.close()
            raise
        return connection

    connection = _Connection(connect, busy_ms)
    connection._thread.daemon = True
    return connection


def _set_pragma(connection: sqlite3.Connection, pragma: str, busy_ms: int) -> None:
    """Waits for a lock also where SQLite does not: of two that make one file a WAL at once it refuses one, at once."""
    give_up_at = monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > give_up_at:
                raise
        sleep(BUSY_RETRY_INTERVAL_S)


def _set_busy_timeout(connection: sqlite3.Connection, busy_ms: int) -> None:
    connection.execute(f"PRAGMA busy_timeout={busy_ms}").close()


class _Connection(aiosqlite.Connection):
    """One that its thread and the event loop use in turns: the loop only while nothing was left to the thread.

    It waits for no lock but in the thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], busy_ms: int) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._busy_ms = busy_ms
        # Two counts, of which each thread raises one: a single one could lose a change that the other makes.
        self._trips_begun = 0
        self._trips_ended = 0

    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    def execute_sync(self, statement: str) -> None:
        """One without rows."""
        self._conn.execute(statement).close()

    async def run_in_loop_or_thread(self, work: Callable[[], None], *, begins: bool = False) -> None:
        """Does that work for a statement, in the thread where it has to wait for a lock or may have to for the disk."""
        if self._is_idle and (begins or self._conn.in_transaction):
            try:
                work()
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise
            else:
                return
        # Done once more from its beginning: a statement that was refused for a lock has done nothing.
        await self._execute(self._run_waiting_for_locks, work)

    def _run_waiting_for_locks(self, work: Callable[[], None]) -> None:
        _set_busy_timeout(self._conn, self._busy_ms)
        try:
            work()
        finally:
            _set_busy_timeout(self._conn, 0)

    async def commit(self) -> None:
        await self._execute(self._run_waiting_for_locks, self._conn.commit)

    async def rollback(self) -> None:
        # A caller that was cancelled may have left a BEGIN or a COMMIT to the thread: then this comes after it.
        if self._is_idle:
            self._conn.rollback()
        else:
            await super().rollback()

    def stop(self) -> None:
        """Ends the thread of a connection that is given up on; nobody waits for that, and the loop may be closed before
        it. The base class would call the loop back all the same, and its thread would end in a traceback."""

        def close_and_stop() -> object:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            return _STOP_RUNNING_SENTINEL

        self._running = False
        self._tx.put_nowait((None, close_and_stop))

    @property
    def _is_idle(self) -> bool:
        """Nothing was left to the thread that it has not done."""
        return self._trips_begun == self._trips_ended

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        def trip() -> Any:
            try:
                return fn(*args, **kwargs)
            finally:
                self._trips_ended += 1

        self._trips_begun += 1
        return await super()._execute(trip)  # type: ignore[no-untyped-call]


def _is_locked(error: sqlite3.OperationalError) -> bool:
    """Somebody else holds the lock that was needed. SQLITE_BUSY has kinds, in the bits above the lowest eight."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class _Cursor:
    """As much of aiosqlite's cursor as SQLAlchemy asks for. All rows come with the answer to `execute`."""

    arraysize = 1

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        await self._execute_and_fetch_all(sqlite3.Cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._execute_and_fetch_all(sqlite3.Cursor.executemany, statement, parameters)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """It was closed when its statement had been executed."""

    async def _execute_and_fetch_all(self, execute: Any, statement: str, parameters: Sequence[Any]) -> None:
        def exchange() -> None:
            with closing(self._connection._conn.cursor()) as cursor:
                execute(cursor, statement, parameters)
                self.description = cursor.description
                self._rows = cursor.fetchall() if cursor.description else []
                # SQLite counts the rows of a RETURNING only while they are read.
                self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid

        await self._connection.run_in_loop_or_thread(exchange)
