"""How the processes of one state share the requests that Codat takes in a minute.

Each process has a share, and keeps by itself to so many requests in any minute. The shares never sum up to more than
the limit. A process says what it wants, which is at least what it sent within the last minute: from then on it keeps to
that, so what it had beyond is free at once. The rest of what it gives back, or leaves behind when it ends or dies,
counts for a minute more: its requests of that minute do, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, insert, select, update

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
    """What a process may have from now on; 0 while nothing is left. Pure.

    It has no more than it wants, so that what dies with it is what it used; and where others have less than an equal
    part, and want more, it gives of what it has beyond its own.
    """
    fair = max(1, budget.limit // (1 + len(budget.others)))
    taken = sum(each.granted for each in budget.others) + budget.dead + budget.given_back
    kept = min(own.granted, own.wanted)
    coming = budget.given_back + max(0, budget.limit - taken - kept)
    missing_to_fair = sum(max(0, min(each.wanted, fair) - each.granted) for each in budget.others)
    given = min(kept - fair, missing_to_fair - coming)
    if given > 0:
        # What comes free by itself does not bring the others to their equal part: they get it of what is beyond ours.
        return max(1, kept - given)
    free = budget.limit - taken
    begins_beside_others = own.granted == 0 and bool(budget.others)
    # Whoever begins takes half of what is free at most: who begins a moment later finds the other half.
    left_to_newcomers = free // 2 if begins_beside_others else max(1, budget.limit // NEWCOMERS)
    room = free - left_to_newcomers
    # Beyond its equal part a process has what the others do not lack of theirs: it may be what they wait for.
    return max(kept, min(own.wanted, max(min(room, fair), room - missing_to_fair)), min(free, 1))


class RequestBudget:
    """The shares of this state's processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def renew(self, holder: str, *, wanted: int, limit: int, now: datetime | None = None) -> int:
        """Renew a process's share and make it larger or smaller, as it wants and as the others let it; how large it is
        now.

        wanted  at least what it sent within the last minute; meanwhile it keeps to this, too
        now     None: by the database's clock, which is one for all of them
        """
        async with self._database.writing() as transaction:
            now = now or await current_time(transaction)
            await transaction.execute(delete(budget_shares).where(budget_shares.c.until <= now - WINDOW))
            # Until later than any lease: of before the clock was put back. It counts as if it were said now.
            ahead = budget_shares.c.until > now + SHARE_LEASE
            await transaction.execute(update(budget_shares).where(ahead).values(until=now + SHARE_LEASE))
            rows = (await transaction.execute(select(budget_shares))).all()
            own = next((row for row in rows if row.holder == holder), None)
            others = [row for row in rows if row.holder != holder]
            given_back = sum(row.granted for row in others if row.holder == GIVEN_BACK)
            holders = [row for row in others if row.holder != GIVEN_BACK]
            living = tuple(Share(row.granted, row.wanted) for row in holders if row.until > now)
            dead = sum(row.granted for row in holders if row.until <= now)
            before = own.granted if own else 0
            granted = next_share(Share(before, wanted), BudgetState(limit, living, dead, given_back))
            if granted < min(before, wanted):
                # It may have been sent a moment ago: it counts for a minute more, before anybody else has it.
                left = {"holder": GIVEN_BACK, "granted": min(before, wanted) - granted, "wanted": 0, "until": now}
                await transaction.execute(insert(budget_shares).values(left))
            values = {"holder": holder, "granted": granted, "wanted": wanted, "until": now + SHARE_LEASE}
            if own is None:
                await transaction.execute(insert(budget_shares).values(values))
            else:
                await transaction.execute(update(budget_shares).where(budget_shares.c.id == own.id).values(values))
            return granted

    async def give_back(self, holder: str, *, sent: int, now: datetime | None = None) -> None:
        """The process sends nothing any more; what it sent within its last minute counts for the rest of that."""
        async with self._database.writing() as transaction:
            now = now or await current_time(transaction)
            own = budget_shares.c.holder == holder
            granted = case((budget_shares.c.granted > sent, sent), else_=budget_shares.c.granted)
            left = {"holder": GIVEN_BACK, "granted": granted, "until": now}
            await transaction.execute(update(budget_shares).where(own).values(left))
