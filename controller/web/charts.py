"""What the dashboard draws: how numbers of the fleet went within a day, and how far a rollout is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from controller.model.rollout import MemberState
from controller.quick_dataclasses import dataclass
from state import Sample

CHARTED = timedelta(hours=24)

CHART_WIDTH, CHART_HEIGHT = 100, 24
"""Of a chart, in units of its viewBox."""


@dataclass(frozen=True, slots=True)
class DayChart:
    """One number within a day.

    begins_at  what the left edge of the chart stands for: a day ago, or the first sample where there was none for long
    points  of an area in the chart, as SVG writes them
    now, least, most  the last, smallest and largest number
    """

    label: str
    begins_at: datetime
    points: str
    now: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class WaveProgress:
    """How many merchants of a wave are done, failed, left to apply, and still to come."""

    number: int
    done: int
    failed: int
    deferred: int
    pending: int

    @property
    def size(self) -> int:
        return self.done + self.failed + self.deferred + self.pending


def fleet_charts(samples: Sequence[Sample], now: datetime) -> tuple[DayChart, ...]:
    """Merchants that are not in sync, that drifted, and that are ready; none before there are two samples."""
    numbers: Sequence[tuple[str, Callable[[Mapping[str, int]], int]]] = (
        ("not in sync", lambda counts: counts.get("merchants", 0) - counts.get("status.in-sync", 0)),
        ("drifted", lambda counts: counts.get("drifted", 0)),
        ("ready to sync", lambda counts: counts.get("condition.Ready", 0)),
    )
    if len(samples) < 2:
        return ()
    return tuple(
        _day_chart(label, [(each.at, value(each.counts)) for each in samples], now) for label, value in numbers
    )


def _day_chart(label: str, values: Sequence[tuple[datetime, int]], now: datetime) -> DayChart:
    numbers = [number for _, number in values]
    top = max(*numbers, 1)
    first = values[0][0]
    since = first if now - first < CHARTED - timedelta(hours=1) else now - CHARTED
    span = max(now - since, timedelta(seconds=1))

    def point(at: datetime, number: int) -> str:
        x = CHART_WIDTH * max(0.0, min(1.0, (at - since) / span))
        return f"{x:.1f},{CHART_HEIGHT * (1 - number / top):.1f}"

    line = [point(at, number) for at, number in (*values, (now, numbers[-1]))]
    corners = [point(first, 0), *line, point(now, 0)]
    return DayChart(label, since, " ".join(corners), numbers[-1], min(numbers), max(numbers))


def wave_progress(counts: Mapping[tuple[int, str], int]) -> tuple[WaveProgress, ...]:
    """By wave, from how many merchants of (wave, state of the member) there are."""
    waves = sorted({wave for wave, _ in counts})
    return tuple(
        WaveProgress(
            wave,
            done=counts.get((wave, MemberState.DONE), 0) + counts.get((wave, MemberState.UNDONE), 0),
            failed=counts.get((wave, MemberState.FAILED), 0) + counts.get((wave, MemberState.NOT_REVERTED), 0),
            deferred=counts.get((wave, MemberState.DEFERRED), 0),
            pending=counts.get((wave, MemberState.PENDING), 0) + counts.get((wave, MemberState.IN_PROGRESS), 0),
        )
        for wave in waves
    )
