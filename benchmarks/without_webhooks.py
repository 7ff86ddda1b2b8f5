"""How soon `run` finds what no webhook tells of, in virtual time, and how much memory it takes for 10,000 merchants:
somebody's consent is taken back, a company is deleted or renamed, at moments that the dice choose."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from random import Random

from benchmarks.stage import Figure, serve_emulator_process
from benchmarks.virtual_run import CompanyIds, VirtualRun, load_companies, resident_mib, tell, virtual_fleet

MERCHANTS = 10_000
PACE = 950
RESYNC_S = 6 * 3600.0
"""Longer than all of this takes: nobody is looked at because it is his turn."""
EVENTS_OF_A_KIND = 15
TARGETS = {"connection-deauthorized": 75, "company-missing": 11 * 60, "company-renamed": 11 * 60}
"""By the finding, seconds."""


@dataclass(frozen=True)
class Untold:
    """The story: by finding, the seconds from each event to the look that found it; and the process' memory in MiB."""

    companies: tuple[CompanyIds, ...]

    async def __call__(self, controller: VirtualRun) -> tuple[dict[str, list[float]], float]:
        dice = Random(20261128)
        controller.start()
        while len(controller.ages()) < len(self.companies):
            await controller.wait(60)
        await controller.wait(3600)
        happened: dict[str, tuple[str, datetime]] = {}
        affected = iter(dice.sample(self.companies, EVENTS_OF_A_KIND * len(TARGETS)))
        for _ in range(EVENTS_OF_A_KIND):
            for finding in TARGETS:
                await controller.wait(dice.uniform(5, 60))
                company = next(affected)
                happened[company.name] = finding, controller.clock.now()
                controller.hand.ask(*_event(finding, company))
        await controller.wait(max(TARGETS.values()) + 60)
        found = controller.read("select merchant, code, found_at from occurrences")
        await controller.stop()
        waits = defaultdict(list)
        for name, (finding, at) in happened.items():
            looks = [when for merchant, code, when in found if (merchant, code) == (name, finding)]
            waits[finding].append(min((_seconds_between(at, each) for each in looks), default=inf))
        return dict(waits), resident_mib()


def _seconds_between(at: datetime, look: str) -> float:
    return (datetime.fromisoformat(look).replace(tzinfo=UTC) - at).total_seconds()


def _event(finding: str, company: CompanyIds) -> tuple[str, str, dict[str, str] | None]:
    if finding == "connection-deauthorized":
        return "POST", f"/_emulator/companies/{company.id}/connections/{company.books}/deauthorize", None
    if finding == "company-missing":
        return "DELETE", f"/companies/{company.id}", None
    return "PUT", f"/companies/{company.id}", {"name": f"{company.name} of somebody"}


def measure(merchants: int = MERCHANTS) -> Iterator[Figure]:
    """Needs about two minutes of processor time."""
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as name:
        settings = virtual_fleet(url, Path(name), merchants, PACE, RESYNC_S)
        waits, memory = tell(Untold(load_companies(url)), settings, Path(name) / "log")
    for finding, target in TARGETS.items():
        yield Figure(f"untold: to {finding}, slowest of {EVENTS_OF_A_KIND}", max(waits[finding]), "s", f"<= {target}")
    yield Figure(f"memory of run, {merchants:,} merchants", memory, "MiB", "<= 250")
