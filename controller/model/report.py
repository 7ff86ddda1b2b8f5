"""What became of a plan: of one merchant, and of the fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import ClassVar

from controller.model.desired import Diagnostic
from controller.model.plan import ChangeClass, Finding, Plan
from controller.model.run_policy import Scope
from controller.quick_dataclasses import dataclass
from controller.untrusted_text import escape_control


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There was nothing to do."""

    word: ClassVar[str] = "nothing"


@dataclass(frozen=True, slots=True)
class Applied:
    """Every change was made, in `writes` requests. `findings` are what was found while making them."""

    word: ClassVar[str] = "done"

    writes: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A change could not be made.

    retryable  trying again may help
    writes     requests of the plan that succeeded before it
    status     the HTTP status, None where there was no answer
    unsure     a request was sent whose answer was lost: it may have been done
    """

    word: ClassVar[str] = "failed"

    reason: str
    retryable: bool
    writes: int = 0
    status: int | None = None
    unsure: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", escape_control(self.reason))


@dataclass(frozen=True, slots=True)
class ChangedSincePlan:
    """Live changed between the plan and the write, so it was not overwritten.

    what    what changed, in a sentence of its own
    writes  requests of the plan that succeeded before it
    """

    word: ClassVar[str] = "moved"

    what: str
    writes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", escape_control(self.what))

    @property
    def sentence(self) -> str:
        """What changed, that it was not overwritten, and what had been written before."""
        made = f"; {self.writes} of this merchant's changes had been made before that" if self.writes else ""
        return f"somebody else moved it since the plan was made, so it was not written over: {self.what}{made}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not tried: the rollout was paused, the run stopped or refused, the merchant is quarantined or was taken over."""

    word: ClassVar[str] = "skipped"

    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", escape_control(self.reason))


Outcome = Unchanged | Applied | Failed | ChangedSincePlan | Skipped
"""What became of one merchant's plan. `word` is its name in JSON, the history and the metrics."""


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """One limit that the plans exceed, and the flag that lifts exactly this one."""

    limited_class: str
    count: int
    limit: int
    flag: str
    merchants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a run writes nothing at all."""

    exceeded_limits: tuple[LimitExceeded, ...]


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """What carrying the plans out takes: requests, and minutes at the present rate."""

    reads: int
    writes: int
    minutes: float


@dataclass(frozen=True, slots=True)
class RetainedMerchant:
    """A merchant whose manifest is gone, and whose policy `deletion: Retain` leaves everything as it is.

    retained_since  None = its manifest went only now, or nobody knows when
    newcomers       who came with the change with which its manifest went, and may be it
    """

    merchant: str
    company_id: str
    company_name: str
    retained_since: datetime | None = None
    newcomers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """All plans of a run, after the limits.

    is_complete      everything that was asked for was read
    unmanaged_names  companies that no manifest and no binding claims
    made_at          when: ages of data are counted from here
    counts           changes by class
    findings         about the fleet, not one merchant (`mass-loss`)
    notes            sentences about the fleet (an empty state beside unmanaged companies, say)
    resume_at        when requests go through again, where a used-up quota keeps something from being read or done
    retained         merchants without a manifest that stay as they are; known only in a run over everyone
    base_url, environment   which API it is about, its password masked
    commit           the Git commit of the manifests, where that is known
    oldest_look_at   since when all of them were looked at, where that was done earlier, by a controller
    labels           by merchant, where a report is divided by them
    account          the plan of the account's own settings, `(account)`; None where they were not looked at
    """

    # Not in the repr: `asyncio.run` makes one of what it returns, and 10,000 plans would take seconds.
    plans: tuple[Plan, ...] = field(repr=False)
    fleet_digest: str
    is_complete: bool
    unmanaged_names: tuple[str, ...] = field(repr=False)
    refusal: Refusal | None
    request_estimate: RequestEstimate
    made_at: datetime
    counts: Mapping[ChangeClass, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    unread_reasons: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    scope: Scope = field(default_factory=Scope)
    resume_at: datetime | None = None
    retained: tuple[RetainedMerchant, ...] = ()
    base_url: str = ""
    environment: str | None = None
    oldest_look_at: datetime | None = None
    commit: str | None = None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    account: Plan | None = None

    @property
    def every_plan(self) -> tuple[Plan, ...]:
        """Those of the merchants, and that of the account's own settings where there is one."""
        return (*self.plans, self.account) if self.account else self.plans

    @property
    def revision(self) -> str:
        """What the manifests are known by that it was made from: their Git commit, else a hash of them."""
        return self.commit or self.fleet_digest

    @property
    def unmanaged_count(self) -> int:
        """Companies that no manifest claims: unknown ones, and those of retained merchants."""
        return len(self.unmanaged_names) + len(self.retained)

    def without(self, merchants: Collection[str]) -> FleetPlan:
        """The same without the plans of these merchants: another run, or another pass, says how they stand."""
        return replace(self, plans=tuple(each for each in self.plans if each.merchant not in merchants))


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What a run did.

    outcomes      by merchant; that of the account's own settings under `(account)`
    stop_reason   why writing ended early; `remedy` what to do about it, `resume_at` when it may go on
    signal        the number of the signal that ended it
    api_unusable  it ended early because the key was refused, or nothing was answered
    confirmed     the plan was shown and agreed to before the first write
    """

    plan: FleetPlan
    outcomes: Mapping[str, Outcome] = field(repr=False)
    started_at: datetime
    ended_at: datetime
    stop_reason: str | None = None
    remedy: str = ""
    resume_at: datetime | None = None
    signal: int | None = None
    api_unusable: bool = False
    confirmed: bool = True
