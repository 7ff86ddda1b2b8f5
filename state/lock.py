"""One run at a time may write over there: a row that names its holder, and how to know that the holder is dead.

A holder is dead when it ran on this host and no process with its pid and its start exists any more. Of a holder on
another host, or in another container, nobody here can know: only `state unlock` ends its lock.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from state.database import Database, upsert
from state.errors import StateLocked
from state.tables import lock

ASK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. `started` marks its start, so that a pid used again is not taken for it; `command` is for people."""

    host: str
    pid: int
    started: str
    command: str

    @classmethod
    def this_process(cls, command: str) -> Owner:
        return cls(socket.gethostname(), os.getpid(), mark_of_process(os.getpid()) or "", command)

    def is_dead(self) -> bool:
        """True only where it is certain."""
        here = Owner.this_process("")
        if self.host != here.host or _surroundings(self.started) != _surroundings(here.started):
            return False
        return mark_of_process(self.pid) != self.started

    def is_same_process(self, other: Owner) -> bool:
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)


@dataclass(frozen=True, slots=True)
class LockRow:
    """Who holds the lock, since when (aware, UTC)."""

    owner: Owner
    since: datetime


async def acquire_lock(database: Database, owner: Owner, *, patience: float) -> None:
    """Take the lock, waiting at most `patience` seconds for a living holder. Raises StateLocked."""
    deadline = asyncio.get_running_loop().time() + patience
    while holder := await _try(database, owner):
        if asyncio.get_running_loop().time() >= deadline:
            raise StateLocked(holder.owner, holder.since)
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def release_lock(database: Database, owner: Owner) -> None:
    """Give the lock back; nothing happens where somebody else holds it by now."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        if holder and holder.owner.is_same_process(owner):
            await transaction.execute(delete(lock))


async def lock_holder(database: Database) -> LockRow | None:
    async with database.reading() as transaction:
        return await _holder(transaction)


async def break_lock(database: Database) -> LockRow | None:
    """End whoever's lock it is, dead or alive; returns what was there."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        await transaction.execute(delete(lock))
        return holder


async def _try(database: Database, owner: Owner) -> LockRow | None:
    """The living holder that is in the way, or None: then the lock is ours."""
    async with database.writing() as transaction:
        holder = await _holder(transaction)
        if holder and not holder.owner.is_dead():
            return holder
        columns = {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
        await upsert(transaction, lock, [{"id": 1, **columns, "since": datetime.now(UTC)}])
        return None


async def _holder(transaction: AsyncConnection) -> LockRow | None:
    columns = (lock.c.host, lock.c.pid, lock.c.started, lock.c.command, lock.c.since)
    row = (await transaction.execute(select(*columns))).one_or_none()
    return row and LockRow(Owner(*row[:4]), row.since)


# -- Marks of processes ----------------------------------------------------------------------------------------------


def mark_of_process(pid: int) -> str | None:
    """`surroundings/start`, the same for as long as the process lives; None when there is no such process."""
    if not Path("/proc/self/stat").exists():
        return _mark_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    if state in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{os.readlink('/proc/self/ns/pid')}/{boot} {fields[18]}"


def _mark_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    start = answer.stdout.strip()
    return f"host/{start}" if start else None


def _surroundings(mark: str) -> str:
    """The pid namespace: a pid of another one means nothing here."""
    return mark.partition("/")[0]
