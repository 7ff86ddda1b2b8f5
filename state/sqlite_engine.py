"""Engines for SQLite by way of aiosqlite, with less work for each statement than SQLAlchemy's own have.

compiled once    in a process, and not once for each engine: a state has two, the next state in this process two more
one trip         to the thread of the connection, which is two changes of thread; SQLAlchemy makes one each for the
                 cursor, for its execute, fetchall and close
no trip          for a statement that waits for nobody: where its transaction holds its lock already, and for its
                 rollback. What may wait for a lock or for the disk goes to the thread: the first statement of a
                 transaction, COMMIT, and whatever is outside of one

The first two halve the processor time of a look at merchants in sync; the third takes another third off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL
from sqlalchemy import URL, create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

from state.async_engine import AsyncEngine


def create_sqlite_engine(url: URL, connections: int) -> AsyncEngine:
    """An engine for the file of that URL with at most so many connections, for which callers wait."""
    engine = create_engine(
        url.set(drivername="sqlite+merchantctl"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=None,
        connect_args={"async_creator_fn": _connecting},
        execution_options={"compiled_cache": _COMPILED},
    )
    return AsyncEngine(engine)


_COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Compiled statements of all engines. Which dialect they are for is part of their keys."""


class _Dialect(SQLiteDialect_aiosqlite):
    """Equal to that of any other engine, so that they find each other's compiled statements."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register("sqlite.merchantctl", __name__, "_Dialect")


def _connecting(database: str, **arguments: Any) -> _Connection:
    """To be awaited. Its thread does not keep the process alive, as SQLAlchemy has it, too."""
    options = arguments | {"check_same_thread": False}
    connection = _Connection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    connection._thread.daemon = True
    return connection


class _Connection(aiosqlite.Connection):
    """One that its thread and the event loop use in turns: the loop only while nothing was left to the thread."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Two counts, of which each thread raises one: a single one could lose a change that the other makes.
        self._trips_begun = 0
        self._trips_ended = 0
        self._holds_lock = False

    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    async def exchange(self, statement: str, work: Callable[[], None]) -> None:
        """Does that work for a statement, in the thread where it may have to wait for a lock or for the disk."""
        if self._is_idle and statement == "BEGIN":  # takes no lock: the statement after it does
            self._holds_lock = False
            work()
        elif self._is_idle and self._holds_lock and self._conn.in_transaction:
            work()
        else:
            await self._execute(work)
            self._holds_lock = self._conn.in_transaction

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
        await self._exchange(sqlite3.Cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._exchange(sqlite3.Cursor.executemany, statement, parameters)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """It was closed when its statement had been executed."""

    async def _exchange(self, execute: Any, statement: str, parameters: Sequence[Any]) -> None:
        def exchange() -> None:
            with closing(self._connection._conn.cursor()) as cursor:
                execute(cursor, statement, parameters)
                self.description = cursor.description
                self._rows = cursor.fetchall() if cursor.description else []
                # SQLite counts the rows of a RETURNING only while they are read.
                self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid

        await self._connection.exchange(statement, exchange)
