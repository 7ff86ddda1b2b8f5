"""Two controllers on one state, one of them killed again and again, and PostgreSQL away twice, while the world goes on.

Merchants are renamed, unlinked and linked again in the portal, manifests change and come, and merchants consent.
Whatever is killed or away at whatever moment: nobody is created twice, nothing that nobody declared is lost, no event
is forgotten, no minute sees more requests than the limit, and in the end everyone is as declared.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from tests.end_to_end.place import Place
from tests.end_to_end.run_process import RunProcess
from tests.end_to_end.test_typed_from_the_documents import free_port
from tests.postgresql import OwnServer
from tests.proxy import ProxyAnswer, ProxyRequest, proxied
from tests.web.conftest import SECRET
from tests.web.test_running_controller import EVENTS

FLEET = [f"m-{number:03}" for number in range(150)]
"""So many that, one a second, nobody is disturbed anew before it shows that an event was lost: `LOST_AFTER_S`."""
NEWCOMERS = [f"new-{number:02}" for number in range(12)]
LIMIT = 3000
KILLS = 20
LOST_AFTER_S = 75.0
"""Whoever is not as declared so long after an event, but for the time in which nobody could do anything, was
forgotten: the next look that nothing asks for is an hour away."""


@dataclass
class Disturbance:
    """An event in the portal, with what nobody declares and somebody wrote just before it; and when it was put
    right."""

    merchant: str
    undeclared: str
    at: float
    mended_at: float | None = None

    @property
    def seconds(self) -> float:
        return (self.mended_at or time.monotonic()) - self.at


@dataclass
class World:
    """What goes on beside the controllers, in threads of its own. `calm`: nothing more happens; what happened is
    watched until it is `over`."""

    place: Place
    seed: int
    pause_s: float = 1.0
    disturbances: list[Disturbance] = field(default_factory=list)
    lost: list[Disturbance] = field(default_factory=list)
    hours: dict[str, int] = field(default_factory=dict)
    calm: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._companies = {each["name"]: each for each in self.place.companies()}
        self.waiting = [*NEWCOMERS]

    @contextmanager
    def going_on(self) -> Iterator[None]:
        threads = [Thread(target=self._disturb), Thread(target=self._watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.calm.set()
            self.over.set()
            for thread in threads:
                thread.join()

    def waits(self, begins: float, ends: float) -> tuple[float, ...]:
        """Of those disturbed between the two moments."""
        return tuple(sorted(each.seconds for each in self.disturbances if begins <= each.at < ends))

    def open_disturbances(self) -> list[Disturbance]:
        return [each for each in self.disturbances if each.mended_at is None]

    def _disturb(self) -> None:
        turn = 0
        while not self.calm.wait(self.pause_s):
            turn += 1
            self._rename_and_link_again(FLEET[turn % len(FLEET)], f"said by somebody in turn {turn}")
            if turn % 12 == 0:
                self._change_a_manifest()
            if turn % 20 == 0 and self.waiting:
                self.place.merchant(self.waiting.pop())
            if turn % 15 == 0:
                self.consent()

    def _rename_and_link_again(self, name: str, undeclared: str) -> None:
        """What the webhook tells of is the link; that the company has another name only a look can see."""
        company = self._companies[name]
        (books,) = [each["id"] for each in company["dataConnections"] if each["sourceType"] == "Accounting"]
        control = self.place.emulator.control
        control("PATCH", f"/companies/{company['id']}/configuration", {"saidInThePortal": undeclared})
        self.place.emulator.api.put(f"/companies/{company['id']}", json={"name": f"{name} in the portal"})
        control("POST", f"/companies/{company['id']}/connections/{books}/deauthorize")
        control("POST", f"/companies/{company['id']}/connections/{books}/authorize")
        self.disturbances.append(Disturbance(name, undeclared, time.monotonic()))

    def _change_a_manifest(self) -> None:
        name = self._random.choice(FLEET)
        self.hours[name] = self.hours.get(name, 0) % 5 + 1
        self.place.merchant(name, schedule={"time": f"0{self.hours[name]}:00", "timeZone": "UTC"})

    def consent(self) -> None:
        for company in self.place.companies():
            for connection in company["dataConnections"]:
                if connection["status"] == "PendingAuth":
                    path = f"/companies/{company['id']}/connections/{connection['id']}/authorize"
                    self.place.emulator.control("POST", path)

    def _watch(self) -> None:
        while not self.over.wait(0.05):
            for each in self.open_disturbances():
                path, api = f"/companies/{self._companies[each.merchant]['id']}", self.place.emulator.api
                if api.get(path).json()["name"] == each.merchant:
                    each.mended_at = time.monotonic()
                    document = api.get(f"/config{path}/sync/commerce").json()
                    if document.get("saidInThePortal") != each.undeclared:
                        self.lost.append(each)


class TwoControllers:
    """On fixed ports, so that a webhook finds the one that comes after one that was killed."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place, self._stack = place, stack
        self._ports = [free_port(), free_port()]
        self.processes = [self._start(port) for port in self._ports]
        for port in self._ports:
            url = f"http://127.0.0.1:{port}/webhooks"
            made = place.emulator.api.post("/webhooks", json={"url": url, "eventTypes": EVENTS}).json()
            place.emulator.control("PATCH", f"/webhooks/{made['id']}", {"secret": SECRET})

    def kill_and_start_again(self, which: int, after_s: float) -> None:
        self.processes[which].process.kill()
        self.processes[which].wait_for_exit()
        time.sleep(after_s)
        self.processes[which] = self._start(self._ports[which])

    def wait_until(self, holds: Callable[[], object], seconds: float) -> None:
        self.processes[0].wait_until(holds, seconds)

    def _start(self, port: int) -> RunProcess:
        limits = {"MERCHANTCTL_REQUESTS_PER_MINUTE": str(LIMIT), "MERCHANTCTL_WEBHOOK_SECRET": SECRET}
        started = RunProcess(self._place, "--resync", "1h", "--listen", f"127.0.0.1:{port}", **limits)
        self._stack.callback(started.wait_for_exit)
        self._stack.callback(started.process.kill)
        return started


