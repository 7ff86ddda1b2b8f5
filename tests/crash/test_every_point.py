"""Every request and every commit of a provisioning run, disturbed in every way: no twin, no loss, the same end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.disturbance import FAULTS
from tests.crash.proof import Proof

HUNDREDS = 300
"""A proof that explores little proves little. How many points there were the last line of a test run says."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_disturbed_at_any_point_ends_as_the_undisturbed_one(
    tmp_path: Path, emulator: Any, fault: str, record_property: Callable[[str, object], None]
) -> None:
    proof = Proof(tmp_path, emulator)
    points = proof.points(fault)
    assert list(proof.try_all(fault, points)) == []
    record_property("crash points", len(points))


def test_the_points_are_hundreds(tmp_path: Path, emulator: Any) -> None:
    proof = Proof(tmp_path, emulator)
    assert sum(len(proof.points(fault)) for fault in FAULTS) >= HUNDREDS
