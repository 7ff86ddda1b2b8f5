"""What we remember between runs: who is bound to what, what we set last, what was begun, what was found.

Here: one database, SQLite or PostgreSQL, behind `open_state`. Never here: a request, a manifest, a decision, a secret;
nothing of `controller` is known.

    async with open_state("sqlite:///var/merchantctl.db") as store:
        memories = await store.recall()
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from state.applied import Applied
from state.bindings import Binding
from state.database import open_database, postgresql_url
from state.errors import StateProblem
from state.findings import FindingRow, Noted
from state.inbox import Arrival, Delivery
from state.intents import Intent
from state.lock import LockRow
from state.memory import Memory
from state.process import Owner
from state.quarantine import Quarantine
from state.rollouts import HoldRow, MemberRow, RolloutRow
from state.runs import Event
from state.store import Store
from state.syncs import SyncRow

__all__ = [
    "Applied",
    "Arrival",
    "Binding",
    "Delivery",
    "Event",
    "FindingRow",
    "HoldRow",
    "Intent",
    "LockRow",
    "MemberRow",
    "Memory",
    "Noted",
    "Owner",
    "Quarantine",
    "RolloutRow",
    "Store",
    "SyncRow",
    "open_state",
    "postgresql_url",
]


@asynccontextmanager
async def open_state(url: str) -> AsyncIterator[Store]:
    """The state at `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`, made where there is none.

    On leaving, a lock that the store still holds is given back and all connections are closed.
    Raises StateUnusable.
    """
    async with open_database(url) as database:
        store = Store(database)
        try:
            yield store
        finally:
            with suppress(StateProblem):  # the lock of a process that is gone is no obstacle
                await store.release_what_is_held()
