"""The proof: a run disturbed at a point, made good, and all that is wrong then. Nothing is, whatever the point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.crash.disturbance import KILLS, READ_FAULTS, Disturbance
from tests.crash.scenario import Stage, complaints, end_state, lag, learn, recover, undergo
from tests.end_to_end.place import Place, writes

Point = tuple[int, str]

EXTRA_READS = {
    **dict.fromkeys(KILLS, 4),
    **dict.fromkeys(("answer lost", "truncated", "garbled", "500 done"), 3),
    **dict.fromkeys(("dropped", "500 not done", "503"), 7),
    "429": 1,
    "stale": 5,
    "stale several times": 11,
    "unreadable": 11,
    "undeclared field edited": 0,
    "declared field edited": 8,
}
"""So many reads more than the undisturbed run a fault may cost, at whichever point. A look at this fleet takes five.

killed              after the death: the looks for what was begun, and a merchant asked for by its id
429                 the same read again
answer lost …       the same read again; a write is looked for, a create in a list and by its id
dropped …           one more look at the fleet, for the merchant whose write was not done
stale, edited       one more look at the fleet for each merchant that seems to have moved
unreadable          five attempts, and one more look at the fleet
"""


class Proof:
    """One stage, its undisturbed run, and what came of it."""

    def __init__(self, folder: Path, emulator: Any) -> None:
        self.stage, self._emulator = Stage(folder, emulator), emulator
        place = self.stage.set_up("undisturbed")
        with place.counted() as counts:
            self.trace = learn(place)
            recover(place)
        self._reads, self.end = _reads(counts), end_state(place)
        assert complaints(place, self.end) == []

    def points(self, fault: str) -> list[Point]:
        """The points of the trace that a fault can happen at, by number."""
        points = enumerate(self.trace.commits if "commit" in fault else self.trace.requests)
        return [(at, point) for at, point in points if fault not in READ_FAULTS or point.startswith("GET ")]

    def try_all(self, fault: str, points: Iterable[Point]) -> Iterator[str]:
        """All that is wrong after a run that was disturbed at one of the points and made good, point after point."""
        for at, point in points:
            place = self.stage.set_up(f"{fault} at {at}")
            for each in self._tried(place, fault, at):
                yield f"{fault} at {at} {point}: {each}"

    def _tried(self, place: Place, fault: str, at: int) -> Iterator[str]:
        disturbance = Disturbance(fault, at, order=self._emulator.fault, edit=self.stage.edit)
        with place.counted() as during:
            undergo(place, disturbance)
        if not disturbance.happened or disturbance.dead != (fault in KILLS):
            yield "did not happen"
        yield from self.made_good(place, fault, 0 if disturbance.dead else _reads(during))

    def made_good(self, place: Place, fault: str, before: int = 0) -> Iterator[str]:
        """What is wrong after applying until all is well. What the service shows after a crash may be a bit behind."""
        if fault in KILLS:
            lag(place)
        with place.counted() as after:
            recover(place)
        extra = before + _reads(after) - self._reads
        self._emulator.control("DELETE", "/faults")
        if extra > EXTRA_READS[fault]:
            yield f"{extra} extra reads"
        yield from complaints(place, self.end)
        yield from self.stage.lost_edits(place)


def _reads(counts: Counter[str]) -> int:
    return counts.total() - sum(writes(counts).values())
