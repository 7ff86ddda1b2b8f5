"""One merchant and one run that writes once or twice, disturbed around each of its writes, and made good."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from controller.model.report import FleetReport
from state import open_state
from tests.crash.disturbance import Disturbance, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import Place

FAULTS_AT_WRITES = ("killed before the request", "killed after the request", "answer lost", "dropped", "429")
MAX_APPLIES_AFTER = 5

Point = tuple[str, int]


class OneWriteProof:
    """The world before the run, made once by `prepare` and set up anew for each point.

    allow  what the run is allowed
    ended  whether all is as after the undisturbed run; a minute passes between two applies
    """

    def __init__(
        self,
        folder: Path,
        emulator: Emulator,
        prepare: Callable[[Place], None],
        allow: tuple[str, ...],
        ended: Callable[[Place], bool],
    ) -> None:
        self._folder, self._emulator, self._allow, self._ended = folder, emulator, allow, ended
        (folder / "before").mkdir()
        prepare(Place(folder / "before", emulator))
        emulator.advance("PT10S")
        emulator.control("POST", "/snapshot")
        trace = _Trace()
        self._run(self._set_up("trace"), trace)
        self.points = tuple(trace.points())

    def problems(self) -> Iterator[Point]:
        """The points from which a few applies do not lead to the end."""
        for fault, at in self.points:
            place = self._set_up(f"{fault} at {at}")
            self._run(place, Disturbance(fault, at, order_fault=self._emulator.fault))
            if not self._is_made_good(place):
                yield fault, at
            self._emulator.control("DELETE", "/faults")
            shutil.rmtree(place.folder)

    def _set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        shutil.copytree(self._folder / "before", self._folder / name)
        place = Place(self._folder / name, self._emulator)
        place.set_create_settle(5.01, late=60)
        place.skip_waits()
        return place

    def _run(self, place: Place, disturbance: Disturbance) -> None:
        try:
            with disturbed(place, disturbance):
                place.apply_or_plan(allow=self._allow, parallelism=1)
        except BaseException:
            if not disturbance.is_dead:
                raise
        asyncio.run(_unlock(place))

    def _is_made_good(self, place: Place) -> bool:
        for _ in range(MAX_APPLIES_AFTER):
            report = place.apply_or_plan(allow=self._allow, parallelism=1)
            if isinstance(report, FleetReport) and self._ended(place) and not asyncio.run(_count_open_intents(place)):
                return True
            self._emulator.advance("PT1M")
        return False


@dataclass
class _Trace(Disturbance):
    """An undisturbed run, and how many requests had left before each of its commits."""

    left_before_commits: list[int] = field(default_factory=list)

    def before_commit(self, name: str) -> bool:
        self.left_before_commits.append(len(self.requests))
        return super().before_commit(name)

    def points(self) -> Iterator[Point]:
        """Faults of the first write, the worst of those after it, the death once it is settled, and the first and last
        reads before it, where they lag behind."""
        first, *others = [at for at, request in enumerate(self.requests) if not request.startswith("GET ")]
        yield from ((fault, first) for fault in FAULTS_AT_WRITES)
        yield from ((fault, at) for fault in ("killed before the request", "dropped") for at in others)
        yield from (("stale several times", at) for at in (0, first - 1))
        # A death before the commit that announces a write, or settles it, is one of those at the request.
        settled = next(at for at, left in enumerate(self.left_before_commits) if left > first)
        yield "killed after the commit", settled


async def _unlock(place: Place) -> None:
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()


async def _count_open_intents(place: Place) -> int:
    async with open_state(place.settings.state) as store:
        return len(await store.intents.load_open())
