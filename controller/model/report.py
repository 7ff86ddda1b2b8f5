"""What became of a plan, of one merchant and of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.merchant import Complaint
from controller.model.plan import ChangeClass, Finding, Plan
from controller.model.run import Scope


@dataclass(frozen=True, slots=True)
class Nothing:
    """There was nothing to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """Every change was made; `writes` requests changed something. `findings` are what the making brought to light."""

    writes: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A change could not be made. `writes` were done before; `again` says whether trying again may help."""

    reason: str
    again: bool
    writes: int = 0
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """Live moved between the plan and the write: nothing was written over it. `what` names the fields."""

    what: str
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not tried: the run was paused, stopped, refused, or the merchant is quarantined."""

    reason: str


Outcome = Nothing | Done | Failed | Moved | Skipped


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit that the plans go over, and the flag that lifts exactly it.

    count   changes in all; `before` of them were made earlier, within the window that the limit covers
    """

    limit_of: str
    count: int
    limit: int
    flag: str
    merchants: tuple[str, ...] = ()
    before: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing at all is written."""

    excesses: tuple[Excess, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What carrying the plans out asks of the API: requests, and minutes at the present pace."""

    reads: int
    writes: int
    minutes: float


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """All plans of a run, judged. `unmanaged` counts companies that no manifest and no binding claims.

    Its repr is short: `asyncio.run` makes one of what it returns, and nobody reads that of 10,000 plans.

    made       when: what the ages of the data are counted from
    complete   everything that was asked for was read
    notes      sentences for the whole fleet (an empty state beside unmanaged companies, say)
    resume_at  when requests go through again, where a used-up quota keeps something from being read or done
    """

    plans: tuple[Plan, ...] = field(repr=False)
    manifests: str
    complete: bool
    unmanaged: tuple[str, ...] = field(repr=False)
    refusal: Refusal | None
    cost: Cost
    made: datetime
    counts: Mapping[ChangeClass, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    scope: Scope = field(default_factory=Scope)
    resume_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What a run did.

    stopped    why writes ended early; `remedy` what to do about it, `resume_at` when they may go on
    asked      the plan was shown and agreed to before the first write
    """

    plan: FleetPlan
    outcomes: Mapping[str, Outcome] = field(repr=False)
    started: datetime
    ended: datetime
    stopped: str | None = None
    remedy: str = ""
    resume_at: datetime | None = None
    signal: int | None = None
    asked: bool = True
