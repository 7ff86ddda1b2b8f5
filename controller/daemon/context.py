"""What the daemon was given, and what it knows by now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import datetime
from signal import Signals
from typing import TYPE_CHECKING

from controller.daemon.manifest_watcher import NO_CHANGE, ManifestChange, ManifestWatcher, compare_manifests
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.pass_result import Pass, PassFailure
from controller.daemon.revision_keeper import RevisionKeeper
from controller.daemon.scheduler import Timer
from controller.daemon.state_outage import StateOutage
from controller.daemon.workqueue import Queue
from controller.model.controller_status import ControllerStatus, SeenMerchant, merge_pass
from controller.model.desired import Diagnostic, Fleet
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext, StopSignal
from state import LockWait
from state.errors import MAX_HEARTBEAT_SILENCE_S

if TYPE_CHECKING:
    from controller.daemon.rollout_driver import RolloutDriver


@dataclass(slots=True)
class DaemonState:
    """What changes while the daemon runs, for whoever asks.

    stops          of the passes under way
    signal         the signal that ends the service, once it came
    has_begun      this process has looked at everyone once, whatever came of it
    ready          a pass over everyone has come through
    key_refused    the last pass ended because the API key is refused: nothing is kept as declared meanwhile
    failing_since  since when no pass has come through
    full_pass_under_way  everyone is looked at now
    revised        who is declared otherwise since the last look at them
    revised_at  when the last of them was added
    change_to_queue  what the newest manifests declare otherwise, while nobody is in the queue for it yet
    owes_full_pass  a look here wrote nothing, since other manifests were in force: everyone is looked at once these are
    resync_asked_at  when each merchant was put into the queue because its turn had come
    lock_wait      for whose lock on the state a pass waits
    wrong_clock_told  it was said that this machine's clock is wrong, and is so still
    signal_received  set once a signal came, for whoever waits
    """

    latest: ControllerStatus
    stops: list[StopSignal] = field(default_factory=list)
    signal: Signals | None = None
    has_begun: bool = False
    ready: bool = False
    key_refused: bool = False
    failing_since: datetime | None = None
    full_pass_under_way: bool = False
    revised: set[str] = field(default_factory=set)
    revised_at: datetime | None = None
    change_to_queue: ManifestChange = NO_CHANGE
    owes_full_pass: bool = False
    resync_asked_at: dict[str, datetime] = field(default_factory=dict)
    lock_wait: LockWait | None = None
    wrong_clock_told: bool = False
    signal_received: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def not_ready_reason(self) -> str | None:
        """Why nothing should be sent here; None where all is well, be it another process's turn."""
        if self.key_refused:
            return f"nothing is kept as declared: {self.latest.pass_failure}"
        waiting = self.lock_wait  # read once: the web asks in a thread of its own
        if waiting and waiting.silent_for_s > MAX_HEARTBEAT_SILENCE_S:
            return self.lock_wait_reason
        return None if self.ready else self.lock_wait_reason or "no look at everyone has come through yet"

    @property
    def lock_wait_reason(self) -> str | None:
        """That another run has the lock, in words for anybody: who it is stands in the log."""
        waiting = self.lock_wait
        if waiting is None:
            return None
        silent = (
            f", and has given no sign of life for {waiting.silent_for_s:.0f} s"
            if waiting.silent_for_s > MAX_HEARTBEAT_SILENCE_S
            else ""
        )
        return f"waiting for the lock on the state: another run has it{silent}; the log says which"

    @contextmanager
    def new_stop(self) -> Iterator[StopSignal]:
        """For a pass that begins; where the signal came just before, it ends before it begins."""
        stop = StopSignal()
        self.stops.append(stop)
        try:
            if self.signal:
                self.stop_for_signal(self.signal)
            yield stop
        finally:
            self.stops = [each for each in self.stops if each is not stop]

    def stop_for_signal(self, signal: Signals) -> None:
        """Nothing new is begun any more."""
        self.signal = signal
        self.signal_received.set()
        for stop in self.stops:
            stop.request(f"stopped by {signal.name}", signal=signal)

    def record_pass(self, done: Pass, fleet: Fleet) -> None:
        """What a pass saw. One that came to nothing leaves what was seen before.

        That an urgent pass came through says nothing of the others: it may have had nobody to ask about.
        """
        if not isinstance(done.result, PassFailure):
            # What somebody else saw while it went on is later than what it saw.
            seen_since = {name for name, at in self.latest.looked_at.items() if done.began < at <= done.ended}
            self.latest = merge_pass(
                self.latest,
                done.result,
                fleet,
                everyone=done.covers_everyone,
                at=done.began,
                taken_over=done.taken_over | seen_since,
            )
        if not done.incomplete_reason and done.fleet and not done.only_looked:
            # A revision may have come while the pass went by the one before: whom that changed is yet to be looked at.
            changed_since = compare_manifests(done.fleet, fleet).merchants if self.revised else frozenset()
            judged = set(done.keys if done.judges_revision else ()) if not done.covers_everyone else self.revised
            self.revised -= judged - changed_since - done.taken_over
        self.ready = self.ready or (done.covers_everyone and not done.incomplete_reason)
        if done.urgent and not done.failure_reason:
            return
        self.latest = replace(self.latest, pass_failure=done.failure_reason)
        self.key_refused = isinstance(done.result, PassFailure) and done.result.key_refused
        self.failing_since = (self.failing_since or done.began) if done.failure_reason else None

    def drop_revised_seen_elsewhere(self, seen: Mapping[str, SeenMerchant]) -> None:
        """What other processes of the state have seen of these. Each process asks for looks because of a revision: whom
        another has looked at since is none of the next one. But for those of a pass that was cut short: they are of
        this revision still, and judged with it."""
        if since := self.revised_at:
            self.revised -= {
                name for name, each in seen.items() if each.seen_at > since and each.has_no_skipped_changes
            }

    def record_unclaimed(self, companies: Mapping[str, str]) -> None:
        """The companies that no merchant of the state has, by id the name, as of now: what a look at everyone would say
        of the fleet, without one."""
        if (plan := self.latest.plan) is None:
            return
        planned = {each.company_id for each in plan.plans}
        names = tuple(name for id_, name in companies.items() if id_ not in planned)
        self.latest = replace(self.latest, plan=replace(plan, unmanaged_names=names))

    def set_diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> bool:
        """What is wrong with the manifests on disk; whether that is new."""
        moved = diagnostics != self.latest.diagnostics
        self.latest = replace(self.latest, diagnostics=diagnostics)
        return moved


