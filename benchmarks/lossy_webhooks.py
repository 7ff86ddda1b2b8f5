"""What a bad carrier of webhooks changes, in virtual time: some are lost, some come twice, some minutes later and after
those that were sent since. Beside it the same world with a carrier that loses and delays nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from random import Random
from uuid import UUID

import httpx

from benchmarks.event_latency import WEBHOOK_SECRET
from benchmarks.stage import Figure, serve_emulator_process
from benchmarks.virtual_run import CompanyIds, VirtualRun, load_companies, tell, virtual_fleet
from controller.emulator.webhooks.signing import signature

MERCHANTS, PACE, RESYNC_S = 60, 600, 6 * 3600.0
EVENTS, EVENT_INTERVAL_S = 600, 5.0
"""A merchant has one in five minutes."""
LOST, TWICE, LATE = 0.3, 0.3, 0.4
"""Of the webhooks, each by itself: one that is late may be lost as well."""
MAX_DELAY_S = 600.0
TOLD_BY_NOBODY_GOAL_S = 75


@dataclass
class Waits:
    """Seconds from an event to the look after it, of each event; and what is known in the end."""

    seconds: list[float] = field(default_factory=list)
    end: list[tuple[str, str]] = field(default_factory=list)
    truth: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Carried:
    """The story. `is_bad`: the carrier."""

    companies: tuple[CompanyIds, ...]
    is_bad: bool

    async def __call__(self, controller: VirtualRun) -> Waits:
        dice, linked, events = (
            Random(20261128),
            dict.fromkeys(self.companies, True),
            list[tuple[CompanyIds, datetime]](),
        )
        controller.start()
        while len(controller.ages()) < len(self.companies):
            await controller.wait(60)
        carried = set[asyncio.Task[None]]()
        for number in range(EVENTS):
            company = self.companies[number * 7 % len(self.companies)]
            linked[company] ^= True
            verb = "authorize" if linked[company] else "deauthorize"
            controller.hand.ask("POST", f"/_emulator/companies/{company.id}/connections/{company.books}/{verb}")
            events.append((company, controller.clock.now()))
            for delay in self._deliveries(dice):
                carried.add(asyncio.create_task(deliver(controller, company, linked[company], number, delay)))
            await controller.wait(EVENT_INTERVAL_S * dice.uniform(0.5, 1.5))
        await asyncio.gather(*carried)
        await controller.wait(MAX_DELAY_S)
        rows = controller.read(
            "select merchant, found_at, gone_at from occurrences where code = 'connection-deauthorized'"
        )
        open_ = controller.read("select merchant, code from occurrences where gone_at is null")
        await controller.stop()
        unlinked = [(each.name, "connection-deauthorized") for each in self.companies if not linked[each]]
        return Waits(seconds_to_be_known(events, rows), sorted(open_), sorted(unlinked))

    def _deliveries(self, dice: Random) -> list[float]:
        """After how many seconds the webhook comes, each time that it does."""
        times = 1 + (dice.random() < TWICE)
        delays = [dice.uniform(0, MAX_DELAY_S) if dice.random() < LATE else 0.0 for _ in range(times)]
        arriving = [each for each in delays if dice.random() >= LOST]
        return arriving if self.is_bad else [0.0]


async def deliver(controller: VirtualRun, company: CompanyIds, is_linked: bool, number: int, delay: float) -> None:
    """As Codat does, which signs what comes late when it comes."""
    await asyncio.sleep(delay)
    event = f"connection.{'connected' if is_linked else 'disconnected'}"
    payload = {"referenceCompany": {"id": company.id, "name": company.name}, "connection": {}}
    body = json.dumps({"id": str(UUID(int=number)), "eventType": event, "payload": payload}).encode()
    message, at = f"msg_{number}", int(controller.clock.now().timestamp())
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(WEBHOOK_SECRET, message, at, body),
    }
    assert controller.settings.listen is not None
    url = f"http://127.0.0.1:{controller.settings.listen[1]}/webhooks"
    answer = await controller.clock.run_in_executor(None, lambda: httpx.post(url, content=body, headers=headers))
    assert answer.status_code in (200, 202), answer.text


def seconds_to_be_known(
    events: list[tuple[CompanyIds, datetime]], rows: list[tuple[str, str, str | None]]
) -> list[float]:
    """From each event to the first look that found it unlinked, or linked again. The first event unlinks."""
    waits, before = [], set[CompanyIds]()
    for company, at in events:
        column = 2 if company in before else 1
        before ^= {company}
        times = [
            datetime.fromisoformat(str(row[column])).replace(tzinfo=UTC)
            for row in rows
            if row[0] == company.name and row[column]
        ]
        waits.append(min(((each - at).total_seconds() for each in times if each >= at), default=inf))
    return waits


def measure() -> Iterator[Figure]:
    """Needs about two minutes of processor time."""
    good, bad = _carried(is_bad=False), _carried(is_bad=True)
    yield Figure("event to the look after it, all webhooks at once: slowest", max(good.seconds), "s", "<= 3")
    yield Figure("  lost, doubled, late, in any order: slowest", max(bad.seconds), "s", f"<= {TOLD_BY_NOBODY_GOAL_S}")
    links = {(name, code) for name, code in bad.end if code.startswith("connection-")}
    yield Figure("  links known otherwise than they stand in the end", len(links ^ {*bad.truth}), "", "<= 0")
    yield Figure("  findings open in the end otherwise than with a good one", len({*bad.end} ^ {*good.end}), "", "<= 0")


def _carried(*, is_bad: bool) -> Waits:
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as name:
        settings = virtual_fleet(url, Path(name), MERCHANTS, PACE, RESYNC_S)
        settings = replace(settings, listen=("127.0.0.1", free_port()), webhook_secret=WEBHOOK_SECRET)
        waits = tell(Carried(load_companies(url), is_bad), settings, Path(name) / "log")
        assert isinstance(waits, Waits)
        return waits


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
