"""How many merchants `run` switches on before a judgment where somebody switched 3,000 of 10,000 off in the portal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from benchmarks.stage import Figure
from tests.emulator import in_process_emulator
from tests.end_to_end.place import count_writes_by_call
from tests.end_to_end.stepped_controller import FLOOR, Fleet, Service

MERCHANTS, SWITCHED_OFF, TOLD_TOGETHER = 10_000, 3_000, 60


def measure() -> Iterator[Figure]:
    """Needs about two minutes of processor time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # a line a merchant
    with TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), in_process_emulator(), MERCHANTS, enabled=True)
        names = fleet.some(SWITCHED_OFF)

        async def story(service: Service) -> None:
            fleet.switch(names)
            for at in range(0, len(names), TOLD_TOGETHER):
                await service.told_of(names[at : at + TOLD_TOGETHER])

        with fleet.place.count_requests() as counts:
            service = fleet.serve(story)
    structlog.reset_defaults()
    writes = sum(count_writes_by_call(counts).values())
    yield Figure(f"{SWITCHED_OFF:,} of {MERCHANTS:,} switched off: writes until judged", writes, "", f"<= {FLOOR}")
    yield Figure("  looks at everyone that it took", service.at_everyone, "", "<= 1")
    yield Figure("  held for a person", len(service.parked()), "", f">= {SWITCHED_OFF - FLOOR}")
