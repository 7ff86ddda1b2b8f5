"""Two controllers on one state, one of them killed again and again, and PostgreSQL away twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.kills_and_outages import LOST_AFTER_S, tell_kills_and_outages
from tests.end_to_end.place import Place
from tests.postgresql import OwnServer, own_server


@pytest.fixture
def server() -> Iterator[OwnServer]:
    pytest.importorskip("procrastinate")
    with own_server() as started:
        yield started


@pytest.mark.soak
@pytest.mark.over_tcp
@pytest.mark.parametrize("seed", [1])
def test_whoever_is_killed_and_whatever_is_away_all_are_as_declared_in_the_end(
    place: Place, server: OwnServer, seed: int
) -> None:
    for phase in tell_kills_and_outages(place, server, seed):
        assert phase.waits[-1] < LOST_AFTER_S + phase.away_s, phase
