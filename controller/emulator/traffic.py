"""Who called what: counts by method and path template, and a log of the last calls."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.emulator.clock import stamp

_LOGGED = 10_000


@dataclass(slots=True)
class Call:
    """One request to the API; `status` is None when no answer was sent."""

    method: str
    path: str
    query: str
    at: datetime
    status: int | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "at": stamp(self.at),
        }


@dataclass(slots=True)
class Traffic:
    """All calls since the last reset; controls and pages are not among them."""

    counts: Counter[str] = field(default_factory=Counter)
    log: deque[Call] = field(default_factory=lambda: deque(maxlen=_LOGGED))

    def enter(self, template: str, call: Call) -> None:
        """Count a call as it arrives, whatever becomes of it."""
        self.counts[f"{call.method} {template}"] += 1
        self.log.append(call)

    def shown(self, *, with_log: bool) -> dict[str, Any]:
        """The answer of `GET /_emulator/requests`."""
        view: dict[str, Any] = {"counts": dict(self.counts), "total": self.counts.total()}
        if with_log:
            view["log"] = [call.shown() for call in self.log]
        return view
