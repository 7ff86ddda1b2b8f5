"""A merchant's move to another platform, disturbed around each of its writes: one new connection, never two."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.model.report import FleetReport
from state import open_state
from tests.crash.disturbance import FAULTS_AT_COMMITS, Disturbance, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.test_moving_a_merchant import MOVE, QUICKBOOKS_PROFILE, RELEASED, accounting

FAULTS_AT_WRITES = (
    "killed before the request",
    "killed after the request",
    "answer lost",
    "dropped",
    "500 done",
    "429",
)
MAX_APPLIES_AFTER = 4


class MoveStage:
    """Ann on Xero and to move; set up anew for each point. `begun`: her new connection is linked beside the old one."""

    def __init__(self, folder: Path, emulator: Emulator, *, begun: bool) -> None:
        self._folder, self._emulator = folder, emulator
        (folder / "before").mkdir()
        place = self._place("before")
        place.provision("ann")
        place.profile("us", **QUICKBOOKS_PROFILE)
        place.merchant("ann", profile="us", policy=MOVE)
        if begun:
            place.apply()
            place.consent_everyone()
        emulator.advance("PT10S")
        emulator.control("POST", "/snapshot")

    def set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        shutil.copytree(self._folder / "before", self._folder / name)
        place = self._place(name)
        place.set_create_settle(5.01, late=60)
        place.skip_waits()
        return place

    def _place(self, name: str) -> Place:
        return Place(self._folder / name, self._emulator)


def run_move(place: Place, disturbance: Disturbance) -> None:
    try:
        with disturbed(place, disturbance):
            place.apply_or_plan(allow=RELEASED, parallelism=1)
    except BaseException:
        if not disturbance.is_dead:
            raise
    asyncio.run(_unlocked(place))


async def _unlocked(place: Place) -> None:
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()


async def _open_intents(place: Place) -> int:
    async with open_state(place.settings.state) as store:
        return len(await store.intents.load_open())


def apply_until(place: Place, wanted: dict[str, str]) -> bool:
    """Whether a few further applies lead there, and leave nothing open."""
    for _ in range(MAX_APPLIES_AFTER):
        report = place.apply_or_plan(allow=RELEASED, parallelism=1)
        if accounting(place) == wanted and isinstance(report, FleetReport) and not asyncio.run(_open_intents(place)):
            return True
    return False


@pytest.mark.parametrize(
    ("begun", "wanted"), [(False, {"gbol": "Linked", "qhyg": "PendingAuth"}), (True, {"qhyg": "Linked"})]
)
def test_a_move_disturbed_anywhere_ends_as_the_undisturbed_one(
    tmp_path: Path,
    emulator: Emulator,
    begun: bool,
    wanted: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    stage = MoveStage(tmp_path, emulator, begun=begun)
    looking = Disturbance()
    run_move(stage.set_up("looking"), looking)
    explored = list(move_points(looking))
    for fault, at in explored:
        place = stage.set_up(f"{fault} at {at}")
        run_move(place, Disturbance(fault, at, order_fault=emulator.fault))
        assert apply_until(place, wanted), (fault, at, accounting(place))
        emulator.control("DELETE", "/faults")
        shutil.rmtree(place.folder)
    record_property("crash points", len(explored))


def move_points(looking: Disturbance) -> Iterator[tuple[str, int]]:
    """Around the one write: faults of it, deaths around the commits of its intent, and reads that lag behind it."""
    (write,) = [at for at, request in enumerate(looking.requests) if not request.startswith("GET ")]
    yield from ((fault, write) for fault in FAULTS_AT_WRITES)
    yield from (("stale several times", at) for at in range(write))
    commits = [at for at, name in enumerate(looking.commits) if name.startswith("Intents.")]
    yield from ((fault, at) for fault in FAULTS_AT_COMMITS for at in commits)
