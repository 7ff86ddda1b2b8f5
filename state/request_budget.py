"""How the processes of one state share the requests that Codat takes in a minute.

Each process has a share, and keeps by itself to so many requests in any minute. The shares never sum up to more than
the limit. What a process gives back, or leaves behind when it ends or dies, counts for a minute more: its requests of
that minute do, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from state.database import Database, current_time
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

    limit       requests a minute, of all processes together
    others      the shares of those that live
    dead        what those had that ended without giving it back, and still counts
    given_back  what was given back and still counts: nobody has it yet
    """

    limit: int
    others: tuple[Share, ...] = ()
    dead: int = 0
    given_back: int = 0


def next_share(own: Share, budget: BudgetState) -> int:
    """What a process may have from now on. Pure.

    It keeps what it does not use until another one needs it, and gives no more than is needed; of what it uses it gives
    what is more than an equal part.
    """
    fair = max(1, budget.limit // (1 + len(budget.others)))
    missing = sum(max(0, each.wanted - each.granted) for each in budget.others) - budget.given_back
    missing_to_fair = sum(max(0, min(each.wanted, fair) - each.granted) for each in budget.others) - budget.given_back
    unused, above_fair = own.granted - own.wanted, own.granted - fair
    given = max(min(unused, missing), min(above_fair, missing_to_fair))
    if given > 0:
        return max(1, own.granted - given)
    taken = sum(each.granted for each in budget.others) + budget.dead + budget.given_back
    begins_beside_others = own.granted == 0 and bool(budget.others)
    reserve = 0 if begins_beside_others else max(1, budget.limit // NEWCOMERS)
    return max(own.granted, min(own.wanted, budget.limit - taken - reserve), 1)


class RequestBudget:
    """The shares of this state's processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def renew(self, holder: str, *, wanted: int, limit: int, now: datetime | None = None) -> int:
        """Renew a process's share and make it larger or smaller, as it wants and as the others let it; how large it is
        now.

        now  None: by the database's clock, which is one for all of them
        """
        async with self._database.writing() as transaction:
            now = now or await current_time(transaction)
            await transaction.execute(delete(budget_shares).where(budget_shares.c.until <= now - WINDOW))
            rows = (await transaction.execute(select(budget_shares))).all()
            own = next((row for row in rows if row.holder == holder), None)
            others = [row for row in rows if row.holder != holder]
            given_back = sum(row.granted for row in others if row.holder == GIVEN_BACK)
            holders = [row for row in others if row.holder != GIVEN_BACK]
            living = tuple(Share(row.granted, row.wanted) for row in holders if row.until > now)
            dead = sum(row.granted for row in holders if row.until <= now)
            before = own.granted if own else 0
            granted = next_share(Share(before, wanted), BudgetState(limit, living, dead, given_back))
            if granted < before:
                left = {"holder": GIVEN_BACK, "granted": before - granted, "wanted": 0, "until": now}
                await transaction.execute(insert(budget_shares).values(left))
            values = {"holder": holder, "granted": granted, "wanted": wanted, "until": now + SHARE_LEASE}
            if own is None:
                await transaction.execute(insert(budget_shares).values(values))
            else:
                await transaction.execute(update(budget_shares).where(budget_shares.c.id == own.id).values(values))
            return granted

    async def give_back(self, holder: str, now: datetime | None = None) -> None:
        """The process sends nothing any more; what it had counts for the rest of its last minute."""
        async with self._database.writing() as transaction:
            now = now or await current_time(transaction)
            own = budget_shares.c.holder == holder
            await transaction.execute(update(budget_shares).where(own).values(holder=GIVEN_BACK, until=now))
