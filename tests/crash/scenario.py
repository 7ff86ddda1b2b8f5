"""A provisioning run that holds a bit of everything, and what must be true whatever happened in it.

before               declared                         the run
ann   nothing        a merchant like any other        creates a company and a connection
bob   linked, bound  mapped on the profile            the first configuration
cat   configured     Unlinked                         switched off, unlinked
dan   configured     by another name, mapped          renamed, configured
eve   configured     gone, policy Delete              switched off, unlinked, deleted
fay   configured,    by her name                      adopted
      not bound
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from controller.model.plan import State
from controller.model.report import FleetPlan, FleetReport
from controller.reconcile import settle
from state import open_state
from tests.crash.disturbance import Disturbance, disturbed
from tests.end_to_end.place import COMPANIES, COMPANY, CONFIGURATION, Place, changes, writes

PATIENCE = 6
"""So many further applies at most until all is well."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LAGGING = {COMPANIES: 3, CONFIGURATION: 2}
"""How often each kind of read is behind, at the start of the run after a crash."""
ALLOWED = ("delete", "re-create", "unlink", "disable", "shrink")
"""Everything: no limit hides what would go wrong."""
NOTE = {"note": "the merchant's own"}
"""What no manifest declares."""


def prepare(folder: Path, emulator: Any) -> Place:
    """The world before the run, and the manifests of the run."""
    emulator.control("POST", "/reset")
    folder.mkdir()
    place = Place(folder, emulator)
    (bob,) = emulator.seed(1, "linked", prefix="bob-")
    names = [emulator.seed(1, "configured", prefix=f"{name}-")[0]["name"] for name in ("cat", "dan", "eve", "fay")]
    cat, dan, eve, fay = names
    xero = {"connection": {"platform": "xero"}}
    for name in (bob["name"], cat, dan):
        place.merchant(name, profile=None, **xero)
    place.merchant(eve, profile=None, **xero, policy={"deletion": "Delete"})
    place.apply()
    place.profile()
    place.merchant("ann")
    place.merchant(bob["name"])
    place.merchant(cat, profile=None, connection={"platform": "xero", "state": "Unlinked"})
    place.merchant(dan, company={"name": "dan and sons"}, unmanaged=["schedule.startDate"], enabled=False)
    place.merchant(fay, profile=None, **xero)
    place.gone(eve)
    emulator.advance("PT10S")
    return place


class Stage:
    """The world before the run, made once and set up anew for each point."""

    def __init__(self, folder: Path, emulator: Any) -> None:
        self._folder, self._emulator = folder, emulator
        before = prepare(folder / "before", emulator)
        self._companies = {each["name"][:3]: each["id"] for each in before.companies()}
        self._noted: set[str] = set()
        emulator.control("POST", "/snapshot")

    def set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        self._noted.clear()
        shutil.copytree(self._folder / "before", self._folder / name)
        return Place(self._folder / name, self._emulator)

    def edit(self, fault: str, request: str) -> None:
        """The merchants in the portal. What they set between our last read and our POST is lost: API has no ETag."""
        if fault == "declared field edited":
            self._patch("bob", {"enabled": False})
            self._patch("dan", {"enabled": True})
        else:
            for name, company_id in self._companies.items():
                if request != f"POST /config/companies/{company_id}/sync/commerce":
                    self._patch(name, NOTE)
                    self._noted.add(company_id)

    def lost_edits(self, place: Place) -> list[str]:
        """Of the companies that are still there, those whose merchant's own is gone."""
        noted = [each for each in place.companies() if each["id"] in self._noted]
        return [f"{each['name']}: an undeclared field was lost" for each in noted if not _has_note(place, each)]

    def _patch(self, name: str, patch: dict[str, Any]) -> None:
        """A company that is deleted already has no portal."""
        self._emulator.api.patch(f"/_emulator/companies/{self._companies[name]}/configuration", json=patch)


def act(place: Place) -> FleetReport | FleetPlan:
    return place.apply(allow=ALLOWED, parallelism=1)


