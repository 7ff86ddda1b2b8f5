"""What one run was given: the manifests, how far it may go, where it looks and writes, and when it is to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from controller.codat.client import Client
from controller.environment import Environment
from controller.model.desired import Fleet
from controller.model.observed import Company
from controller.model.plan import ChangeClass
from controller.model.report import FleetReport
from controller.model.run_policy import Author, Records, RunPolicy, Scope
from controller.planning.clock_skew import service_time
from controller.quick_dataclasses import dataclass
from controller.reconcile.in_flight_changes import InFlightChanges
from state import Intent, StateLock, Store


@dataclass(slots=True)
class StopSignal:
    """Whether and why a run begins nothing new. The one part of its context that changes while it runs.

    remedy           what to do before the rest can be done
    resume_at        when requests go through again, where that is known
    unusable         the key was refused, or Codat does not answer
    failed_in_a_row  merchants that failed since the last success, in their order
    """

    reason: str | None = None
    remedy: str = ""
    resume_at: datetime | None = None
    signal: int | None = None
    unusable: bool = False
    failed_in_a_row: list[str] = field(default_factory=list)
    requested: asyncio.Event = field(default_factory=asyncio.Event)

    def request(
        self,
        why: str,
        *,
        remedy: str = "",
        resume_at: datetime | None = None,
        signal: int | None = None,
        unusable: bool = False,
    ) -> None:
        """Stops the run. The first reason stays."""
        if self.reason is None:
            self.reason, self.remedy, self.resume_at, self.signal = why, remedy, resume_at, signal
            self.unusable = unusable
            self.requested.set()

    async def wait_unless_stopped(self, waiting: Awaitable[None]) -> None:
        """Waits for `waiting`, or until something stops the run."""
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self.requested.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def add_to_report(self, report: FleetReport) -> FleetReport:
        """The report, with why it ends where it ends."""
        stopped = replace(report, stop_reason=self.reason, remedy=self.remedy, resume_at=self.resume_at)
        return replace(stopped, signal=self.signal, api_unusable=self.unusable)


@dataclass(frozen=True, slots=True)
class IntentRecoveryTimes:
    """How many seconds after its request a create is looked for: at the first look, and at the last."""

    first_look_s: float
    last_look_s: float

    @property
    def max_wait_s(self) -> float:
        """Seconds within which every look comes that decides something."""
        return self.first_look_s + max(self.first_look_s, self.last_look_s)

    def next_look_at(self, intent: Intent) -> datetime:
        """When a look at this intent decides something."""
        first = intent.begun_at + timedelta(seconds=self.first_look_s)
        if intent.missed_at is None:
            return first
        later = intent.missed_at + timedelta(seconds=self.first_look_s)
        return max(later, intent.begun_at + timedelta(seconds=self.last_look_s))


@dataclass(frozen=True, slots=True)
class RunContext:
    """What one run was given, and nothing that it found out.

    lock                    the one under which it writes
    parallelism             merchants at a time
    recovery_times          how long after its request a create with a lost answer is looked for
    waits_for_lost_creates  it waits for those itself; else a later run looks
    requests_per_minute     for the estimate of a plan's cost
    on_progress             called with how many merchants are done, of how many, and how many of them failed
    on_message              called with a sentence about what is being waited for
    on_company_read         called with each bound company that a look has read by its id
    environment             clock, sleep and network: see `now` and `sleep`
    read_data_status        read everyone's data status, though nothing calls for it
    read_syncs              read each merchant's latest sync, too
    base_url                where it looks, for the report
    environment_name        of merchantctl.toml, for the report; None = it has none
    limits                  what that environment sets otherwise than `planning.limits`: (number, per cent) by class
    records                 what of the ledger it writes
    author                  who it is, for the history
    in_flight_changes          of all passes of this process
    """

    fleet: Fleet
    scope: Scope
    policy: RunPolicy
    store: Store
    lock: StateLock
    api: Client
    stop: StopSignal
    parallelism: int
    recovery_times: IntentRecoveryTimes
    waits_for_lost_creates: bool
    requests_per_minute: int
    on_progress: Callable[[int, int, int], None]
    on_message: Callable[[str], None]
    environment: Environment
    read_data_status: bool = False
    read_syncs: bool = False
    base_url: str = ""
    environment_name: str | None = None
    limits: Mapping[ChangeClass, tuple[int, int]] = field(default_factory=dict)
    records: Records = Records.NONE
    author: Author = field(default_factory=lambda: Author("apply"))
    in_flight_changes: InFlightChanges = field(default_factory=InFlightChanges)
    on_company_read: Callable[[Company], None] = lambda company: None

    def now(self) -> datetime:
        """The time by this machine's clock: for what concerns nobody but us."""
        return self.environment.clock()

    def service_now(self) -> datetime:
        """The time by Codat's clock, as far as that is known: for what meets its times, or decides a later write."""
        return service_time(self.now(), self.api.skew)

    async def sleep(self, seconds: float) -> None:
        await self.environment.sleep(seconds)

    @property
    def retries_quarantined(self) -> bool:
        """Whether those in quarantine are tried all the same: somebody asked for it, or for them by name."""
        return self.policy.retry_quarantined or bool(self.scope.targets)