@dataclass(frozen=True, slots=True)
class DaemonContext:
    """What the daemon was given.

    run                an apply of everyone that nobody is asked about; each pass narrows it
    applies_changes    False: drift is reported, nothing is written
    resync_interval_s  seconds in which everyone is looked at once
    full_pass_interval_s  seconds from the end of one look at everyone at once to the next, where nothing asks for one
                       before; None: nothing would be learned by it
    lock               the state's lock, which the passes of this process share
    notifier           tells the log, the metrics and the chat
    jobs               what else is done by the clock
    reload_key          reads the API key again, and whether it is another one
    revisions          which manifests are in force for all processes of the state; None: those here
    rollouts           carries out rollouts that are in nobody's hands; None: nobody does here
    git_poll_interval_s  from one fetch of the branch to the next
    outage             whether the state is out of reach
    finishing          what a pass saw is noted and told by one pass at a time
    """

    run: RunContext
    applies_changes: bool
    resync_interval_s: float
    queue: Queue
    manifest_watcher: ManifestWatcher
    state: DaemonState
    lock: PassLock
    notifier: Notifier
    jobs: tuple[Timer, ...] = ()
    reload_key: Callable[[], bool] = lambda: False
    revisions: RevisionKeeper | None = None
    rollouts: RolloutDriver | None = None
    git_poll_interval_s: float = 60.0
    full_pass_interval_s: float | None = None
    outage: StateOutage = field(default_factory=StateOutage)
    finishing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def not_ready_reason(self) -> str | None:
        """Why nothing should be sent here; None where all is well."""
        return self.outage.reason or self.state.not_ready_reason

    @property
    def leaves_fleet_to_others(self) -> bool:
        """Another process keeps the fleet, at manifests that are not those here."""
        return self.revisions is not None and self.revisions.leaves_to_others