def undergo(place: Place, *disturbances: Disturbance) -> FleetReport | FleetPlan | None:
    """The run with its disturbances; None when the process died of one."""
    try:
        with ExitStack() as stack:
            for each in disturbances:
                stack.enter_context(disturbed(each))
            with time_passes(place):
                return act(place)
    except BaseException:
        if not any(each.dead for each in disturbances):
            raise
    asyncio.run(_unlock(place))
    return None


@contextmanager
def time_passes(place: Place) -> Iterator[None]:
    """The wait between the two looks for a create takes no time here, and all of it over there."""

    async def sleep(seconds: float) -> None:
        place.emulator.advance("PT6S")

    settle.asyncio = SimpleNamespace(sleep=sleep)
    try:
        yield
    finally:
        settle.asyncio = asyncio


def learn(place: Place) -> Disturbance:
    """The undisturbed run's requests and commits, in order."""
    looking = Disturbance()
    undergo(place, looking)
    return looking


def recover(place: Place) -> int:
    """Applies until one finds nothing to do and writes nothing, and how many that took."""
    for number in range(1, PATIENCE + 1):
        with place.counted() as counts, time_passes(place):
            report = act(place)
        if isinstance(report, FleetReport) and not writes(counts) and _settled(report):
            return number
    raise AssertionError(f"after {PATIENCE} applies there still is {changes(place.plan())}")


def _settled(report: FleetReport) -> bool:
    return all(not each.changes and each.state is not State.UNKNOWN for each in report.plan.plans)


def lag(place: Place) -> None:
    """For a while, what is read is as it was before the last write: a company too, at the first look for a create."""
    first_look = {COMPANY: 1} if asyncio.run(_open_intents(place)) else {}
    for match, times in (LAGGING | first_look).items():
        place.emulator.fault(match, "stale", times=times)


def complaints(place: Place, undisturbed: Any) -> list[str]:
    """All that is not as it must be after a recovery: nothing, where all is well."""
    found = twins(place)
    intents = asyncio.run(_open_intents(place))
    found += [f"an intent is open: {intent}" for intent in intents]
    end = end_state(place)
    found += [
        f"{name} ended as {end.get(name)}" for name in end | undisturbed if end.get(name) != undisturbed.get(name)
    ]
    return found


def end_state(place: Place) -> dict[str, Any]:
    """By company: its connections and its whole document, ids by their tails, which all companies share."""
    return {each["name"]: _end_of(place, each) for each in place.companies()}


def _end_of(place: Place, company: dict[str, Any]) -> Any:
    connections = sorted((each["sourceType"], each["status"]) for each in company["dataConnections"])
    if any(status == "PendingAuth" for _, status in connections):
        return connections, None
    document = _document(place, company)
    for ours in ("companyId", *NOTE):
        document.pop(ours, None)
    return connections, UUID.sub(lambda match: match[0][-4:], json.dumps(document, sort_keys=True))


def _has_note(place: Place, company: dict[str, Any]) -> bool:
    return NOTE.items() <= _document(place, company).items()


def _document(place: Place, company: dict[str, Any]) -> dict[str, Any]:
    return dict(place.emulator.api.get(f"/config/companies/{company['id']}/sync/commerce").json())


def twins(place: Place) -> list[str]:
    """Companies of the same name, and connections of the same kind at one company."""
    companies = place.companies()
    names = Counter(each["name"] for each in companies)
    found = [f"{name}: {number} companies" for name, number in names.items() if number > 1]
    for each in companies:
        kinds = Counter(connection["sourceType"] for connection in each["dataConnections"])
        found += [f"{each['name']}: {number} {kind} connections" for kind, number in kinds.items() if number > 1]
    return found


async def _open_intents(place: Place) -> tuple[Any, ...]:
    async with open_state(place.settings.state) as store:
        return await store.open_intents()


async def _unlock(place: Place) -> None:
    """A process that died in a test lives on as the test, and would hold its lock."""
    async with open_state(place.settings.state) as store:
        await store.break_lock()
