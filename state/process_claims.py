"""A claim on a state: a lock that only one living process can have, and that ends with the process.

There are three: one of the commands that write to Codat and one of the controllers (`state.lock`), and one to carry a
rollout out, also between its waves (`state.rollouts`). With a claim come leases on merchants: a command and a
controller, which do not exclude each other, write to one merchant at a time.

SQLite       an operating-system lock (flock) on a file beside the database, never on the database itself: closing
             a descriptor of that would end SQLite's own locks. The kernel releases it with the process, whatever the
             host name and the pid namespace. It proves that its holder lives, not that it runs: a stopped one keeps it.
             A lease is a lock of the same kind on one byte of another file
PostgreSQL   an advisory lock of one connection that is kept open for it. The server ends a connection that has been
             silent for the lease (`idle_session_timeout`) or whose machine is gone (keepalives), by its own clock.
             A lease is another lock of that connection

A holder sends a heartbeat several times a lease, and before each of its writes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from state.async_engine import AsyncConnection, AsyncEngine, await_despite_cancellation
from state.errors import LeaseLost, StateUnusable

DEFAULT_LEASE_S = 45.0
"""Default for the seconds without a heartbeat after which a claim on PostgreSQL lapses."""

HEARTBEATS_PER_LEASE = 9
"""Heartbeats that a holder sends in the time of one lease: some may be late before it lapses."""


MAX_WAIT_OF_CANCELLED_S = 5.0
"""So long whoever is cancelled waits for PostgreSQL's answer, which may never come."""

LONGEST_LEASE_OF_OTHERS = timedelta(minutes=15)
"""Each process has a lease of its own (`MERCHANTCTL_LOCK_LEASE`). What lasts longer from now than this is of before the
clock was put back."""


def may_be_alive(until: datetime, now: datetime, lease_s: float) -> bool:
    """Whether a process that said until when it is to be believed alive, may live. `lease_s`: our own lease."""
    return now < until <= now + max(LONGEST_LEASE_OF_OTHERS, timedelta(seconds=lease_s))


class Claim(Protocol):
    """Call `take`, `give_back` and `revoke` within a writing transaction: then no other process does so meanwhile."""

    async def take(self) -> bool:
        """Try to take it; False where a living process has it, this very process included."""
        ...

    async def renew(self) -> None:
        """Send a heartbeat, and prove that the claim is ours at this moment. Raises LeaseLost."""
        ...

    async def give_back(self) -> None:
        """Release it, if it is ours."""
        ...

    async def revoke(self) -> None:
        """Take it away from whoever has it, dead or alive."""
        ...

    async def holder_silence_s(self) -> float | None:
        """Seconds since its holder's last heartbeat; None where no living process has it. May be called any time."""
        ...

    async def take_lease(self, name: str) -> bool:
        """Try to take the lease on a merchant, while the claim is ours; False where the holder of another claim has
        it. It ends with the claim, and `renew` proves both. Raises LeaseLost."""
        ...

    async def give_back_lease(self, name: str) -> None:
        """Release the lease on a merchant, which this claim has."""
        ...


