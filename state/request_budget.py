"""How the processes of one state share the requests that Codat takes in a minute.

Each process has a share, and keeps by itself to so many requests in any minute. The shares never sum up to more than
the limit. What a process gives back, or leaves behind when it ends or dies, counts for a minute more: its requests of
that minute do, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from state.async_engine import AsyncConnection
from state.database import Database
from state.tables import budget_shares

WINDOW = timedelta(seconds=62)
"""A minute, and what requests take to arrive and two clocks may disagree in."""

SHARE_LEASE = timedelta(seconds=20)
"""A process that gave no sign of life for so long has ended, or sends nothing any more."""

NEWCOMERS = 20
"""A part in so many of the limit is left to whoever begins: it need not wait for others to give something back."""

GIVEN_BACK = ""
"""The holder of what was given back and still counts."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process has, and what it could use: requests a minute."""

    granted: int
    wanted: int


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What there is beside a process's own share.

    limit   requests a minute, of all processes together
    taken   by others that live, and by what was given back within the window
    others  the shares of those that live
    """

    limit: int
    taken: int
    others: tuple[Share, ...]


def next_share(own: Share, budget: BudgetState) -> int:
    """What a process may have from now on; less than before where another one has too little. Pure."""
    fair = max(1, budget.limit // (1 + len(budget.others)))
    if own.granted > fair and any(each.granted < min(each.wanted, fair) for each in budget.others):
        return fair
    if budget.others and own.wanted < own.granted:
        return max(1, own.wanted)
    reserve = max(1, budget.limit // NEWCOMERS)
    # Whoever begins takes from what is left to newcomers, too; nobody holds on to that.
    free = budget.limit - budget.taken - (0 if own.granted == 0 else reserve)
    return max(own.granted, min(own.wanted, free), 1)


class RequestBudget:
    """The shares of this state's processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(self, holder: str, *, wanted: int, limit: int, now: datetime | None = None) -> int:
        """Renew a process's share and make it larger or smaller, as it wants and as the others let it; how large it is
        now.

        now  None: by the database's clock, which is one for all of them
        """
        async with self._database.writing() as transaction:
            now = now or await _time_of(transaction)
            await transaction.execute(delete(budget_shares).where(budget_shares.c.until <= now - WINDOW))
            rows = (await transaction.execute(select(budget_shares))).all()
            own = next((row for row in rows if row.holder == holder), None)
            others = [row for row in rows if row.holder != holder]
            living = tuple(
                Share(row.granted, row.wanted) for row in others if row.holder != GIVEN_BACK and row.until > now
            )
            before = own.granted if own else 0
            taken = sum(row.granted for row in others)
            granted = next_share(Share(before, wanted), BudgetState(limit, taken, living))
            if granted < before:
                given_back = {"holder": GIVEN_BACK, "granted": before - granted, "wanted": 0, "until": now}
                await transaction.execute(insert(budget_shares).values(given_back))
            values = {"holder": holder, "granted": granted, "wanted": wanted, "until": now + SHARE_LEASE}
            if own is None:
                await transaction.execute(insert(budget_shares).values(values))
            else:
                await transaction.execute(update(budget_shares).where(budget_shares.c.id == own.id).values(values))
            return granted

    async def give_back(self, holder: str, now: datetime | None = None) -> None:
        """The process sends nothing any more; what it had counts for the rest of its last minute."""
        async with self._database.writing() as transaction:
            now = now or await _time_of(transaction)
            own = budget_shares.c.holder == holder
            await transaction.execute(update(budget_shares).where(own).values(holder=GIVEN_BACK, until=now))


async def _time_of(transaction: AsyncConnection) -> datetime:
    if transaction.dialect.name == "postgresql":
        moment: datetime = await transaction.scalar(select(func.clock_timestamp()))
        return moment
    return datetime.now(UTC)  # the processes of a state in SQLite have one clock, that of their machine
