"""The request log: counts by method and path template, and the last calls."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.emulator.service.clock import format_timestamp

_MAX_LOGGED_CALLS = 10_000


@dataclass(slots=True)
class LoggedCall:
    """One request to the API; `status` is None when no answer was sent."""

    method: str
    path: str
    query: str
    at: datetime
    status: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "at": format_timestamp(self.at),
        }


@dataclass(slots=True)
class RequestLog:
    """All calls since the last reset; controls and pages are not among them."""

    counts: Counter[str] = field(default_factory=Counter)
    log: deque[LoggedCall] = field(default_factory=lambda: deque(maxlen=_MAX_LOGGED_CALLS))

    def record(self, template: str, call: LoggedCall) -> None:
        """Count a call as it arrives, whatever becomes of it."""
        self.counts[f"{call.method} {template}"] += 1
        self.log.append(call)

    def to_json(self, *, with_log: bool) -> dict[str, Any]:
        """The answer of `GET /_emulator/requests`."""
        view: dict[str, Any] = {"counts": dict(self.counts), "total": self.counts.total()}
        if with_log:
            view["log"] = [call.to_json() for call in self.log]
        return view
