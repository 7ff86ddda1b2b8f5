"""The same points with a real process that is really killed: some in every run, all of them in the soak."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.crash_proof import CrashProof, Point
from tests.crash.disturbance import KILL_FAULTS
from tests.end_to_end.place import Place
from tests.processes import run_python

SAMPLED_POINTS = 5
"""Points of each kind of death, spread over the run."""


@pytest.mark.waits
@pytest.mark.parametrize("fault", KILL_FAULTS)
def test_a_process_killed_at_a_point_is_made_good_by_the_next(
    proof_over_tcp: CrashProof, fault: str, record_property: Callable[[str, object], None]
) -> None:
    points = proof_over_tcp.points(fault)
    some = points[:: len(points) // SAMPLED_POINTS]
    _kill(proof_over_tcp, fault, some)
    record_property("real kills", len(some))


@pytest.mark.soak
@pytest.mark.parametrize("fault", KILL_FAULTS)
def test_a_process_killed_at_every_point_is_made_good(proof_over_tcp: CrashProof, fault: str) -> None:
    _kill(proof_over_tcp, fault, proof_over_tcp.points(fault))


def _kill(proof: CrashProof, fault: str, points: list[Point]) -> None:
    for at, point in points:
        place = proof.stage.set_up(f"{fault} at {at}")
        assert _victim(place, fault, at) == -signal.SIGKILL, f"{fault} at {at} {point} did not happen"
        assert list(proof.problems_after_recovery(place, fault)) == [], f"{fault} at {at} {point}"


def _victim(place: Place, fault: str, at: int) -> int:
    command = [sys.executable, "-m", "tests.crash.victim", str(place.folder), place.emulator.url]
    root = Path(__file__).parents[2]
    return run_python([*command, place.emulator.api_key, fault, str(at)], cwd=root, timeout=300).returncode
