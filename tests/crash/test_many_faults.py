"""Several faults in one run, several such runs in a row, deaths among them: whatever the seed, the same end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.disturbance import EDITS, FAULTS, KILLS, READ_FAULTS, Disturbance
from tests.crash.proof import Proof
from tests.crash.scenario import complaints, lag, recover, undergo
from tests.end_to_end.place import Place

FEW, MANY, BATCHES = 12, 100, 10
PLAIN = (*(each for each in FAULTS if each not in EDITS and each not in READ_FAULTS), "unreadable")
"""Old answers come by `lag` here: an edit that a fresh read does not show yet is lost, and nobody could know."""


def test_a_few_stories_of_many_faults_end_well(tmp_path: Path, emulator: Any) -> None:
    assert _wrong(tmp_path, emulator, range(FEW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("batch", range(1, 1 + BATCHES))
def test_many_stories_of_many_faults_end_well(tmp_path: Path, emulator: Any, batch: int) -> None:
    assert _wrong(tmp_path, emulator, range(batch * MANY, (batch + 1) * MANY)) == []


def _wrong(folder: Path, emulator: Any, seeds: Sequence[int]) -> list[str]:
    proof = Proof(folder, emulator)
    return [f"seed {seed}: {each}" for seed in seeds for each in _told(proof, emulator, seed)]


def _told(proof: Proof, emulator: Any, seed: int) -> list[str]:
    """One story, its end made good, and what is wrong then."""
    place, chance = proof.stage.set_up(str(seed)), Random(seed)
    edited = chance.random() < 0.5
    for _ in range(chance.randint(1, 4)):
        died = _suffer(proof, place, chance, (*PLAIN, *EDITS) if edited else PLAIN)
        emulator.control("DELETE", "/faults")
        if died and not edited:
            lag(place)
    recover(place)
    emulator.control("DELETE", "/faults")
    return complaints(place, proof.end) + proof.stage.lost_edits(place)


def _suffer(proof: Proof, place: Place, chance: Random, faults: Sequence[str]) -> bool:
    """A run with one to four disturbances, and whether it died of one."""
    longest = len(proof.trace.requests)
    disturbances = [
        Disturbance(chance.choice(faults), chance.randrange(longest), place.emulator.fault, proof.stage.edit)
        for _ in range(chance.randint(1, 4))
    ]
    undergo(place, *disturbances)
    return any(each.dead and each.fault in KILLS for each in disturbances)
