"""A pass: one look at some merchants or everyone, and what it came to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from controller.daemon.workqueue import EVERYONE
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Fleet
from controller.model.plan import Plan
from controller.model.report import FleetPlan, FleetReport
from controller.model.run_policy import Scope
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassFailure:
    """Nothing was seen or done, and why.

    retry_at      not before then, where that is known
    harmless      another run had its turn, or a signal came: nobody has to mend anything
    api_unusable  the key was refused (`key_refused`), or Codat does not answer
    """

    reason: str
    retry_at: datetime | None = None
    harmless: bool = False
    api_unusable: bool = False
    key_refused: bool = False


PassResult = FleetPlan | FleetReport | PassFailure
"""A report of what was written; a plan where nothing was (refused, or only reported on); or a setback."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Who was looked at, from when to when (UTC), and what was seen.

    taken_over    those of them that a later pass looked at meanwhile: what is said of them here is what was written
    urgent        something had happened to them; else it was their time
    reason        why whoever it was about was looked at, in a word
    fleet         the manifests that it went by; None where it did not come so far
    known_before  the plans as they stood when it began; None where this process knew none yet
    judges_revision  it was about exactly those whom a new revision changed
    only_looked   by manifests that are not in force: nothing was judged, written or recorded
    """

    keys: tuple[str, ...]
    result: PassResult
    began: datetime
    ended: datetime
    taken_over: frozenset[str] = frozenset()
    urgent: bool = False
    reason: str = "resync"
    fleet: Fleet | None = None
    known_before: FleetPlan | None = None
    judges_revision: bool = False
    only_looked: bool = False

    @property
    def covers_everyone(self) -> bool:
        return EVERYONE in self.keys

    @property
    def merchants(self) -> tuple[str, ...] | None:
        """The merchants looked at; None = everyone."""
        return None if self.covers_everyone else self.keys

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()

    @property
    def plan(self) -> FleetPlan | None:
        match self.result:
            case FleetReport(plan=plan):
                return plan
            case FleetPlan():
                return self.result
        return None

    @property
    def plans(self) -> tuple[Plan, ...]:
        return self.plan.plans if self.plan else ()

    @property
    def incomplete_reason(self) -> str | None:
        """Why the pass did not come as far as it should have; None when it did."""
        match self.result:
            case PassFailure(reason=reason):
                return reason
            case FleetReport(stop_reason=str(why)):
                return why
        return next(iter(self.plan.unread_reasons), None) if self.plan else None

    @property
    def failure_reason(self) -> str | None:
        """The same, where somebody may have to mend something."""
        match self.result:
            case PassFailure(harmless=True):
                return None
            case FleetReport(signal=int()):
                return None
        return self.incomplete_reason

    @property
    def api_unusable(self) -> bool:
        """The API key was refused, or Codat does not answer: everybody's trouble, and no merchant's."""
        match self.result:
            case PassFailure(api_unusable=unusable) | FleetReport(api_unusable=unusable):
                return unusable
        return False

    @property
    def retry_at(self) -> datetime | None:
        """When Codat goes on, where it said so."""
        match self.result:
            case PassFailure(retry_at=when) | FleetPlan(resume_at=when) | FleetReport(resume_at=when):
                return when


def scope_for_keys(keys: Sequence[str], fleet: Fleet) -> Scope:
    """Whom the keys stand for: only a look at everyone sees that a manifest is gone."""
    return Scope() if EVERYONE in keys else Scope(names=declared_names(keys, fleet))


def declared_names(merchants: Collection[str], fleet: Fleet) -> frozenset[str]:
    """Those of them that have a manifest, under its name: the state knows whoever was renamed by the old one still.
    The account's own settings are among them where they are asked for."""
    new_names = {each.old_name: new for new, each in fleet.renames.items()}
    declared = fleet.merchants.keys() | ({ACCOUNT_NAME} if fleet.account_settings else frozenset())
    return frozenset(name for each in merchants if (name := new_names.get(each, each)) in declared)
