"""How soon events are answered while one of two controllers is killed 20 times and PostgreSQL goes away twice. That no
company comes twice, nothing is lost and all ends as declared, the story asserts itself."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.stage import Figure
from benchmarks.temporary_place import place_over_tcp
from tests.end_to_end.kills_and_outages import Phase, tell_kills_and_outages
from tests.postgresql import own_server

SEED = 2
USUAL_GOAL_S, TAKEOVER_GOAL_S = 3, 45


def measure() -> Iterator[Figure]:
    """Needs about eleven minutes, whatever the machine."""
    with place_over_tcp() as place, own_server() as server:
        phases = tell_kills_and_outages(place, server, SEED)
    for phase in phases:
        yield from _figures(phase)


def _figures(phase: Phase) -> Iterator[Figure]:
    goal = USUAL_GOAL_S if phase.name.startswith("quiet") else TAKEOVER_GOAL_S + phase.away_s
    what = f"event to mended, p95 of {len(phase.waits)}: {phase.name}"
    yield Figure(what, phase.p95, "s", f"<= {goal:.0f}")
    yield Figure("  slowest", phase.waits[-1], "s", f"<= {TAKEOVER_GOAL_S + phase.away_s:.0f}")
