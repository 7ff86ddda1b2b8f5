"""How long to leave alone what has just failed: twice as long after each failure in a row."""

from __future__ import annotations

from dataclasses import field

from controller.quick_dataclasses import dataclass


@dataclass(slots=True)
class DoublingWait:
    """Waits of `first_s` seconds, then twice as long each time, at most `most_s`; `reset` once all is well."""

    first_s: float
    most_s: float
    _next_s: float = field(default=0.0, init=False)

    def take_next_s(self) -> float:
        """The wait after a failure, in seconds."""
        wait_s = max(self._next_s, self.first_s)
        self._next_s = min(2 * wait_s, self.most_s)
        return wait_s

    def reset(self) -> None:
        self._next_s = self.first_s
