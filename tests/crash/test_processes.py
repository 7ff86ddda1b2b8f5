"""The same points with a real process that is really killed: some in every run, all of them in the soak."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.disturbance import KILLS
from tests.crash.scenario import complaints, end_state, learn, prepare, recover
from tests.crash.test_every_point import points_of

FEW = 5
"""Points of each kind of death, spread over the run."""


@pytest.mark.parametrize("fault", KILLS)
def test_a_process_killed_at_a_point_is_made_good_by_the_next(tmp_path: Path, emulator: Any, fault: str) -> None:
    _kill_at_points(tmp_path, emulator, fault, FEW)


@pytest.mark.soak
@pytest.mark.parametrize("fault", KILLS)
def test_a_process_killed_at_every_point_is_made_good(tmp_path: Path, emulator: Any, fault: str) -> None:
    _kill_at_points(tmp_path, emulator, fault, None)


def _kill_at_points(tmp_path: Path, emulator: Any, fault: str, few: int | None) -> None:
    place = prepare(tmp_path / "undisturbed", emulator)
    points = points_of(fault, learn(place))
    recover(place)
    undisturbed = end_state(place)
    step = max(1, len(points) // few) if few else 1
    for at, point in points[::step]:
        place = prepare(tmp_path / str(at), emulator)
        assert _victim(place, fault, at) == -signal.SIGKILL, f"{fault} at {at} {point} did not happen"
        recover(place)
        assert complaints(place, undisturbed) == [], f"{fault} at {at} {point}"


def _victim(place: Any, fault: str, at: int) -> int:
    command = [sys.executable, "-m", "tests.crash.victim", str(place.folder), place.emulator.url]
    root = Path(__file__).parents[2]
    done = subprocess.run([*command, place.emulator.api_key, fault, str(at)], cwd=root, timeout=60, check=False)
    return done.returncode
