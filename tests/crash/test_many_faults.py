"""Several faults in one run, several such runs in a row, deaths among them: whatever the seed, the same end."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from tests.crash.crash_proof import CrashProof
from tests.crash.disturbance import ALL_FAULTS, EDIT_FAULTS, KILL_FAULTS, READ_FAULTS, Disturbance
from tests.crash.scenario import apply_until_settled, make_reads_stale, problems, run_disturbed
from tests.end_to_end.place import Place

FEW, STORY_COUNT, BATCHES = 12, 100, 10
COMBINABLE_FAULTS = (
    *(each for each in ALL_FAULTS if each not in EDIT_FAULTS and each not in READ_FAULTS),
    "unreadable",
)
"""Old answers come by `make_reads_stale` here: an edit that a fresh read does not show yet is lost, and nobody could
know."""


@pytest.mark.computes
def test_a_few_stories_of_many_faults_end_well(proof: CrashProof) -> None:
    assert _wrong(proof, range(FEW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("batch", range(1, 1 + BATCHES))
def test_many_stories_of_many_faults_end_well(proof: CrashProof, batch: int) -> None:
    assert _wrong(proof, range(batch * STORY_COUNT, (batch + 1) * STORY_COUNT)) == []


def _wrong(proof: CrashProof, seeds: Sequence[int]) -> list[str]:
    return [f"seed {seed}: {each}" for seed in seeds for each in _told(proof, seed)]


def _told(proof: CrashProof, seed: int) -> list[str]:
    """One story, its end made good, and what is wrong then."""
    place, chance = proof.stage.set_up(f"story {seed}"), Random(seed)
    edited = chance.random() < 0.5
    for _ in range(chance.randint(1, 4)):
        died = _suffer(proof, place, chance, (*COMBINABLE_FAULTS, *EDIT_FAULTS) if edited else COMBINABLE_FAULTS)
        place.emulator.control("DELETE", "/faults")
        if died and not edited:
            make_reads_stale(place)
    apply_until_settled(place)
    place.emulator.control("DELETE", "/faults")
    return problems(place, proof.expected_end) + proof.stage.lost_edits(place)


def _suffer(proof: CrashProof, place: Place, chance: Random, faults: Sequence[str]) -> bool:
    """A run with one to four disturbances, and whether it died of one."""
    longest = len(proof.undisturbed.requests)
    disturbances = [
        Disturbance(chance.choice(faults), chance.randrange(longest), place.emulator.fault, proof.stage.edit)
        for _ in range(chance.randint(1, 4))
    ]
    run_disturbed(place, *disturbances)
    return any(each.is_dead and each.fault in KILL_FAULTS for each in disturbances)
