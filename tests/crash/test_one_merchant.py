"""One merchant, looked at by its id and written to on that look: disturbed at every point, like a run over a fleet.

its company · its document ── planned ── POST ── its document
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import pytest

from controller.model.report import FleetPlan, FleetReport
from controller.reconcile.recent_documents import RecentDocument, RecentDocuments
from tests.crash.crash_proof import CrashProof
from tests.emulator import Emulator, in_process_emulator
from tests.end_to_end.place import ApplyOptions, Place
from tests.stopwatch import Stopwatch

MERCHANT = "bob-00000"
"""It has consented, and gets its first configuration."""
FAULTS = (
    "killed before the request",
    "killed after the request",
    "answer lost",
    "garbled",
    "stale",
    "undeclared field edited",
    "edited after our POST",
    "edited while our POST waits",
)
"""Those that a read which serves as two, or a write that rests on it, could make worse."""


class PlaceOfOne(Place):
    """Every run here is about that merchant, and in no time but that of its requests."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        super().__init__(folder, emulator)
        self.environment = Stopwatch().environment(self.environment)

    def apply_or_plan(self, *targets: str, **options: Unpack[ApplyOptions]) -> FleetReport | FleetPlan:
        return super().apply_or_plan(MERCHANT, **options)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> CrashProof:
    folder = tmp_path_factory.mktemp("proof of one") / "stage"
    return CrashProof(folder, in_process_emulator(), open_place=PlaceOfOne)


def test_its_document_is_read_once_before_the_post_and_once_after_it(proof: CrashProof) -> None:
    calls = [request.partition(" ")[0] + request.rpartition("/")[2] for request in proof.undisturbed.requests]
    assert calls[-3:] == ["GETcommerce", "POSTcommerce", "GETcommerce"]
    assert calls.count("GETcommerce") == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_look_at_one_disturbed_at_any_point_ends_as_the_undisturbed_one(
    proof: CrashProof, fault: str, record_property: Callable[[str, object], None]
) -> None:
    """An edit before any request but the POST itself is kept: there lies more than a moment between the two reads."""
    points = proof.points(fault)
    assert list(proof.problems_at(fault, points)) == []
    record_property("crash points", len(points))


def test_a_document_that_serves_twice_turns_the_proof_red(proof: CrashProof, monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps(self: RecentDocuments, merchant: str) -> RecentDocument | None:
        return self._by_merchant.get(merchant)

    monkeypatch.setattr(RecentDocuments, RecentDocuments.take.__name__, keeps)
    monkeypatch.setattr(RecentDocument, RecentDocument.is_fresh.__name__, lambda self, now: True)
    fault = "edited while our POST waits"
    assert any("an undeclared field was lost" in each for each in proof.problems_at(fault, proof.points(fault)))
