"""A pass: one look at some merchants or everyone, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.model.plan import Plan
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import Scope
from controller.runtime.workqueue import EVERYONE


@dataclass(frozen=True, slots=True)
class Setback:
    """Nothing was seen or done, and why.

    retry_at  not before then, where that is known
    harmless  another run had its turn, or a signal came: nobody has to mend anything
    """

    reason: str
    retry_at: datetime | None = None
    harmless: bool = False


Seen = FleetPlan | FleetReport | Setback
"""A report of what was written; a plan where nothing was (refused, or only reported on); or a setback."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Who was looked at, from when to when (UTC), and what was seen."""

    keys: tuple[str, ...]
    seen: Seen
    began: datetime
    ended: datetime

    @property
    def everyone(self) -> bool:
        return EVERYONE in self.keys

    @property
    def names(self) -> tuple[str, ...] | None:
        """The merchants looked at; None = everyone."""
        return None if self.everyone else self.keys

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()

    @property
    def plan(self) -> FleetPlan | None:
        match self.seen:
            case FleetReport(plan=plan):
                return plan
            case FleetPlan():
                return self.seen
        return None

    @property
    def plans(self) -> tuple[Plan, ...]:
        return self.plan.plans if self.plan else ()

    @property
    def cut_short(self) -> str | None:
        """Why the pass did not come as far as it should have; None when it did."""
        match self.seen:
            case Setback(reason=reason):
                return reason
            case FleetReport(stopped=str(why)):
                return why
        return next(iter(self.plan.incomplete), None) if self.plan else None

    @property
    def trouble(self) -> str | None:
        """The same, where somebody may have to mend something."""
        match self.seen:
            case Setback(harmless=True):
                return None
            case FleetReport(signal=int()):
                return None
        return self.cut_short

    @property
    def retry_at(self) -> datetime | None:
        """When the service goes on, where it said so."""
        match self.seen:
            case Setback(retry_at=when) | FleetPlan(resume_at=when) | FleetReport(resume_at=when):
                return when


def scope_of(keys: Sequence[str]) -> Scope:
    """Whom the keys stand for: only a look at everyone sees that a manifest is gone."""
    return Scope() if EVERYONE in keys else Scope(names=frozenset(keys))
