"""A provisioning run that holds a bit of everything, and what must be true whatever happened in it.

before               declared                         the run
ann   nothing        a merchant like any other        creates a company and a connection
bob   linked, bound  mapped on the profile            the first configuration
cat   configured     Unlinked                         switched off, unlinked
dan   configured     by another name, mapped          renamed, configured
eve   configured     gone, policy Delete              switched off, unlinked, deleted
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from controller.model.report import FleetPlan, FleetReport
from state import open_state
from tests.crash.disturbance import Disturbance, disturbed
from tests.end_to_end.place import Place, changes, writes

PATIENCE = 4
"""So many further applies at most until all is well."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def prepare(folder: Path, emulator: Any) -> Place:
    """The world before the run, and the manifests of the run."""
    emulator.control("POST", "/reset")
    folder.mkdir()
    place = Place(folder, emulator)
    (bob,) = emulator.seed(1, "linked", prefix="bob-")
    names = [emulator.seed(1, "configured", prefix=f"{name}-")[0]["name"] for name in ("cat", "dan", "eve")]
    cat, dan, eve = names
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
    place.gone(eve)
    emulator.advance("PT10S")
    return place


def act(place: Place) -> FleetReport | FleetPlan:
    return place.apply(allow=("delete", "unlink", "disable", "shrink"), parallelism=1)


def undergo(place: Place, disturbance: Disturbance) -> FleetReport | FleetPlan | None:
    """The run with its disturbance; None when the process died of it."""
    try:
        with disturbed(disturbance):
            return act(place)
    except BaseException:
        if not disturbance.dead:
            raise
        return None


def learn(place: Place) -> Disturbance:
    """The undisturbed run's requests and commits, in order."""
    looking = Disturbance()
    undergo(place, looking)
    return looking


def recover(place: Place) -> int:
    """Applies until one finds nothing to do and writes nothing, and how many that took."""
    for number in range(1, PATIENCE + 1):
        with place.counted() as counts:
            report = act(place)
        if isinstance(report, FleetReport) and not writes(counts) and not changes(report.plan):
            return number
    raise AssertionError(f"after {PATIENCE} applies there still is {changes(place.plan())}")


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
    document = place.emulator.api.get(f"/config/companies/{company['id']}/sync/commerce").json()
    document.pop("companyId", None)
    return connections, UUID.sub(lambda match: match[0][-4:], json.dumps(document, sort_keys=True))


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
