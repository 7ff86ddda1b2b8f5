"""A state that takes no more once all is written: what was done is told all the same."""

from __future__ import annotations

import sqlite3

import pytest

from controller.model.report import Applied
from tests.emulator import Emulator
from tests.end_to_end.place import Place, outcome_of


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    return emulator_in_process


def refuse(place: Place, write: str) -> None:
    """From now on the state fails at that write, as a disk that is full would make it."""
    with sqlite3.connect(place.database) as database:
        database.execute(f"CREATE TRIGGER refuse BEFORE {write} BEGIN INSERT INTO nowhere VALUES (1); END")


def test_what_an_apply_did_is_told_though_its_lock_cannot_be_given_back(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", enabled=False)
    refuse(place, "DELETE ON locks")
    report = place.apply(allow=("disable",))
    assert outcome_of(report, "ann", Applied).writes == 1
    assert place.document("ann")["enabled"] is False


def test_manifests_that_cannot_be_put_in_force_hide_nothing_of_what_was_made(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", enabled=False)
    refuse(place, "INSERT ON revisions")
    done = place.run_in_process("apply", "--yes", "--revision", "--allow", "disable")
    assert done.returncode == 5
    assert "the changes are made, but these manifests are not in force: " in done.stdout
    assert "Apply: 1 done; 1 write." in done.stdout
    assert place.document("ann")["enabled"] is False


@pytest.mark.parametrize("write", ["INSERT ON events", "UPDATE ON runs", "UPDATE ON merchants"])
def test_a_state_that_fails_at_the_end_is_told_with_what_was_sent_by_then(place: Place, write: str) -> None:
    place.provision("ann")
    place.merchant("ann", enabled=False)
    refuse(place, write)
    done = place.run_in_process("apply", "--yes", "--allow", "disable")
    assert done.returncode == 1
    assert "By then 1 writing request had been sent." in done.stderr
    assert place.document("ann")["enabled"] is False
