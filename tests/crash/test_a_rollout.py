"""A rollout killed after every commit and around every write, taken up again; and its undoing likewise."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller import rollouts
from controller.model.errors import MerchantctlError
from controller.model.report import FleetPlan
from controller.model.rollout import UNDER_WAY, Prospect, RolloutState, Terms
from controller.model.run import Scope
from controller.rollouts import Opening, Undoing, Watcher
from state import open_state
from tests.crash.disturbance import AT_COMMITS, Disturbance, disturbed
from tests.end_to_end.place import CONFIGURE, Place, writes

FLEET = ("m-00000", "m-00001")
TIPS, CARDS = "Tips payable", "Gift cards outstanding"
KILLS = ("killed after the commit", "killed before the request", "killed after the request")
A_DOZEN = 12
WATCHER = Watcher(lambda sentence: None)


class Stage:
    """Two merchants in sync whose profile has just changed; made once, set up anew for each point."""

    def __init__(self, folder: Path, emulator: Any, *, rolled: bool) -> None:
        self._folder, self._emulator = folder, emulator
        (folder / "before").mkdir()
        place = self._place("before")
        emulator.seed(len(FLEET), "configured")
        for name in FLEET:
            place.merchant(name)
        asks_for(place, TIPS)
        place.apply()
        self.before = {name: place.document(name) for name in FLEET}
        asks_for(place, CARDS)
        if rolled:
            go(place)
        emulator.control("POST", "/snapshot")

    def set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        shutil.copytree(self._folder / "before", self._folder / name)
        return self._place(name)

    def _place(self, name: str) -> Place:
        place = Place(self._folder / name, self._emulator)
        place.settings = replace(place.settings, parallelism=1)
        return place


def asks_for(place: Place, account: str) -> None:
    place.profile(schedule={}, mapping={"sales": {"accounts": {"gratuity": {"name": account}}}})


def go(place: Place) -> None:
    """Begins the rollout, or goes on with the one that stands."""
    asyncio.run(_unlocked(place))
    try:
        state = asyncio.run(rollouts.look_up(place.settings, None)).state
    except MerchantctlError:
        opening = Opening(Scope(), Terms(("1", "100%")), lambda prospect: True)
        assert not isinstance(asyncio.run(rollouts.start(place.settings, opening, WATCHER)), Prospect)
        return
    if state is RolloutState.RUNNING:
        asyncio.run(rollouts.pause(place.settings, None))  # it died, and lives on as this test
    if state in UNDER_WAY:
        asyncio.run(rollouts.resume(place.settings, None, None, WATCHER))


def go_back(place: Place) -> None:
    asyncio.run(_unlocked(place))
    if asyncio.run(rollouts.look_up(place.settings, None)).state is not RolloutState.UNDONE:
        undone = asyncio.run(rollouts.undo(place.settings, Undoing(None, (), lambda plan: True), WATCHER))
        assert not isinstance(undone, FleetPlan)


async def _unlocked(place: Place) -> None:
    async with open_state(place.settings.state) as store:
        await store.break_lock()


def killed(place: Place, act: Callable[[Place], None], disturbance: Disturbance) -> None:
    try:
        with disturbed(disturbance):
            act(place)
    except BaseException:
        if not disturbance.dead:
            raise


def points(place: Place, act: Callable[[Place], None], fault: str) -> Iterator[int]:
    """The commits of an undisturbed run, or its POSTs."""
    looking = Disturbance()
    killed(place, act, looking)
    if fault in AT_COMMITS:
        yield from range(len(looking.commits))
    else:
        yield from (at for at, request in enumerate(looking.requests) if request.startswith("POST "))


@pytest.mark.parametrize("fault", KILLS)
def test_a_rollout_killed_anywhere_writes_to_everyone_once(
    tmp_path: Path, emulator: Any, fault: str, record_property: Callable[[str, object], None]
):
    stage = Stage(tmp_path, emulator, rolled=False)
    explored = list(points(stage.set_up("looking"), go, fault))
    for at in explored:
        place = stage.set_up(f"at-{at}")
        with place.counted() as counts:
            killed(place, go, Disturbance(fault, at))
            go(place)
        assert writes(counts) == {CONFIGURE: len(FLEET)}, at
        assert asyncio.run(rollouts.look_up(place.settings, None)).state is RolloutState.DONE, at
        assert place.plan().counts == {}, at
    record_property("crash points", len(explored))


@pytest.mark.parametrize("fault", KILLS)
def test_an_undo_killed_anywhere_puts_everyone_back_once_and_holds_them(tmp_path: Path, emulator: Any, fault: str):
    stage = Stage(tmp_path, emulator, rolled=True)
    for at in list(points(stage.set_up("looking"), go_back, fault)):
        place = stage.set_up(f"at-{at}")
        with place.counted() as counts:
            killed(place, go_back, Disturbance(fault, at))
            go_back(place)
            place.apply()
        assert writes(counts) == {CONFIGURE: len(FLEET)}, at
        assert {name: place.document(name) for name in FLEET} == stage.before, at


def test_the_points_are_more_than_a_dozen(tmp_path: Path, emulator: Any):
    place = Stage(tmp_path, emulator, rolled=False).set_up("looking")
    looking = Disturbance()
    killed(place, go, looking)
    assert len(looking.commits) > A_DOZEN
