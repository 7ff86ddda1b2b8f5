"""The emulated clock, and the agenda of what becomes due on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

Action = Callable[[], None]
NEVER = datetime.min.replace(tzinfo=UTC)


class Clock:
    """Runs with the real clock, some way ahead of it; UTC."""

    __slots__ = ("_held", "offset")

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The emulated moment: while something due is done, the moment at which it was due."""
        return self._held or datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Jump ahead. What became due meanwhile is done by the next `World.catch_up`."""
        self.offset += by

    def stop_at(self, moment: datetime) -> None:
        """From now on it is `moment` for ever."""
        self._held = moment

    @contextmanager
    def held_at(self, moment: datetime) -> Iterator[None]:
        """Inside, it is `moment` and stays so."""
        before, self._held = self._held, moment
        try:
            yield
        finally:
            self._held = before


class Agenda:
    """What is to be done at which emulated moment, earliest first."""

    __slots__ = ("_entries", "_order")

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, Action]] = []
        self._order = count()

    def at(self, moment: datetime, action: Action) -> None:
        """Enter an action. It looks at the world anew when its time comes: nothing is ever struck out."""
        heapq.heappush(self._entries, (moment, next(self._order), action))

    def next_due(self, now: datetime) -> tuple[datetime, Action] | None:
        """Take out the earliest entry, if its moment has come."""
        if not self._entries or self._entries[0][0] > now:
            return None
        moment, _, action = heapq.heappop(self._entries)
        return moment, action

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()

    def copy(self) -> Agenda:
        """The same entries, in an agenda of its own."""
        copy = Agenda()
        copy._entries, copy._order = list(self._entries), count(next(self._order))
        return copy


def stamp(moment: datetime) -> str:
    """A UTC stamp as the service writes them: `2022-04-22T16:58:26.818587Z` (REFERENCE 1.5)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def instant(text: str) -> datetime:
    """The moment of a stamp in any form of REFERENCE 1.5; without an offset, UTC. ValueError if none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
