"""SQLAlchemy's engine and connection, to be awaited.

`sqlalchemy.ext.asyncio` does the same, and brings SQLAlchemy's ORM along, which nobody here uses and which takes about
as long to load as all of Core. Both rest on `greenlet_spawn`: it runs a synchronous call in a greenlet, and wherever
the driver has to wait in it, the event loop goes on meanwhile. No thread is made but those of the driver, and a task
that is cancelled sees that where its driver waits.

Rows are read to the end before `execute` returns: what it gives out can be gone through without awaiting anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Dialect, Engine, Executable, Result
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Of one execution of a statement, or of one after the other."""


class AsyncEngine:
    """A pool of connections. The URL of `engine` names an asynchronous driver."""

    def __init__(self, engine: Engine) -> None:
        self.sync_engine = engine

    @property
    def url(self) -> URL:
        return self.sync_engine.url

    async def open_connection(self) -> AsyncConnection:
        """A connection that its caller closes."""
        return AsyncConnection(await greenlet_spawn(self.sync_engine.connect))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection, closed with the block; what was not committed is undone."""
        connection = await self.open_connection()
        try:
            yield connection
        finally:
            # A connection that is half closed would stay out of the pool, or come into one that is gone by then.
            await _await_eagerly_despite_cancellation(connection.close())

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction: committed when the block ends, undone when it raises."""
        async with self.connect() as connection:
            transaction = await connection.run_sync(Connection.begin)
            try:
                yield connection
            except BaseException as error:
                await greenlet_spawn(transaction.__exit__, type(error), error, error.__traceback__)
                raise
            await greenlet_spawn(transaction.__exit__, None, None, None)

    async def dispose(self) -> None:
        """Close the connections that nobody uses."""
        await greenlet_spawn(self.sync_engine.dispose)


class KeepingEngine(AsyncEngine):
    """One that keeps its connections at hand, at most so many: to give one into the pool and take it out again costs
    more than a statement on SQLite. Whoever comes when all are in use waits."""

    def __init__(self, engine: Engine, connections: int) -> None:
        super().__init__(engine)
        self._turns = asyncio.Semaphore(connections)
        self._at_hand: list[AsyncConnection] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        async with self._turns:
            connection = self._at_hand.pop() if self._at_hand else await self.open_connection()
            try:
                yield connection
                # Ends what only read. What wrote is committed by now, and there is nothing to undo.
                await connection.rollback()
            except BaseException:
                await _await_eagerly_despite_cancellation(connection.close())
                raise
            self._at_hand.append(connection)

    async def dispose(self) -> None:
        while self._at_hand:
            await self._at_hand.pop().close()
        await super().dispose()


class AsyncConnection:
    """A connection of the pool. A statement begins a transaction where none is under way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> Result[*tuple[Any, ...]]:
        """The rows of a statement that has some: a query, or a change that says what it returns."""

        # Both drivers have read all rows when this returns, and theirs are the cursors that need not be awaited.
        return await self.run_sync(lambda connection: connection.execute(statement, parameters))

    async def execute_and_count(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> int:
        """How many rows a change was about."""
        return await self.run_sync(lambda connection: connection.execute(statement, parameters).rowcount)

    async def scalar(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None where there is no row."""
        return (await self.execute(statement, parameters)).scalar()

    async def run_sync(self, function: Callable[[Connection], T]) -> T:
        """What the function makes of the synchronous connection; it may wait in there as if nothing else ran."""
        return await greenlet_spawn(function, self._connection)

    async def execution_options(self, **options: Any) -> None:
        """As of now, for this connection."""
        await greenlet_spawn(self._connection.execution_options, **options)

    async def invalidate(self) -> None:
        """Never to be used again, by nobody."""
        await greenlet_spawn(self._connection.invalidate)

    async def rollback(self) -> None:
        """Undo what was not committed."""
        if self._connection.in_transaction():
            await greenlet_spawn(self._connection.rollback)

    async def close(self) -> None:
        """Back into the pool; what was not committed is undone."""
        await greenlet_spawn(self._connection.close)


async def _await_eagerly_despite_cancellation(work: Coroutine[Any, Any, None]) -> None:
    """Awaits that, also where the caller is cancelled meanwhile, who learns of it once it is done."""
    try:
        awaited = work.send(None)
    except StopIteration:  # it had to wait for nothing, as mostly: a task would have cost more than the work
        return
    await await_despite_cancellation(_resume_coroutine(work, awaited))


async def await_despite_cancellation(work: Coroutine[Any, Any, T], longest_s: float | None = None) -> T:
    """What comes of that work, which goes on to its end also where the caller is cancelled meanwhile, who learns of it
    then. `longest_s`: so many seconds at most after that; None = however long it takes."""
    task, cancelled = asyncio.create_task(work), None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
            if longest_s is not None:
                asyncio.get_running_loop().call_later(longest_s, task.cancel)
    if cancelled:
        raise cancelled
    return task.result()


async def _resume_coroutine(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    """A coroutine that has begun, from the future on that it waits for."""
    await _Rest(work, awaited)


class _Rest:
    def __init__(self, work: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._work, self._awaited = work, awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except BaseException as error:
                    awaited = self._work.throw(error)
                else:
                    awaited = self._work.send(sent)
        except StopIteration:
            return
