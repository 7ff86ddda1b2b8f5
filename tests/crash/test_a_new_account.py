"""An account that is created in a merchant's books, disturbed around its push and its pull: one account, never two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.crash.around_a_write import OneWriteProof
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.test_creating_an_account import NEW_CARD, RELEASED, accounts, declare


def lacking(place: Place) -> None:
    declare(place, NEW_CARD)
    place.merchant("ann")
    place.apply()
    place.consent_everyone()


def is_mapped(place: Place) -> bool:
    assert len(accounts(place)) <= 1
    return bool(place.document("ann")["configured"])


def test_a_new_account_disturbed_around_its_writes_is_created_once_and_mapped(
    tmp_path: Path, emulator: Emulator, record_property: Callable[[str, object], None]
) -> None:
    proof = OneWriteProof(tmp_path, emulator, lacking, RELEASED, is_mapped)
    assert list(proof.problems()) == []
    record_property("crash points", len(proof.points))