@dataclass(frozen=True)
class Phase:
    """A part of the story, and how soon each merchant was as declared that was disturbed in it: seconds, the shortest
    first. `away_s`: for so long of it nobody could have done anything."""

    name: str
    waits: tuple[float, ...]
    away_s: float = 0.0

    @property
    def p95(self) -> float:
        return self.waits[int(len(self.waits) * 0.95)]


def tell_kills_and_outages(place: Place, server: OwnServer, seed: int) -> list[Phase]:
    """The story, with what must hold in its end; its parts."""
    place.settings = replace(place.settings, state=server.url)
    place.set_create_settle(1, 5)
    place.provision(*FLEET)
    arrivals: list[float] = []
    begun: list[float] = []
    dice = random.Random(seed)

    def count(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        arrivals.append(time.monotonic())
        return answer

    with proxied(place.emulator.url, count) as url, ExitStack() as stack:
        place.use_proxy(url)
        controllers = TwoControllers(place, stack)
        controllers.wait_until(lambda: controllers.processes[0].passes and controllers.processes[1].passes, 90)
        story: list[tuple[str, float, Callable[[], object]]] = [
            ("quiet", 0, lambda: time.sleep(60)),
            (f"{KILLS} times kill -9 of one of two", 0, lambda: _kill_again_and_again(controllers, dice)),
            ("quiet after the kills", 0, lambda: time.sleep(60)),
            ("4 s without PostgreSQL", 4, lambda: _away(server, controllers, 4)),
            ("60 s without PostgreSQL", 60, lambda: _away(server, controllers, 60)),
            ("quiet in the end", 0, lambda: time.sleep(45)),
        ]
        world = World(place, seed)
        with world.going_on():
            for _, _, happen in story:
                begun.append(time.monotonic())
                happen()
            world.calm.set()
            controllers.wait_until(lambda: not world.open_disturbances(), LOST_AFTER_S)
        everyone = [*FLEET, *set(NEWCOMERS).difference(world.waiting)]

        def all_are_on() -> bool:
            world.consent()  # again, for whoever was created after the last time
            return all(_is_enabled(place, name) for name in everyone)

        controllers.wait_until(all_are_on, 120)
        controllers.wait_until(lambda: all(_hour(place, n) == hour for n, hour in world.hours.items()), 60)
        assert [each.process.poll() for each in controllers.processes] == [None, None]
    assert Counter(each["name"] for each in place.companies()) == Counter(everyone), "no twin"
    assert {len(each["dataConnections"]) for each in place.companies()} == {2}
    latest = {each.merchant: each.undeclared for each in world.disturbances}
    kept = {name: place.document(name).get("saidInThePortal") for name in latest}
    assert (world.lost, kept) == ([], latest), "what nobody declared is lost"
    assert max(sum(at <= each < at + 60 for each in arrivals) for at in arrivals) <= LIMIT
    return [
        Phase(name, world.waits(begins, ends), away_s)
        for (name, away_s, _), begins, ends in zip(story, begun, [*begun[1:], float("inf")], strict=True)
    ]


def _kill_again_and_again(controllers: TwoControllers, dice: random.Random) -> None:
    for _ in range(KILLS):
        controllers.kill_and_start_again(dice.randrange(2), dice.uniform(0, 3))
        time.sleep(dice.uniform(3, 10))


def _away(server: OwnServer, controllers: TwoControllers, seconds: float) -> None:
    """Nobody starts a controller again: they stay."""
    server.stop_at_once()
    time.sleep(seconds)
    server.start()
    time.sleep(50)
    assert [each.process.poll() for each in controllers.processes] == [None, None]


def _is_enabled(place: Place, name: str) -> bool:
    """Whether a merchant has its name and is switched on."""
    is_known = any(each["name"] == name for each in place.companies())
    return is_known and bool(place.document(name).get("enabled"))


def _hour(place: Place, name: str) -> int:
    return int(place.document(name)["schedule"]["syncHourUtc"])
