"""A merchant's move to another platform, disturbed around each of its writes: one new connection, never two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.around_a_write import OneWriteProof
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.test_moving_a_merchant import MOVE, QUICKBOOKS_PROFILE, RELEASED, accounting


def to_move(place: Place) -> None:
    place.provision("ann")
    place.profile("us", **QUICKBOOKS_PROFILE)
    place.merchant("ann", profile="us", policy=MOVE)


def linked_beside_the_old_one(place: Place) -> None:
    to_move(place)
    place.apply()
    place.consent_everyone()


@pytest.mark.parametrize(
    ("before", "end"),
    [(to_move, {"gbol": "Linked", "qhyg": "PendingAuth"}), (linked_beside_the_old_one, {"qhyg": "Linked"})],
)
def test_a_move_disturbed_around_its_write_ends_as_the_undisturbed_one(
    tmp_path: Path,
    emulator: Emulator,
    before: Callable[[Place], None],
    end: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    proof = OneWriteProof(tmp_path, emulator, before, RELEASED, lambda place: accounting(place) == end)
    assert list(proof.problems()) == []
    record_property("crash points", len(proof.points))