class FileClaim:
    """The claim on SQLite. Its file stays when the claim is given back: removing it would let two processes lock it,
    one the old file and one a new file of the same name."""

    _TAKE_ATTEMPTS, _TAKE_RETRY_S = 4, 0.02
    """`holder_silence_s` of another process holds a shared lock for a moment, so one failure proves no holder."""

    def __init__(self, path: str, leases_path: str) -> None:
        self._path, self._leases_path = path, leases_path
        self._file: int | None = None
        self._leases: int | None = None

    def __del__(self) -> None:
        self._close()

    async def take(self) -> bool:
        for _ in range(self._TAKE_ATTEMPTS):
            descriptor = self._open(os.O_RDWR | os.O_CREAT)
            try:
                if self._try_flock(descriptor, fcntl.LOCK_EX):
                    self._touch(descriptor)
                    self._file, descriptor = descriptor, -1
                    return True
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
            await asyncio.sleep(self._TAKE_RETRY_S)
        return False

    async def renew(self) -> None:
        if self._file is None:
            raise LeaseLost
        self._touch(self._file)

    async def give_back(self) -> None:
        self._close()

    async def revoke(self) -> None:
        """Unlink the file. The next holder locks a new one; the old holder finds itself replaced in the lock row."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)

    async def holder_silence_s(self) -> float | None:
        try:
            descriptor = self._open(os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            # A shared lock can be had only while no living process has the exclusive one.
            if self._try_flock(descriptor, fcntl.LOCK_SH):
                return None
            return max(0.0, time.time() - os.stat(descriptor).st_mtime)
        finally:
            os.close(descriptor)

    async def take_lease(self, name: str) -> bool:
        if self._file is None:
            raise LeaseLost
        if self._leases is None:
            self._leases = self._open(os.O_RDWR | os.O_CREAT, self._leases_path)
        try:
            _set_byte_lock(self._leases, fcntl.F_WRLCK, _lease_offset(name))
        # POSIX leaves to the system which of the two it says.
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise self._unusable_error(error) from error
        return True

    async def give_back_lease(self, name: str) -> None:
        if self._leases is not None:
            _set_byte_lock(self._leases, fcntl.F_UNLCK, _lease_offset(name))

    def _open(self, flags: int, path: str | None = None) -> int:
        try:
            return os.open(path or self._path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable_error(error) from error

    def _try_flock(self, descriptor: int, operation: int) -> bool:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._unusable_error(error) from error
        return True

    def _touch(self, descriptor: int) -> None:
        """Its time is the last heartbeat."""
        try:
            os.utime(descriptor)
        except OSError as error:
            raise self._unusable_error(error) from error

    def _unusable_error(self, error: OSError) -> StateUnusable:
        return StateUnusable(
            f"the lock of the state, {self._path}, cannot be used: {error.strerror}. "
            "Mend that, or name another place with MERCHANTCTL_STATE."
        )

    def _close(self) -> None:
        descriptors, self._file, self._leases = (self._file, self._leases), None, None
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)


def _lease_offset(name: str) -> int:
    """The byte whose lock is the lease: the file stays empty, since a lock may lie beyond its end."""
    # Seven bytes, since an offset in a file is a signed number of eight.
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest())


def _set_byte_lock(descriptor: int, kind: int, offset: int) -> None:
    """Raises BlockingIOError or PermissionError where another has it."""
    if sys.platform == "linux":
        # Of the open file, not of the process: two claims of one process exclude each other, too.
        # The bytes are a `struct flock` of 64-bit Linux, whose pid has to be 0 for this kind of lock.
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", kind, os.SEEK_SET, offset, 1, 0))
    else:
        operation = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
        fcntl.lockf(descriptor, operation, 1, offset)


class PostgresClaim:
    """A claim on PostgreSQL: an advisory lock of one connection, which is kept open for it. `table` names the claim."""

    def __init__(self, engine: AsyncEngine, lease_s: float, table: str) -> None:
        self._engine, self._lease_s = engine, lease_s
        self._name = {"table": table}
        self._connection: AsyncConnection | None = None
        self._mutex = asyncio.Lock()

    async def take(self) -> bool:
        connection = await self._engine.open_connection()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            if not await connection.scalar(_TAKE, self._name):
                return False
            await connection.execute(_SET_LEASE, {"lease": f"{self._lease_s * 1000:.0f}"})
            self._connection = connection
            return True
        finally:
            if self._connection is not connection:
                await connection.close()

    async def renew(self) -> None:
        # A statement that is cut short takes its connection along, and with that the claim of all others here.
        await await_despite_cancellation(self._renew(), MAX_WAIT_OF_CANCELLED_S)

    async def _renew(self) -> None:
        async with self._mutex:
            is_ours = False
            if self._connection:
                with suppress(SQLAlchemyError):  # a connection that is broken has lost the claim
                    is_ours = bool(await self._connection.scalar(_IS_OURS, self._name))
            if not is_ours:
                await self._drop_connection()
                raise LeaseLost

    async def give_back(self) -> None:
        async with self._mutex:
            if self._connection:
                with suppress(SQLAlchemyError):
                    # Its end would do, too, once the server has noticed it; until then the next one would wait.
                    await self._connection.execute(select(func.pg_advisory_unlock_all()))
            await self._drop_connection()

    async def revoke(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(_EVICT, self._name)

    async def holder_silence_s(self) -> float | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_SILENT_FOR, self._name)).first()
            return None if row is None else max(0.0, float(row[0]))

    async def take_lease(self, name: str) -> bool:
        try:
            return await await_despite_cancellation(self._execute_on_lease(_TAKE_LEASE, name), MAX_WAIT_OF_CANCELLED_S)
        except asyncio.CancelledError:
            await self.give_back_lease(name)  # nobody knows whether it was taken
            raise

    async def give_back_lease(self, name: str) -> None:
        with suppress(LeaseLost):  # the lease is lost with the claim
            await await_despite_cancellation(self._execute_on_lease(_GIVE_BACK_LEASE, name), MAX_WAIT_OF_CANCELLED_S)

    async def _execute_on_lease(self, statement: TextClause, name: str) -> bool:
        async with self._mutex:
            if self._connection:
                with suppress(SQLAlchemyError):
                    return bool(await self._connection.scalar(statement, {"name": name}))
            await self._drop_connection()
            raise LeaseLost

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            # Without this SQLAlchemy would reconnect by itself on the next use, with a connection that has no claim.
            with suppress(SQLAlchemyError):
                await connection.invalidate()
            await connection.close()


CLAIM_LOCK_KEY = 1_907_311_642
"""First half of the advisory lock's key; the second is the oid of the claim's table, so each schema has its own."""

_CLAIM_HOLDER = """
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND held.classid = :claim AND held.objid = CAST(to_regclass(CAST(:table AS text)) AS oid)
"""

_TAKE = text(
    "SELECT pg_try_advisory_lock((CAST(:claim AS bigint) << 32) "
    "| CAST(CAST(to_regclass(CAST(:table AS text)) AS oid) AS bigint))"
)
_TAKE = _TAKE.bindparams(claim=CLAIM_LOCK_KEY)

# By one table for every claim, unlike the claims' own keys: a command and a controller exclude each other by it.
_LEASE_KEY = "hashtextextended(:name, CAST(CAST(to_regclass('locks') AS oid) AS bigint))"
_TAKE_LEASE = text(f"SELECT pg_try_advisory_lock({_LEASE_KEY})")
_GIVE_BACK_LEASE = text(f"SELECT pg_advisory_unlock({_LEASE_KEY})")

_IS_OURS = text(f"SELECT count(*) {_CLAIM_HOLDER} AND held.pid = pg_backend_pid()").bindparams(claim=CLAIM_LOCK_KEY)

_EVICT = text(f"SELECT pg_terminate_backend(held.pid, 5000) {_CLAIM_HOLDER}").bindparams(claim=CLAIM_LOCK_KEY)

_SILENT = "coalesce(extract(epoch FROM clock_timestamp() - activity.state_change), 0)"
_SILENT_FOR = text(f"SELECT {_SILENT} {_CLAIM_HOLDER}").bindparams(claim=CLAIM_LOCK_KEY)

_SET_LEASE = text(
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '4', false), set_config('idle_session_timeout', :lease, false)"
)
