"""In which order a controller looks at everyone: it may take many minutes, and nobody is to grow older than need be."""

from __future__ import annotations

from pathlib import Path

from controller.daemon.loop import run_pass
from controller.daemon.workqueue import EVERYONE
from tests.emulator import Emulator
from tests.end_to_end.stepped_controller import Fleet, Service


def test_whoever_was_looked_at_longest_ago_comes_first(tmp_path: Path, emulator_in_process: Emulator) -> None:
    fleet = Fleet(tmp_path, emulator_in_process, 12, enabled=True)
    oldest, asked = fleet.some(12)[7], list[str]()

    async def story(service: Service) -> None:
        await service.told_of([name for name in fleet.companies if name != oldest])
        asked.extend(configurations_asked_for(emulator_in_process))
        await run_pass((EVERYONE,), service.daemon)

    fleet.serve(story)
    at_last = configurations_asked_for(emulator_in_process)[len(asked) :]
    assert sorted(at_last) == sorted(fleet.companies.values())
    assert at_last[0] == fleet.companies[oldest]


def configurations_asked_for(emulator: Emulator) -> list[str]:
    """By company, in order."""
    log = emulator.control("GET", "/requests?log=1")["log"]
    paths = (each["path"] for each in log if each["method"] == "GET")
    return [path.split("/")[3] for path in paths if path.startswith("/config/")]
