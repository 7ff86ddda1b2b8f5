"""The emulated clock, and the scheduler of actions that become due on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

ScheduledAction = Callable[[], None]
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Clock:
    """A clock that runs with the real one, `offset` ahead of it; UTC."""

    __slots__ = ("_frozen_at", "offset")

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        self._frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The emulated time; while a due action runs, the time at which it was due."""
        return self._frozen_at or datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Jump ahead. Actions that became due meanwhile run at the next `World.run_due`."""
        self.offset += by

    def freeze_at(self, moment: datetime) -> None:
        """Stop the clock at `moment` for ever."""
        self._frozen_at = moment

    @contextmanager
    def frozen_at(self, moment: datetime) -> Iterator[None]:
        """Stop the clock at `moment` within the context."""
        previous, self._frozen_at = self._frozen_at, moment
        try:
            yield
        finally:
            self._frozen_at = previous


class Scheduler:
    """Actions by the emulated time at which they are due, earliest first."""

    __slots__ = ("_entries", "_order")

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, ScheduledAction]] = []
        self._order = count()

    def call_at(self, moment: datetime, action: ScheduledAction) -> None:
        """Schedule an action. Nothing is ever cancelled: when it runs, it checks whether it still applies."""
        heapq.heappush(self._entries, (moment, next(self._order), action))

    def pop_due(self, now: datetime) -> tuple[datetime, ScheduledAction] | None:
        """Remove and return the earliest action, if it is due."""
        if not self._entries or self._entries[0][0] > now:
            return None
        moment, _, action = heapq.heappop(self._entries)
        return moment, action

    def clear(self) -> None:
        """Remove all actions."""
        self._entries.clear()

    def copy(self) -> Scheduler:
        """An independent scheduler with the same actions."""
        copy = Scheduler()
        copy._entries, copy._order = list(self._entries), count(next(self._order))
        return copy


def format_timestamp(moment: datetime) -> str:
    """A UTC timestamp as Codat writes them: `2022-04-22T16:58:26.818587Z` (API notes 1.5)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_timestamp(text: str) -> datetime:
    """The instant of a timestamp in any form of API notes 1.5; UTC without an offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
