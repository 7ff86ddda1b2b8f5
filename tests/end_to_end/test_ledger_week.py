"""A week of `run` over a fleet, with drift, failures, unread moments and restarts at random: the ledger equals what
happened, and each piece of news was sent once.

What happened is taken from the emulator: how each merchant stands before and after each look, and whose write it was.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.codat.client import open_client
from controller.daemon.loop import run_pass
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.state import DaemonContext, DaemonState
from controller.daemon.workqueue import EVERYONE, WorkQueue
from controller.model.controller_status import ControllerStatus
from controller.model.drift import is_drifting
from controller.model.plan import Direction
from controller.model.run import Records, RunPolicy, Scope
from controller.operations.bootstrap import ApplyRequest, build_run, no_progress, state_lock
from controller.telemetry.metrics import Metrics
from state import OccurrenceRow, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.test_run_limits import TIPS
from tests.intercept import Forward, intercepted
from tests.web.conftest import Chat
from tests.web.conftest import chat as chat

HOUR = 3600.0
CONFIG = "/config/companies/{}/sync/commerce"


@dataclass(slots=True)
class Truth:
    """What happened to one merchant: `times` it was seen switched off, each as begin, end and how."""

    kept: bool
    off: bool = False
    times: list[list[Any]] = field(default_factory=list)
    failing: bool = False
    failures: int = 0

    @property
    def open(self) -> bool:
        return bool(self.times) and self.times[-1][1] is None


class Week:
    """The fleet, the hand that moves it, and what it did."""

    def __init__(self, place: Place, emulator: Emulator, number: int, seed: int, chat: Chat) -> None:
        self.place, self.emulator, self.chat = place, emulator, chat
        self.chance = random.Random(seed)
        self.companies = {each["name"]: each["companyId"] for each in emulator.seed(number, "configured")}
        self.truth = {name: Truth(kept=place_ % 3 == 0) for place_, name in enumerate(self.companies)}
        self.place.profile(schedule={}, mapping=TIPS, enabled=True)
        for name, truth in self.truth.items():
            place.merchant(name, policy={"drift": "Report"} if truth.kept else {})
        place.apply(allow=("remap",))
        self.blind: set[str] = set()
        place.environment = intercepted(place.environment, self._middle)

    async def _middle(self, request: httpx.Request, onward: Forward) -> httpx.Response:
        """Reads of these documents come to nothing for now."""
        if request.method == "GET" and request.url.path in {CONFIG.format(self.companies[name]) for name in self.blind}:
            return httpx.Response(400, json={"error": "not now", "correlationId": f"c-{self.chance.random()}"})
        return await onward(request)

    def enabled(self, name: str) -> bool:
        return bool(self.emulator.api.get(CONFIG.format(self.companies[name])).json()["enabled"])

    def switch(self, name: str, on: bool) -> None:
        """The merchant in the portal."""
        self.emulator.control("PATCH", f"/companies/{self.companies[name]}/configuration", {"enabled": on})
        self.truth[name].off = not on

    def happens(self, number: int) -> set[str]:
        """What somebody does between two looks; whose writes will fail."""
        for name in self.chance.sample(sorted(self.companies), number):
            if self.truth[name].off or self.chance.random() < 0.7:
                self.switch(name, self.truth[name].off)
        self.blind = set(self.chance.sample(sorted(self.companies), number)) if self.chance.random() < 0.5 else set()
        failing = {name for name, each in self.truth.items() if each.off and not each.kept}
        failing = {name for name in failing if self.chance.random() < 0.4}
        for name in failing:
            path = f"POST {CONFIG.format(self.companies[name])}"
            self.emulator.fault(path, "status", times=1000, code=404)
        return failing

    def seen(self, names: set[str], at: datetime, failing: set[str]) -> None:
        """After a look at these: what it must have noted."""
        self.emulator.control("DELETE", "/faults")
        for name in names - self.blind:
            truth = self.truth[name]
            if not truth.off:
                if truth.open:
                    truth.times[-1][1:] = [at, "somebody"]
                truth.failing = False
                continue
            if not truth.open:
                truth.times.append([at, None, None])
            if self.enabled(name):
                truth.off = truth.failing = False
                truth.times[-1][1:] = [at, "mended"]
            elif not truth.kept:
                assert name in failing, f"{name} was not put right"
                truth.failures += not truth.failing
                truth.failing = True


@asynccontextmanager
async def running_service(place: Place, url: str) -> AsyncIterator[DaemonContext]:
    """`run`, one look at a time, that tells a chat."""
    world, settings = place.environment, place.settings
    client = open_client(
        settings.base_url,
        str(settings.api_key),
        requests_per_minute=0,
        network=world.network,
        sleep=world.sleep,
        clock=world.clock,
    )
    async with open_state(settings.state) as store, client as api:
        revisions = ManifestWatcher(place.manifests)
        order = ApplyRequest(Scope(), RunPolicy(automatic=True), verb="run", records=Records.ALL)
        yield DaemonContext(
            run=build_run(settings, order, revisions.fleet, store, api, no_progress, world),
            applies_changes=True,
            resync_interval_s=3600,
            queue=WorkQueue(),
            manifest_watcher=revisions,
            state=DaemonState(ControllerStatus(fleet=revisions.fleet)),
            lock=PassLock(lambda _: state_lock(store.lock, 0), lambda: revisions.fleet),
            notifier=Notifier(Metrics(), world.sleep, url),
        )


async def lived(week: Week, looks: int, moves: int) -> None:
    place, left = week.place, looks
    while left:
        async with running_service(place, week.chat.url) as daemon:  # and it is started anew, now and then
            for _ in range(min(left, week.chance.randint(3, 12))):
                left -= 1
                failing = week.happens(moves)
                await place.environment.sleep(HOUR)
                everyone = week.chance.random() < 0.6
                some = week.chance.sample(sorted(week.companies), max(1, len(week.companies) // 3))
                names = set(week.companies) if everyone else set(some)
                began = place.environment.clock()
                await run_pass((EVERYONE,) if everyone else tuple(sorted(names)), daemon)
                week.seen(names, began, failing)


def noted(rows: tuple[OccurrenceRow, ...]) -> list[list[Any]]:
    return [[each.found_at, each.gone_at, each.how] for each in rows if each.code == "sync-disabled"]


def same_times(ledger: list[list[Any]], truth: list[list[Any]]) -> bool:
    """A look and what it mends take moments; two looks are an hour apart."""

    def near(one: datetime | None, other: datetime | None) -> bool:
        if one is None or other is None:
            return one is other
        return abs((one - other).total_seconds()) < HOUR / 2

    return len(ledger) == len(truth) and all(
        near(a[0], b[0]) and near(a[1], b[1]) and a[2] == b[2] for a, b in zip(ledger, truth, strict=True)
    )


@pytest.mark.parametrize(
    ("merchants", "looks", "moves"), [(9, 24, 3), pytest.param(200, 7 * 24, 3, marks=pytest.mark.soak)]
)
def test_after_a_week_the_ledger_equals_what_happened_and_each_piece_of_news_was_sent_once(
    tmp_path: Path, emulator_in_process: Emulator, chat: Chat, merchants: int, looks: int, moves: int
) -> None:
    place = Place(tmp_path, emulator_in_process)
    place.skip_waits()
    week = Week(place, emulator_in_process, merchants, 20261122, chat)
    before = asyncio.run(ledger(place, week.companies))
    asyncio.run(lived(week, looks, moves))
    after = asyncio.run(ledger(place, week.companies))

    for name, truth in week.truth.items():
        assert same_times(noted(after[name]), truth.times), (name, noted(after[name]), truth.times)
    ends = Counter(end for each in week.truth.values() for _, _, end in each.times)
    assert ends["mended"] and ends["somebody"], "both were meant to happen"  # noqa: PT018

    came, went = told(week.chat, "drift"), told(week.chat, "gone")
    known = {each.id for rows in before.values() for each in rows}
    lines = [each for rows in after.values() for each in rows if each.id not in known]
    news = {each.id for each in lines if each.code == "flapping" or is_drifting(each.code, _direction(each))}
    assert (set(came), set(came.values())) == (news, {1})
    at_once = {each["occurrence"] for sent in week.chat.heard for each in sent["drift"]["findings"] if each["goneAt"]}
    over = {each.id for each in lines if each.gone_at} & news
    assert (set(went), set(went.values()) <= {1}) == (over - at_once, True)

    failures: dict[str, int] = defaultdict(int)
    for sent in week.chat.heard:
        for each in sent["failures"]["merchants"]:
            failures[each["merchant"]] += 1
    assert dict(failures) == {name: each.failures for name, each in week.truth.items() if each.failures}


async def ledger(place: Place, names: Any) -> dict[str, tuple[OccurrenceRow, ...]]:
    async with open_state(place.settings.state) as store:
        return {name: await store.findings.load_occurrences(name) for name in names}


def told(chat: Chat, part: str) -> Counter[int]:
    return Counter(each["occurrence"] for sent in chat.heard for each in sent[part]["findings"])


def _direction(row: OccurrenceRow) -> Direction | None:
    return Direction(row.direction) if row.direction else None
