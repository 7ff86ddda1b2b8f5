"""What keeps a merchant's changes from being written, and what each kind of that means to whoever asks.

hold    by             changes    findings, statements    limits, rollouts, refresh, sync, push
plan    anything       held       told
plan    one that closes  held     told                    left out: nothing at all may be written to the merchant
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from controller.quick_dataclasses import dataclass


class HeldBy(StrEnum):
    """What keeps a merchant's changes from being written."""

    ROLLOUT = "rollout"
    QUARANTINE = "quarantine"
    LIMIT = "limit"
    REVISION = "revision"
    MASS_LOSS = "mass-loss"
    CLOCK_SKEW = "clock-skew"
    SUSPENSION = "suspension"
    MANUAL_SYNC = "manual-sync"


@dataclass(frozen=True, slots=True)
class HoldMeaning:
    """What a kind of hold means.

    ends_by_itself  nobody has to decide about the changes
    closed_word     set where nothing at all may be written to the merchant meanwhile, changes or none: the word for
                    such a merchant in reports, JSON and metrics, and the code of its finding
    manifest_key    the key of a merchant's `spec` that declares it; empty where no manifest does
    """

    ends_by_itself: bool = False
    closed_word: str = ""
    manifest_key: str = ""


HOLD_MEANINGS: Mapping[HeldBy, HoldMeaning] = {
    HeldBy.ROLLOUT: HoldMeaning(ends_by_itself=True),
    HeldBy.QUARANTINE: HoldMeaning(ends_by_itself=True),
    HeldBy.LIMIT: HoldMeaning(),
    HeldBy.REVISION: HoldMeaning(ends_by_itself=True),
    HeldBy.MASS_LOSS: HoldMeaning(),
    HeldBy.CLOCK_SKEW: HoldMeaning(),
    HeldBy.SUSPENSION: HoldMeaning(ends_by_itself=True, closed_word="suspended", manifest_key="suspend"),
    HeldBy.MANUAL_SYNC: HoldMeaning(ends_by_itself=True),
}
"""Read by text, JSON, JUnit, metrics, limits, rollouts and jobs: none of them names a kind of hold that closes."""

CLOSED_WORDS: tuple[str, ...] = tuple(each.closed_word for each in HOLD_MEANINGS.values() if each.closed_word)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a merchant's changes are shown and not written. `until`: when it ends by itself, where that is known.

    A merchant that is closed has one also where there is nothing to write.
    """

    by: HeldBy
    reason: str
    until: datetime | None = None

    @property
    def closed_word(self) -> str:
        """Set where it closes the merchant: see `HoldMeaning`."""
        return HOLD_MEANINGS[self.by].closed_word

    @property
    def ends_by_itself(self) -> bool:
        return HOLD_MEANINGS[self.by].ends_by_itself


@dataclass(frozen=True, slots=True)
class DeclaredHold:
    """What a manifest says that closes its merchant. `until`: when it is open again; None = no end is declared."""

    by: HeldBy
    reason: str
    until: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.until is None or now < self.until


def count_closed_by_word(holds: Iterable[Hold | None]) -> dict[str, int]:
    """How many of the merchants with these holds are closed, by the word for it; 0 for a word that is of none."""
    counts = Counter(hold.closed_word for hold in holds if hold)
    return {word: counts[word] for word in CLOSED_WORDS}
