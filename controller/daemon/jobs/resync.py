"""Everyone is looked at once in each interval, evenly spread: each merchant has its own moment in it, by its name.

A look at everyone at once would come in bursts, and leave nothing of the pace to whatever happens meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from zlib import crc32

from controller.daemon.context import DaemonState
from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Lane, Queue
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE, NEVER
from controller.quick_dataclasses import dataclass

PARTS_OF_INTERVAL = 20
"""Into so many parts an interval is divided: nobody waits longer than that much over it, and each part costs a listing
of the companies."""

MIN_INTERVAL_S = 0.2

SHARE_OF_PACE = 0.8
"""What of the pace a look at each merchant in turn may count on: the rest is for events and people."""


@dataclass(frozen=True, slots=True)
class Resync:
    """Puts those into the queue whose moment has come since they were looked at. `now`: this machine's clock."""

    queue: Queue
    state: DaemonState
    names: Callable[[], Iterable[str]]
    now: Callable[[], datetime]
    interval_s: float

    @property
    def timer(self) -> Timer:
        return Timer("resync", max(MIN_INTERVAL_S, self.interval_s / PARTS_OF_INTERVAL), self.enqueue_due)

    async def enqueue_due(self) -> None:
        if self.state.full_pass_under_way:
            return
        now, asked = self.now(), self.state.resync_asked_at
        latest = {name: _never_if_in_future(at, now) for name, at in self.state.latest.looked_at.items()}
        for name, at in asked.items():
            latest[name] = max(_never_if_in_future(at, now), latest.get(name, NEVER))
        names = frozenset(self.names())
        if self.state.ready:
            # However somebody was missed by the look at everyone: the next one may be a day away.
            # Not who has just come with a revision: that is looked at as one (`split_into_passes`).
            missed = names - latest.keys() - self.state.revised
            latest |= dict.fromkeys(missed, NEVER)
        due = select_due_for_resync(sorted(names), latest, now, timedelta(seconds=self.interval_s))
        for gone in asked.keys() - names:
            del asked[gone]
        asked.update(dict.fromkeys(due, now))
        self.queue.add(due, lane=Lane.RESYNC)


def select_due_for_resync(
    names: Iterable[str], looked_at: Mapping[str, datetime], now: datetime, interval: timedelta
) -> list[str]:
    """Whose moment has come since the last look. Pure. Whoever was never looked at waits for the look at everyone."""
    return [name for name in names if name in looked_at and looked_at[name] < _latest_turn(name, now, interval)]


def max_look_age_s(merchant_count: int, interval_s: float, requests_per_minute: int) -> float:
    """How old the oldest look may grow while Codat answers, in seconds: a tenth over the interval, or over what a look
    at each takes where the pace allows no shorter one. Pure."""
    return 1.1 * max(interval_s, merchant_count * 60 / (SHARE_OF_PACE * requests_per_minute))


def _never_if_in_future(at: datetime, now: datetime) -> datetime:
    """A look in the future, before the clock was put back, keeps nobody from being looked at until then."""
    return at if at <= now + MAX_CLOCK_DIFFERENCE else NEVER


def _latest_turn(name: str, now: datetime, interval: timedelta) -> datetime:
    offset = interval.total_seconds() * crc32(name.encode()) / 2**32
    return now - timedelta(seconds=(now.timestamp() - offset) % interval.total_seconds())
