"""A rollout killed after every commit and around every write, taken up again; and its undoing likewise."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.errors import MerchantctlError
from controller.model.report import FleetPlan
from controller.model.rollout import ACTIVE_ROLLOUT_STATES, RolloutPreview, RolloutSpec, RolloutState
from controller.model.run_policy import Scope
from controller.rollout import operations as rollouts
from controller.rollout.operations import ProgressSink, StartRequest, UndoRequest
from state import open_state
from tests.crash.disturbance import FAULTS_AT_COMMITS, Disturbance, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call

ROLLOUT_MERCHANTS = ("m-00000", "m-00001")
ROLLOUT_TIPS, ROLLOUT_CARDS = "Tips payable", "Gift cards outstanding"
ROLLOUT_KILLS = ("killed after the commit", "killed before the request", "killed after the request")
MIN_POINTS = 12
NO_PROGRESS = ProgressSink(lambda sentence: None)


class RolloutStage:
    """Two merchants in sync whose profile has just changed; made once, set up anew for each point."""

    def __init__(self, folder: Path, emulator: Emulator, *, rolled: bool) -> None:
        self._folder, self._emulator = folder, emulator
        (folder / "before").mkdir()
        place = self._place("before")
        emulator.seed(len(ROLLOUT_MERCHANTS), "configured")
        for name in ROLLOUT_MERCHANTS:
            place.merchant(name)
        declare_account(place, ROLLOUT_TIPS)
        place.apply()
        self.before = {name: place.document(name) for name in ROLLOUT_MERCHANTS}
        declare_account(place, ROLLOUT_CARDS)
        if rolled:
            run_rollout(place)
        emulator.control("POST", "/snapshot")

    def set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        shutil.copytree(self._folder / "before", self._folder / name)
        return self._place(name)

    def _place(self, name: str) -> Place:
        place = Place(self._folder / name, self._emulator)
        place.settings = replace(place.settings, parallelism=1)
        return place


def declare_account(place: Place, account: str) -> None:
    place.profile(schedule={}, mapping={"sales": {"accounts": {"gratuity": {"name": account}}}})


def run_rollout(place: Place) -> None:
    """Begins the rollout, or goes on with the one that stands."""
    asyncio.run(_unlocked(place))
    try:
        state = asyncio.run(rollouts.load_status(place.settings, None)).state
    except MerchantctlError:
        opening = StartRequest(Scope(), RolloutSpec(("1", "100%")), lambda prospect: True)
        assert not isinstance(
            asyncio.run(rollouts.start_rollout(place.settings, opening, NO_PROGRESS, environment=place.environment)),
            RolloutPreview,
        )
        return
    if state is RolloutState.RUNNING:
        asyncio.run(rollouts.pause_rollout(place.settings, None))  # it died, and lives on as this test
    if state in ACTIVE_ROLLOUT_STATES:
        asyncio.run(rollouts.resume_rollout(place.settings, None, None, NO_PROGRESS, environment=place.environment))


def run_undo(place: Place) -> None:
    asyncio.run(_unlocked(place))
    if asyncio.run(rollouts.load_status(place.settings, None)).state is not RolloutState.UNDONE:
        told = UndoRequest(None, (), lambda plan: True)
        undone = asyncio.run(rollouts.undo_rollout(place.settings, told, NO_PROGRESS, environment=place.environment))
        assert not isinstance(undone, FleetPlan)


async def _unlocked(place: Place) -> None:
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()


def run_killed(place: Place, act: Callable[[Place], None], disturbance: Disturbance) -> None:
    try:
        with disturbed(place, disturbance):
            act(place)
    except BaseException:
        if not disturbance.is_dead:
            raise


def point_numbers(place: Place, act: Callable[[Place], None], fault: str) -> Iterator[int]:
    """The commits of an undisturbed run, or its POSTs."""
    looking = Disturbance()
    run_killed(place, act, looking)
    if fault in FAULTS_AT_COMMITS:
        yield from range(len(looking.commits))
    else:
        yield from (at for at, request in enumerate(looking.requests) if request.startswith("POST "))


@pytest.mark.computes
@pytest.mark.parametrize("fault", ROLLOUT_KILLS)
def test_a_rollout_killed_anywhere_writes_to_everyone_once(
    tmp_path: Path, emulator: Emulator, fault: str, record_property: Callable[[str, object], None]
) -> None:
    stage = RolloutStage(tmp_path, emulator, rolled=False)
    explored = list(point_numbers(stage.set_up("looking"), run_rollout, fault))
    for at in explored:
        place = stage.set_up(f"at-{at}")
        with place.count_requests() as counts:
            run_killed(place, run_rollout, Disturbance(fault, at))
            run_rollout(place)
        assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(ROLLOUT_MERCHANTS)}, at
        assert asyncio.run(rollouts.load_status(place.settings, None)).state is RolloutState.DONE, at
        assert place.plan().counts == {}, at
    record_property("crash points", len(explored))


@pytest.mark.parametrize("fault", ROLLOUT_KILLS)
def test_an_undo_killed_anywhere_puts_everyone_back_once_and_holds_them(
    tmp_path: Path, emulator: Emulator, fault: str
) -> None:
    stage = RolloutStage(tmp_path, emulator, rolled=True)
    for at in list(point_numbers(stage.set_up("looking"), run_undo, fault)):
        place = stage.set_up(f"at-{at}")
        with place.count_requests() as counts:
            run_killed(place, run_undo, Disturbance(fault, at))
            run_undo(place)
            place.apply()
        assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(ROLLOUT_MERCHANTS)}, at
        assert {name: place.document(name) for name in ROLLOUT_MERCHANTS} == stage.before, at


def test_the_points_are_more_than_a_dozen(tmp_path: Path, emulator: Emulator) -> None:
    place = RolloutStage(tmp_path, emulator, rolled=False).set_up("looking")
    looking = Disturbance()
    run_killed(place, run_rollout, looking)
    assert len(looking.commits) > MIN_POINTS
