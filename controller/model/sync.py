"""One sync of a merchant's sales into the books, one upload of commerce data, and how each stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Progress(StrEnum):
    """How something stands that the service does in its own time."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sync:
    """As the service tells it (REFERENCE 3.12). `start` and `finish` bound what it covers; some answers lack them."""

    id: str
    code: int
    status: str
    message: str
    began: datetime | None
    start: datetime | None = None
    finish: datetime | None = None
    pushed: bool = False

    @property
    def progress(self) -> Progress:
        """By the code's class, the one thing to go by (REFERENCE 5.5)."""
        return {1: Progress.RUNNING, 2: Progress.SUCCESS}.get(self.code // 1000, Progress.FAILED)


@dataclass(frozen=True, slots=True)
class Span:
    """What a manual sync is asked to cover. Without `start`: from the last success on; without `finish`: until now."""

    start: datetime | None = None
    finish: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a manual sync would cover if it was begun now.

    start    None where neither a success nor a start date says
    enabled  scheduled syncs are on: the next one repeats its whole latest 24 hours (REFERENCE 3.12 #37)
    """

    start: datetime | None
    finish: datetime
    enabled: bool


@dataclass(frozen=True, slots=True)
class Dataset:
    """An upload as the pull history shows it (REFERENCE 3.9). `records` were in it."""

    id: str
    data_type: str
    status: str
    message: str = ""
    records: int = 0

    @property
    def progress(self) -> Progress:
        """REFERENCE 5.4: an unknown word counts as running."""
        if self.status in ("Complete", "NotSupported", "Cancelled"):
            return Progress.SUCCESS if self.status == "Complete" else Progress.FAILED
        return (
            Progress.FAILED
            if self.status.endswith("Error") or self.status == "PrerequisiteNotMet"
            else Progress.RUNNING
        )


@dataclass(frozen=True, slots=True)
class Unsent:
    """An upload that the service refused, or whose answer was lost: what came after it was not sent."""

    data_type: str
    records: int
    reason: str
