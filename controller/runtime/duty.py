"""What the controller on duty was given, and the board on which it keeps what it saw last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from signal import Signals

from controller.model.latest import Latest, after
from controller.model.merchant import Complaint, Fleet
from controller.reconcile.survey import Run
from controller.reconcile.world import Stop
from controller.runtime.passes import Pass, Setback
from controller.runtime.revision import Revisions
from controller.runtime.scheduler import Timer
from controller.runtime.telling import Voice
from controller.runtime.workqueue import Queue


@dataclass(slots=True)
class Board:
    """What changes while the controller is on duty, for whoever asks.

    stop           of the pass in hand
    signal         the signal that ends the service, once it came
    ready          a pass over everyone has come through
    failing_since  since when no pass has come through
    next_at        when everyone is looked at again at the latest
    """

    latest: Latest
    stop: Stop = field(default_factory=Stop)
    signal: Signals | None = None
    ready: bool = False
    failing_since: datetime | None = None
    next_at: datetime | None = None

    def new_stop(self) -> Stop:
        """For a pass that begins; where the signal came just before, it ends before it begins."""
        self.stop = Stop()
        if self.signal:
            self.leave(self.signal)
        return self.stop

    def leave(self, signal: Signals) -> None:
        """Nothing new is begun any more."""
        self.signal = signal
        self.stop.because(f"stopped by {signal.name}", signal=signal)

    def note(self, done: Pass, fleet: Fleet) -> None:
        """What a pass saw. One that came to nothing leaves what was seen before."""
        if not isinstance(done.seen, Setback):
            self.latest = after(self.latest, done.seen, fleet, everyone=done.everyone, at=done.ended)
        self.latest = replace(self.latest, trouble=done.trouble)
        self.ready = self.ready or (done.everyone and not done.cut_short)
        self.failing_since = (self.failing_since or done.began) if done.trouble else None

    def complain(self, complaints: tuple[Complaint, ...]) -> bool:
        """What is wrong with the manifests on disk; whether that is new."""
        moved = complaints != self.latest.complaints
        self.latest = replace(self.latest, complaints=complaints)
        return moved


@dataclass(frozen=True, slots=True)
class Duty:
    """What the controller on duty was given.

    run      an apply of everyone that nobody is asked about; each pass narrows it
    mends    False: drift is reported, nothing is written
    resync   seconds from the end of one look at everyone to the next
    hold     the state's lock, for one pass
    voice    tells the log, the metrics and the chat
    chores   what else is done by the clock
    """

    run: Run
    mends: bool
    resync: float
    queue: Queue
    revisions: Revisions
    board: Board
    hold: Callable[[], AbstractAsyncContextManager[None]]
    voice: Voice
    chores: tuple[Timer, ...] = ()
