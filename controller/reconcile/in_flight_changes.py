"""What passes under way in one process were judged for and may not have made yet: the next one is judged beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from controller.model.plan import ChangeClass, Plan
from controller.planning.unattended_limits import limited_classes


class InFlightChanges:
    """Shared by the passes of a process. `counts`: by class."""

    def __init__(self) -> None:
        self.counts: Counter[ChangeClass] = Counter()

    @contextmanager
    def reserve(self, plans: Iterable[Plan]) -> Iterator[None]:
        """While these plans, which were judged, are carried out. No other pass may be judged before this begins: the
        caller waits for nothing since the judging."""
        own = Counter(each for plan in plans for change in plan.changes for each in limited_classes(change))
        self.counts.update(own)
        try:
            yield
        finally:
            self.counts.subtract(own)
