"""What the rest of the world does at the very moment of a request: portal, merchants, gateways, pages that shift.

Without sockets: none is the subject here, and there are many points.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.crash_proof import CrashProof
from tests.crash.disturbance import WORLD_FAULTS
from tests.emulator import Emulator

SPELLING_SETTINGS = {"tidyNames": True, "sortLists": True, "lowerWords": True}


@pytest.mark.computes
@pytest.mark.parametrize("fault", [fault for fault in WORLD_FAULTS if fault != "page shifted"])
def test_whatever_the_world_does_at_a_request_the_end_is_the_same(
    proof: CrashProof, fault: str, record_property: Callable[[str, object], None]
) -> None:
    points = proof.points(fault)
    assert points
    assert list(proof.problems_at(fault, points)) == []
    record_property("points at which the world interferes", len(points))


@pytest.mark.computes
def test_pages_that_shift_between_two_reads_end_in_the_same(
    tmp_path: Path, emulator_in_process: Emulator, proof: CrashProof, record_property: Callable[[str, object], None]
) -> None:
    cut = CrashProof(tmp_path / "cut", emulator_in_process, page_size=2)
    assert cut.expected_end == proof.expected_end
    assert cut.undisturbed.requests.count("GET /meta/companies") > 1
    points = cut.points("page shifted")
    assert list(cut.problems_at("page shifted", points)) == []
    record_property("points at which the world interferes", len(points))


def test_a_service_that_spells_in_its_own_way_comes_to_rest(
    tmp_path: Path, emulator_in_process: Emulator, proof: CrashProof
) -> None:
    own = CrashProof(tmp_path / "own", emulator_in_process, settings=SPELLING_SETTINGS)
    assert own.expected_end.keys() == proof.expected_end.keys()
