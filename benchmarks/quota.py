"""A fleet that needs more requests in a day than Codat allows, in virtual time: events are answered all the same, it is
said once a day, and after midnight everyone is looked at again by itself."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from benchmarks.event_latency import WEBHOOK_SECRET
from benchmarks.lossy_webhooks import deliver, free_port, seconds_to_be_known
from benchmarks.stage import Figure, ask, serve_emulator_process
from benchmarks.virtual_run import CompanyIds, VirtualRun, load_companies, tell, virtual_fleet

MERCHANTS, PACE, RESYNC_S = 100, 120, 3600.0
REQUESTS_A_DAY = 1_500
"""Of some 4,500 that resyncs and listings would take."""
DAYS, EVENT_INTERVAL_S = 3, 1800.0


@dataclass(frozen=True)
class Seen:
    """Seconds from each event to the look after it; the share of the days' hours in which nobody was older than one
    resync and a tenth; and the oldest age one such time after the last midnight."""

    waits: list[float]
    oldest_after_midnight_s: float


@dataclass(frozen=True)
class SpentQuota:
    """The story. It ends an hour and a half after the third midnight."""

    companies: tuple[CompanyIds, ...]

    async def __call__(self, controller: VirtualRun) -> Seen:
        dice, linked, events = (
            Random(20261128),
            dict.fromkeys(self.companies, True),
            list[tuple[CompanyIds, datetime]](),
        )
        controller.start()
        began = controller.clock.now()
        while len(controller.ages()) < len(self.companies):
            await controller.wait(60)
        midnight = datetime(began.year, began.month, began.day, tzinfo=UTC) + timedelta(days=DAYS)
        number = 0
        while controller.clock.now() < midnight:
            company = self.companies[number % len(self.companies)]
            linked[company] ^= True
            verb = "authorize" if linked[company] else "deauthorize"
            controller.hand.ask("POST", f"/_emulator/companies/{company.id}/connections/{company.books}/{verb}")
            events.append((company, controller.clock.now()))
            telling = asyncio.create_task(deliver(controller, company, linked[company], number, 0.0))
            await controller.wait(EVENT_INTERVAL_S * dice.uniform(0.5, 1.5))
            await telling
            number += 1
        await controller.wait(1.1 * RESYNC_S - (controller.clock.now() - midnight).total_seconds() + 1200)
        oldest = max(controller.ages().values())
        rows = controller.read(
            "select merchant, found_at, gone_at from occurrences where code = 'connection-deauthorized'"
        )
        await controller.stop()
        return Seen(seconds_to_be_known(events, rows), oldest)


def measure() -> Iterator[Figure]:
    """Needs about a minute of processor time."""
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as name:
        settings = virtual_fleet(url, Path(name), MERCHANTS, PACE, RESYNC_S)
        settings = replace(settings, listen=("127.0.0.1", free_port()), webhook_secret=WEBHOOK_SECRET)
        companies = load_companies(url)
        ask(url, "POST", "/_emulator/limits", {"perDay": REQUESTS_A_DAY})
        seen = tell(SpentQuota(companies), settings, Path(name) / "log")
        log = [json.loads(line) for line in (Path(name) / "log").read_text().splitlines() if line.startswith("{")]
    assert isinstance(seen, Seen)
    said = [line for line in log if line["event"] == "background_quota_spent"]
    cut_short = [line for line in log if "used up" in str(line.get("cut_short"))]
    yield Figure(f"events of {DAYS} days answered", len(seen.waits), "")
    yield Figure("  slowest, though the resync has spent its share", max(seen.waits), "s", "<= 3")
    yield Figure("said that it is spent, times a day", len(said) / DAYS, "", "<= 1")
    yield Figure("  passes cut short by it, a day", len(cut_short) / DAYS, "", "<= 1")
    yield Figure("oldest age, an hour after midnight", seen.oldest_after_midnight_s / 60, "min", "<= 86")
