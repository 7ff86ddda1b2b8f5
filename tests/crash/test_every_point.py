"""Every request and every commit of a provisioning run, disturbed in every way: no twin, no loss, the same end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.disturbance import FAULTS, REQUEST_FAULTS, Disturbance
from tests.crash.scenario import complaints, end_state, learn, prepare, recover, undergo

AT_LEAST = 13
"""So many points a fault has at least: a proof that explores nothing proves nothing. All in all they are about 250."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_disturbed_at_any_point_ends_as_the_undisturbed_one(tmp_path: Path, emulator: Any, fault: str) -> None:
    place = prepare(tmp_path / "undisturbed", emulator)
    trace = learn(place)
    recover(place)
    undisturbed = end_state(place)
    assert complaints(place, undisturbed) == []
    points = points_of(fault, trace)
    assert len(points) >= AT_LEAST
    wrong: list[str] = []
    for at, point in points:
        place = prepare(tmp_path / str(at), emulator)
        disturbance = Disturbance(fault, at, order=emulator.fault)
        undergo(place, disturbance)
        assert disturbance.dead == (fault not in REQUEST_FAULTS), f"{fault} at {point} did not happen"
        assert emulator.control("GET", "/faults")["faults"] == [], f"{fault} at {point} did not happen"
        recover(place)
        wrong += [f"{fault} at {at} {point}: {each}" for each in complaints(place, undisturbed)]
    assert wrong == []


def points_of(fault: str, trace: Disturbance) -> list[tuple[int, str]]:
    """The points of the trace that a fault can happen at, by number; only a read can be stale."""
    points = enumerate(trace.commits if "commit" in fault else trace.requests)
    return [(at, point) for at, point in points if fault != "stale" or point.startswith("GET ")]
