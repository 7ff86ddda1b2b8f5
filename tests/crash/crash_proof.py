"""The proof: a run disturbed at a point, made good, and all that is wrong then. Nothing is, whatever the point."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.crash.disturbance import KILL_FAULTS, READ_FAULTS, WORLD_FAULTS, Disturbance
from tests.crash.scenario import (
    CrashStage,
    apply_until_settled,
    end_state,
    make_reads_stale,
    problems,
    record_trace,
    run_disturbed,
)
from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call

Point = tuple[int, str]

MAX_EXTRA_READS = {
    **dict.fromkeys(KILL_FAULTS, 7),
    **dict.fromkeys(("answer lost", "truncated", "garbled", "500 done"), 5),
    **dict.fromkeys(("dropped", "500 not done", "503"), 9),
    "429": 1,
    "stale": 8,
    "stale several times": 14,
    "unreadable": 13,
    "undeclared field edited": 0,
    "edited after our POST": 5,
    "page shifted": 15,
    **dict.fromkeys(("edited while our POST waits", "gateway's 404", "gateway's 504, done"), 10),
    **dict.fromkeys(("consented", "completed late"), 20),
    "declared field edited": 9,
}
"""So many reads more than the undisturbed run a fault may cost, at whichever point. A look at this fleet takes five.

killed              after the death: three looks for what was begun, a merchant asked for by its id, and the looks
                    before and after the create that is done anew
429                 the same read again, or the one that the write rests on
answer lost …       the same read again; a write is looked for, a create in a list and by its id
dropped …           one more look at the fleet, for the merchant whose write was not done
completed late      two looks for the create, and one more look at the fleet
consented           the merchant who consented is looked at anew, and configured
stale, edited       one more look at the fleet for each merchant that seems to have moved
page shifted        the list is read again until its pages join, at most three times, page by page
unreadable          five attempts, and one more look at the fleet
"""


class CrashProof:
    """One stage, its undisturbed run, and what came of it."""

    def __init__(self, folder: Path, emulator: Emulator, **service: Any) -> None:
        self.stage, self._emulator = CrashStage(folder, emulator, **service), emulator
        place = self.stage.set_up("undisturbed")
        with place.count_requests() as counts:
            self.undisturbed = record_trace(place)
            apply_until_settled(place)
        self._reads, self.expected_end = _reads(counts), end_state(place)
        assert problems(place, self.expected_end) == []
        self.expected_end_with_consent = self._with_consent(place)

    def points(self, fault: str) -> list[Point]:
        """The points of the trace that a fault can happen at, by number."""
        points = enumerate(self.undisturbed.commits if "commit" in fault else self.undisturbed.requests)
        where = "GET .*" if fault in READ_FAULTS else WORLD_FAULTS.get(fault, ".*")
        return [(at, point) for at, point in points if re.fullmatch(where, point)]

    def problems_at(self, fault: str, points: Iterable[Point]) -> Iterator[str]:
        """All that is wrong after a run that was disturbed at one of the points and made good, point after point."""
        for at, point in points:
            place = self.stage.set_up(f"{fault} at {at}")
            for each in self._tried(place, fault, at):
                yield f"{fault} at {at} {point}: {each}"
            shutil.rmtree(place.folder)

    def _tried(self, place: Place, fault: str, at: int) -> Iterator[str]:
        disturbance = Disturbance(fault, at, order_fault=self._emulator.fault, edit_in_portal=self._hand(fault))
        with place.count_requests() as during:
            run_disturbed(place, disturbance)
        if not disturbance.has_happened or disturbance.is_dead != (fault in KILL_FAULTS):
            yield "did not happen"
        yield from self.problems_after_recovery(place, fault, 0 if disturbance.is_dead else _reads(during))

    def _hand(self, fault: str) -> Callable[[str, str], None]:
        return self.stage.interfere if fault in WORLD_FAULTS else self.stage.edit

    def _with_consent(self, place: Place) -> dict[str, Any]:
        """How all ends once everybody who was asked has consented."""
        for company in place.companies():
            self.stage.consent(company)
        self._emulator.advance("PT1M")
        apply_until_settled(place)
        return end_state(place)

    def problems_after_recovery(self, place: Place, fault: str, before: int = 0) -> Iterator[str]:
        """What is wrong after applying until all is well. What Codat shows after a crash may be a bit behind."""
        if fault in KILL_FAULTS:
            make_reads_stale(place)
        with place.count_requests() as after:
            apply_until_settled(place)
        extra = before + _reads(after) - self._reads
        self._emulator.control("DELETE", "/faults")
        if extra > MAX_EXTRA_READS[fault]:
            yield f"{extra} extra reads"
        if fault == "completed late":
            self._emulator.advance("PT2M")
            apply_until_settled(place)
        if fault == "consented":
            yield from problems(place, self.expected_end_with_consent, self._with_consent(place))
        else:
            yield from problems(place, self.expected_end)
        yield from self.stage.lost_edits(place)


def _reads(counts: Counter[str]) -> int:
    return counts.total() - sum(count_writes_by_call(counts).values())
