"""A week of `run` over 500 merchants in virtual time: how old what it knows ever grows, what it asks for, and what it
takes of memory, descriptors and disk.

day 1, 7   nothing happens
day 2      somebody changes a merchant in the portal now and then
day 3      Codat is away for ten minutes, and for two hours; single answers are lost or refused, one merchant's always
day 4      more events than there are requests, for two hours
day 5      the controller is started anew, and a manifest changes each hour
day 6      all of it
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.stage import Figure, serve_emulator_process
from benchmarks.virtual_run import (
    CompanyIds,
    VirtualRun,
    load_companies,
    open_descriptors,
    resident_mib,
    tell,
    virtual_fleet,
    write_manifests,
)

MERCHANTS, DAYS = 500, (1, 2, 3, 4, 5, 6, 7)
RESYNC_S = 3600.0
PACE = 60
"""Requests a minute: fewer than a flood of events would take."""
NOISY = 150
"""So many merchants something happens to; the others are quiet all the week."""
FLOOD_PER_MINUTE = 150
LISTINGS_PER_RESYNC = 20
"""One for each part of the interval whose merchants are looked at together."""
MINUTES_A_DAY, DAY_S = 1440, 86_400.0
_LISTINGS = ("GET /meta/companies", "GET /meta/companies (status)", "GET /companies/{id}")
"""The last is how one who is looked at alone is found."""
_REFRESH = "POST /companies/{id}/data/all"
AGE_GOAL_S = 1.1 * max(RESYNC_S, MERCHANTS / (0.8 * PACE) * 60)


@dataclass
class Day:
    """What was seen at the end of a day, and the worst of it."""

    number: int
    oldest_s: float = 0.0
    oldest_but_for_outages_s: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    resident_mib: float = 0.0
    descriptors: int = 0
    state_mib: float = 0.0
    most_requests: int = 0


@dataclass(frozen=True)
class Week:
    """The story. `companies`: as the emulator seeded them; `days`: which of the week, to tell some of it alone."""

    companies: tuple[CompanyIds, ...]
    days: tuple[int, ...]

    async def __call__(self, controller: VirtualRun) -> list[Day]:
        world, found = _World(controller, self.companies), []
        controller.start()
        while len(controller.ages()) < len(self.companies):
            await controller.wait(60)
        await controller.wait(RESYNC_S)
        for number in self.days:
            found.append(await self._one_day(number, controller, world))
        await controller.stop()
        return found

    async def _one_day(self, number: int, controller: VirtualRun, world: _World) -> Day:
        day, before = Day(number), Counter(controller.requests.counts)
        for minute in range(MINUTES_A_DAY):
            await world.happen(number, minute)
            await controller.wait(60)
            ages = controller.ages()
            assert len(ages) == len(self.companies), "nobody is forgotten"
            oldest = max(ages.values())
            if oldest > day.oldest_s and not world.recovers:
                day.oldest_s = oldest
            day.oldest_but_for_outages_s = max(day.oldest_but_for_outages_s, oldest - world.away_within(oldest))
        day.requests = Counter(controller.requests.counts) - before
        day.resident_mib, day.descriptors = resident_mib(), open_descriptors()
        day.state_mib = controller.size_of_state()
        day.most_requests = controller.requests.most
        return day


class _World:
    """What happens to the merchants, to Codat and to the controller."""

    def __init__(self, controller: VirtualRun, companies: tuple[CompanyIds, ...]) -> None:
        self._controller, self._dice, self._companies = controller, Random(20261128), companies
        self._linked = dict.fromkeys((each.id for each in companies), True)
        self._away: list[list[float]] = []

    @property
    def _now(self) -> float:
        return self._controller.clock.time()

    @property
    def recovers(self) -> bool:
        """Codat is away, or came back less than one resync ago."""
        return bool(self._away) and self._now <= self._away[-1][1] + RESYNC_S

    def away_within(self, seconds: float) -> float:
        """For so long Codat was away in the last so many seconds."""
        since = self._now - seconds
        return sum(max(0.0, min(end, self._now) - max(begin, since)) for begin, end in self._away)

    async def happen(self, day: int, minute: int) -> None:
        # Not in the last hour: what is mended a resync later would be told of the next day, on which nothing happens.
        if day in (2, 6) and minute % 70 == 30 and minute < MINUTES_A_DAY - RESYNC_S / 60:
            self._change_in_portal()
        if day in (3, 6):
            self._fail(minute)
        if (day == 4 and 360 <= minute < 480) or (day == 6 and 1000 <= minute < 1060):
            for company in self._dice.sample(self._companies[:NOISY], FLOOD_PER_MINUTE):
                self._unlink_or_consent(company)
        if day in (5, 6) and minute % 60 == 10:
            self._change_manifest(minute // 60)
        if day in (5, 6) and minute == 725:
            await self._controller.stop()
            self._controller.start()

    def _change_in_portal(self) -> None:
        company = self._dice.choice(self._companies[:NOISY]).id
        self._ask("PATCH", f"/_emulator/companies/{company}/configuration", {"enabled": False})

    def _unlink_or_consent(self, company: CompanyIds) -> None:
        verb = "deauthorize" if self._linked[company.id] else "authorize"
        self._linked[company.id] ^= True
        path = f"/_emulator/companies/{company.id}/connections/{company.books}/{verb}"
        self._ask("POST", path)

    def _fail(self, minute: int) -> None:
        for begins, minutes in ((120, 10), (480, 120)):
            if minute == begins:
                self._away.append([self._now, self._now + 60 * minutes])
                self._ask("PATCH", "/_emulator/settings", {"maintenance": True})
            elif minute == begins + minutes:
                self._ask("PATCH", "/_emulator/settings", {"maintenance": False})
        if minute % 10 == 5:
            kind = self._dice.choice(("drop", "garbage", "truncate", "status"))
            fault = {"match": "GET /config/companies/{companyId}/sync/commerce", "do": kind, "times": 3}
            self._ask("POST", "/_emulator/faults", fault | ({"code": 500} if kind == "status" else {}))
        if minute == 900:
            blocked = self._companies[-1].id
            fault = {"match": f"GET /config/companies/{blocked}/sync/commerce", "do": "status", "code": 500}
            self._ask("POST", "/_emulator/faults", fault | {"times": 50})

    def _change_manifest(self, hour: int) -> None:
        changed = self._companies[hour].name
        write_manifests(self._controller.settings.manifests, self._companies, {changed})

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        self._controller.hand.ask(method, path, body)


def measure(merchants: int = MERCHANTS, *days: int) -> Iterator[Figure]:
    """Needs about ten minutes of processor time."""
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as name:
        settings = virtual_fleet(url, Path(name), merchants, PACE, RESYNC_S)
        found = tell(Week(load_companies(url), days or DAYS), settings, Path(name) / "log")
    yield from _figures(found, merchants)


def _figures(days: list[Day], merchants: int) -> Iterator[Figure]:
    goal = f"<= {AGE_GOAL_S / 60:.0f}"
    yield Figure(
        f"oldest age of {merchants} in {len(days)} days", max(each.oldest_s for each in days) / 60, "min", goal
    )
    oldest = max(each.oldest_but_for_outages_s for each in days)
    yield Figure("  in outages and after, but for their length", oldest / 60, "min", goal)
    for day in days:
        yield Figure(f"  on day {day.number}", day.oldest_s / 60, "min")
    yield from _steady_state(days[-1].requests, merchants)
    yield Figure("requests in the fullest minute", max(each.most_requests for each in days), "", f"<= {PACE}")
    first, last = days[0], days[-1]
    yield Figure("memory, last day ÷ first", last.resident_mib / first.resident_mib, "", "<= 1.15")
    yield Figure("  on the last day", last.resident_mib, "MiB")
    yield Figure("descriptors, more than on the first day", last.descriptors - first.descriptors, "", "<= 0")
    quiet = last.state_mib - days[-2].state_mib if len(days) > 1 else 0.0
    yield Figure("state, by what a quiet day adds, a month", 30 * quiet, "MiB", "<= 5")
    for day in days:
        yield Figure(f"  on day {day.number}", day.state_mib, "MiB")
        yield Figure("    memory", day.resident_mib, "MiB")


def _steady_state(requests: Counter[str], merchants: int) -> Iterator[Figure]:
    """Of a day on which nothing happens, once data are old enough for their refreshes to come evenly: the last."""
    listings = sum(requests[call] for call in _LISTINGS)
    polls = MINUTES_A_DAY + MINUTES_A_DAY // 10
    resyncs = DAY_S / RESYNC_S
    writes = sum(times for call, times in requests.items() if not call.startswith("GET ") and call != _REFRESH)
    by_merchant = merchants * (resyncs + 1 + 1)
    yield Figure("a quiet day: requests but listings", requests.total() - listings, "", f"<= {by_merchant:.0f}")
    yield Figure("  listings", listings, "", f"<= {polls + LISTINGS_PER_RESYNC * resyncs:.0f}")
    yield Figure("  writes but the refreshes", writes, "", "<= 0")
    for call, times in sorted(requests.items()):
        yield Figure(f"  {call}", times, "")
