"""Inspect a state without creating it, migrating it or taking its lock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from state import migrations
from state.account import AccountBinding, RemoteAccount
from state.database import LockKind, open_existing_database_as_is, without_password
from state.process import LockRow
from state.proven_deliveries import ProvenDeliveries, last_proven_times
from state.retention import TableSize, load_table_sizes


@dataclass(frozen=True, slots=True)
class StateInspection:
    """A state as it was found.

    place               its address, without a password
    schema_step         the migration that its tables stand at; None where there is no state yet
    newest_schema_step  the migration that this version brings it to when it opens it
    locks               by kind the holder, and the seconds since its last heartbeat (None: it is dead); none for a
                        state of an earlier version
    keeps_sessions      False: a pooler stands before it that keeps no connection from one statement to the next
    writable            this process may write there, as far as the file system says
    account             the account it belongs to; None where no run has written yet, or the state is an earlier one
    bytes               size on disk, freed pages included
    deliveries          by event when a webhook was last proven, the latest first; likewise
    sizes               of its tables that have rows, the largest first; none for a state of an earlier version
    """

    place: str
    schema_step: str | None
    newest_schema_step: str
    writable: bool
    keeps_sessions: bool = True
    account: RemoteAccount | None = None
    locks: Mapping[LockKind, tuple[LockRow, float | None]] = field(default_factory=dict)
    bytes: int = 0
    sizes: tuple[TableSize, ...] = ()
    deliveries: tuple[tuple[str, datetime], ...] = ()


async def inspect_state(url: str) -> StateInspection:
    """Raises StateUnusable where it cannot be reached, or the database is not one of merchantctl's."""
    async with open_existing_database_as_is(url) as database:
        place, writable = without_password(make_url(url)), _is_writable(url)
        if database is None:
            return StateInspection(place, None, migrations.HEAD, writable)
        async with database.reading() as connection:
            step = await connection.run_sync(migrations.schema_step_of)
        size = await database.size()
        keeps_sessions = await database.has_session_per_connection()
        # The tables of an earlier version may lack columns that the queries of this one name.
        if step != migrations.HEAD:
            return StateInspection(place, step, migrations.HEAD, writable, keeps_sessions, bytes=size)
        rows = {kind: row for kind in LockKind if (row := await database.load_lock_holder(kind))}
        return StateInspection(
            place,
            step,
            migrations.HEAD,
            writable,
            keeps_sessions,
            account=await AccountBinding(database).load(),
            locks={kind: (row, await database.holder_silence_s(kind)) for kind, row in rows.items()},
            bytes=size,
            sizes=await load_table_sizes(database),
            deliveries=tuple(last_proven_times(await ProvenDeliveries(database).load())),
        )


def _is_writable(url: str) -> bool:
    """Whether the file and its folder, or the nearest existing folder above, can be written; always for a server."""
    path = make_url(url).database if url.startswith("sqlite:") else None
    if path is None:
        return True
    file = Path(path).absolute()
    folder = next(parent for parent in file.parents if parent.exists())
    return os.access(folder, os.W_OK | os.X_OK) and (not file.exists() or os.access(file, os.W_OK))
