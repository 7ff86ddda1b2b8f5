"""The documents that plans rest on, for as long as such a document may serve as the read before its POST.

read ── planned, judged ──┬─ within MAX_AGE_S ──▶ POST: the read that planned is the read before it
                          └─ later ──▶ read afresh ──▶ POST
"""

from __future__ import annotations

from controller.model.observed import Configuration
from controller.quick_dataclasses import dataclass

MAX_AGE_S = 0.05
"""Seconds from the receipt of a document to the departure of its successor."""


@dataclass(frozen=True, slots=True)
class RecentDocument:
    """What a plan was made from. `read_at`: when it was received, by the environment's monotonic clock."""

    live: Configuration
    read_at: float

    def is_fresh(self, now: float) -> bool:
        return 0 <= now - self.read_at <= MAX_AGE_S


class RecentDocuments:
    """Of one run, by merchant. Each serves once: whoever waits in between, and comes again, reads anew."""

    def __init__(self) -> None:
        self._by_merchant: dict[str, RecentDocument] = {}

    def keep(self, merchant: str, document: RecentDocument) -> None:
        """Keeps it, and forgets those that are too old by now: a fleet has thousands."""
        kept = {name: each for name, each in self._by_merchant.items() if each.is_fresh(document.read_at)}
        self._by_merchant = {**kept, merchant: document}

    def take(self, merchant: str) -> RecentDocument | None:
        return self._by_merchant.pop(merchant, None)
