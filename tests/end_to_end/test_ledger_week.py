"""A week of `run` over a fleet, with drift, failures, unread moments and restarts at random: the ledger equals what
happened, each value of it, its beginning, end and cause, and each piece of news was sent once.

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
from controller.daemon.context import DaemonContext, DaemonState
from controller.daemon.loop import run_and_record_pass
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.workqueue import EVERYONE, WorkQueue
from controller.model.controller_status import ControllerStatus
from controller.model.drift import is_drift_code
from controller.model.plan import Direction
from controller.model.run_policy import Records, RunPolicy, Scope
from controller.operations.bootstrap import RunRequest, build_run, hold_state_lock, no_progress
from controller.telemetry.metrics import Metrics
from state import OccurrenceRow, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.stepped_controller import TIPS
from tests.intercept import Forward, intercepted
from tests.web.conftest import Chat
from tests.web.conftest import chat as chat

HOUR = 3600.0
WANTED = "Tips payable"
CONFIG = "/config/companies/{}/sync/commerce"


OFF, MOVED = "sync-disabled", "mapping-changed"
ACCOUNTS = ("Gift cards outstanding", "Sales", "Sales returns")
"""To which the tips are sent by hand; the manifests want another."""


@dataclass(slots=True)
class Time:
    """One time that something was seen to be otherwise: from when, with what values, until when, and how it ended."""

    begin: datetime
    values: list[str]
    end: datetime | None = None
    how: str | None = None


@dataclass(slots=True)
class Truth:
    """What happened to one merchant: by code what is otherwise now, as somebody made it, and each time of that."""

    kept: bool
    otherwise: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[Time]] = field(default_factory=lambda: {OFF: [], MOVED: []})
    failing: bool = False
    failures: int = 0

    def open_time(self, code: str) -> Time | None:
        times = self.times[code]
        return times[-1] if times and times[-1].end is None else None


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

    def stands(self, name: str) -> dict[str, str]:
        """By code, the value that stands now."""
        document = self.emulator.api.get(CONFIG.format(self.companies[name])).json()
        gratuity = document["configuration"]["sales"]["accounts"]["gratuity"]
        (tips,) = [each for each in gratuity["accountOptions"] if each["id"] == gratuity["selectedAccountId"]]
        return {OFF: "" if document["enabled"] else "off", MOVED: "" if tips["name"] == WANTED else tips["name"]}

    def moves(self, name: str, code: str) -> None:
        """The merchant in the portal makes something otherwise, puts it right, or has it be a third value."""
        truth, document = self.truth[name], self.emulator.api.get(CONFIG.format(self.companies[name])).json()
        if code == OFF:
            value, patch = "" if OFF in truth.otherwise else "off", dict[str, Any](enabled=OFF in truth.otherwise)
        else:
            is_put_right = MOVED in truth.otherwise and self.chance.random() < 0.5
            value = WANTED if is_put_right else self.chance.choice(ACCOUNTS)
            options = document["configuration"]["sales"]["accounts"]["gratuity"]["accountOptions"]
            (id_,) = [each["id"] for each in options if each["name"] == value]
            patch = {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": id_}}}}}
        self.emulator.control("PATCH", f"/companies/{self.companies[name]}/configuration", patch)
        truth.otherwise.pop(code, None)
        if value not in ("", WANTED):
            truth.otherwise[code] = value

    def happens(self, number: int) -> set[str]:
        """What somebody does between two looks; whose writes will fail."""
        for name in self.chance.sample(sorted(self.companies), number):
            code = self.chance.choice((OFF, MOVED))
            if code in self.truth[name].otherwise or self.chance.random() < 0.7:
                self.moves(name, code)
        self.blind = set(self.chance.sample(sorted(self.companies), number)) if self.chance.random() < 0.5 else set()
        failing = {name for name, each in self.truth.items() if each.otherwise and not each.kept}
        failing = {name for name in failing if self.chance.random() < 0.4}
        for name in failing:
            path = f"POST {CONFIG.format(self.companies[name])}"
            self.emulator.fault(path, "status", times=1000, code=404)
        return failing

    def seen(self, names: set[str], at: datetime, failing: set[str]) -> None:
        """After a look at these: what it must have noted."""
        self.emulator.control("DELETE", "/faults")
        for name in names - self.blind:
            truth, stands = self.truth[name], self.stands(name)
            for code in (OFF, MOVED):
                self._note(truth, code, stands[code], at)
            is_failing = bool(truth.otherwise) and not truth.kept
            assert not is_failing or name in failing, f"{name} was not put right"
            truth.failures += is_failing and not truth.failing
            truth.failing = is_failing

    def _note(self, truth: Truth, code: str, stands: str, at: datetime) -> None:
        value, time = truth.otherwise.get(code), truth.open_time(code)
        if value is None:
            if time:
                time.end, time.how = at, "somebody"
            return
        if time is None:
            time = Time(at, [])
            truth.times[code].append(time)
        if time.values[-1:] != [value]:
            time.values.append(value)
        if stands != value:
            assert not stands, f"{stands} was nobody's wish"
            del truth.otherwise[code]
            time.end, time.how = at, "mended"


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
        order = RunRequest(Scope(), RunPolicy(automatic=True), verb="run", records=Records.ALL)
        yield DaemonContext(
            run=build_run(settings, order, revisions.fleet, store, api, no_progress, world),
            applies_changes=True,
            resync_interval_s=3600,
            queue=WorkQueue(),
            manifest_watcher=revisions,
            state=DaemonState(ControllerStatus(fleet=revisions.fleet)),
            lock=PassLock(lambda _: hold_state_lock(store.lock, 0), lambda: revisions.fleet),
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
                await run_and_record_pass((EVERYONE,) if everyone else tuple(sorted(names)), daemon)
                week.seen(names, began, failing)


def noted(rows: tuple[OccurrenceRow, ...], code: str) -> list[Time]:
    return [
        Time(each.found_at, [_value(live) for live in (each.live, *_later(each))], each.gone_at, each.how)
        for each in rows
        if each.code == code
    ]


def _later(row: OccurrenceRow) -> list[Any]:
    return [each["live"] for each in row.moves or ()]


def _value(live: Any) -> str:
    return str(live["name"]) if isinstance(live, dict) else "off"


def same_times(ledger: list[Time], truth: list[Time]) -> bool:
    """A look and what it mends take moments; two looks are an hour apart."""

    def near(one: datetime | None, other: datetime | None) -> bool:
        if one is None or other is None:
            return one is other
        return abs((one - other).total_seconds()) < HOUR / 2

    return len(ledger) == len(truth) and all(
        near(a.begin, b.begin) and near(a.end, b.end) and (a.values, a.how) == (b.values, b.how)
        for a, b in zip(ledger, truth, strict=True)
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
        for code, times in truth.times.items():
            assert same_times(noted(after[name], code), times), (name, noted(after[name], code), times)
    happened = [(code, time) for each in week.truth.values() for code, some in each.times.items() for time in some]
    ends = {(code, time.how) for code, time in happened}
    assert ends >= {(code, how) for code in (OFF, MOVED) for how in ("mended", "somebody")}, "all were meant to happen"
    assert any(len(time.values) > 1 for _, time in happened), "something was meant to move on while it was open"

    came, went = told(week.chat, "drift"), told(week.chat, "gone")
    known = {each.id for rows in before.values() for each in rows}
    lines = [each for rows in after.values() for each in rows if each.id not in known]
    news = {each.id for each in lines if each.code == "flapping" or is_drift_code(each.code, _direction(each))}
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
