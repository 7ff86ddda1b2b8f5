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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from controller.model.plan import PlanStatus
from controller.model.report import FleetPlan, FleetReport
from state import open_state
from tests.crash import expected as wishes
from tests.crash.disturbance import Disturbance, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import (
    GET_COMPANY,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    Place,
    changes_by_merchant,
    count_writes_by_call,
)

MAX_APPLIES = 6
"""So many further applies at most until all is well."""
UUID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STALE_READS = {LIST_COMPANIES: 3, GET_CONFIGURATION: 2}
"""How often each kind of read is behind, at the start of the run after a crash."""
ALL_LIMITS_LIFTED = ("delete", "re-create", "unlink", "disable", "shrink")
"""Everything: no limit hides what would go wrong."""
UNDECLARED_NOTE = {"note": "the merchant's own"}
"""What no manifest declares."""
STRANGER_NAME = "stranger"
"""What companies are called that are nobody's here; they come and go."""
LATE_CREATE_S = 12.0
"""Seconds after which a create is done whose caller was given up on: longer than two looks are apart."""


def prepare_world(folder: Path, emulator: Emulator, strangers: int = 0) -> Place:
    """The world before the run, and the manifests of the run. Strangers are companies older than all others."""
    emulator.control("POST", "/reset")
    folder.mkdir(parents=True)
    place = Place(folder, emulator)
    for number in range(strangers):
        emulator.merchant(f"{STRANGER_NAME} {number}")
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
    place.remove_manifests(eve)
    emulator.advance("PT10S")
    return place


class CrashStage:
    """The world before the run, made once and set up anew for each point.

    page_size   of a service that serves no longer pages; there are two strangers then, so that fay begins a page
    settings    of Codat
    open_place  makes the place of a run from its folder
    """

    def __init__(
        self,
        folder: Path,
        emulator: Emulator,
        page_size: int | None = None,
        settings: dict[str, bool] | None = None,
        open_place: Callable[[Path, Emulator], Place] = Place,
    ) -> None:
        self._folder, self._emulator, self._page_size = folder, emulator, page_size
        self._open_place = open_place
        before = prepare_world(folder / "before", emulator, strangers=2 if page_size else 0)
        emulator.control("PATCH", "/settings", settings or {})
        self._companies = {
            each["name"][:3]: each["id"] for each in before.companies() if STRANGER_NAME not in each["name"]
        }
        self._strangers = [each["id"] for each in before.companies() if STRANGER_NAME in each["name"]]
        self._noted: set[str] = set()
        emulator.control("POST", "/snapshot")

    def set_up(self, name: str) -> Place:
        self._emulator.control("POST", "/restore")
        if self._page_size:
            self._emulator.control("POST", "/limits", {"maxPageSize": self._page_size})
        self._noted.clear()
        shutil.rmtree(self._folder / name, ignore_errors=True)  # of a proof that was told enough before its end
        shutil.copytree(self._folder / "before", self._folder / name)
        place = self._open_place(self._folder / name, self._emulator)
        place.set_create_settle(5.01, late=60)
        place.skip_waits()
        return place

    def edit(self, fault: str, request: str) -> None:
        """The merchants in the portal. What they set between our last read and our POST is lost: API has no ETag."""
        if fault == "declared field edited":
            self._patch("bob", {"enabled": False})
            self._patch("dan", {"enabled": True})
        else:
            for name, company_id in self._companies.items():
                if request != f"POST /config/companies/{company_id}/sync/commerce":
                    self._patch(name, UNDECLARED_NOTE)
                    self._noted.add(company_id)

    def interfere(self, fault: str, request: str) -> None:
        """The rest of the world, at the moment of a request."""
        order = self._emulator.fault
        if fault.startswith("edited"):
            company_id = request.split("/")[3]
            self._meanwhile(
                request, "after", ("PATCH", f"/_emulator/companies/{company_id}/configuration", UNDECLARED_NOTE)
            )
            self._noted.add(company_id)
        if fault == "edited while our POST waits":
            order(request, "status", code=429, retryAfter="1")
        elif fault == "consented":
            for company in self._emulator.api.get("/companies").json()["results"]:
                self.consent(company)
        elif fault == "completed late":
            order(request, "complete-late", seconds=LATE_CREATE_S, code=504)
        elif fault == "gateway's 404":
            order(request, "status", code=404, html=True)
        elif fault == "gateway's 504, done":
            order(request, "status", code=504, html=True, done=True)
        elif fault == "page shifted":
            again = {"name": f"{STRANGER_NAME} again"}
            gone = ("DELETE", f"/companies/{self._strangers[0]}", None)
            self._meanwhile(request, "before", gone, ("POST", "/meta/companies/sync", again))

    def consent(self, company: dict[str, Any]) -> None:
        for each in company["dataConnections"]:
            if each["status"] == "PendingAuth" and STRANGER_NAME not in company["name"]:
                self._emulator.control("POST", f"/companies/{company['id']}/connections/{each['id']}/authorize")

    def _meanwhile(self, match: str, when: str, *calls: tuple[str, str, Any]) -> None:
        deeds = [{"method": method, "path": path, "body": body} for method, path, body in calls]
        self._emulator.control("POST", "/meanwhile", {"match": match, "when": when, "calls": deeds})

    def lost_edits(self, place: Place) -> list[str]:
        """Of the companies that are still there, those whose merchant's own is gone."""
        noted = [each for each in place.companies() if each["id"] in self._noted]
        return [f"{each['name']}: an undeclared field was lost" for each in noted if not _has_note(place, each)]

    def _patch(self, name: str, patch: dict[str, Any]) -> None:
        """A company that is deleted already has no portal."""
        self._emulator.api.patch(f"/_emulator/companies/{self._companies[name]}/configuration", json=patch)


def apply_all(place: Place) -> FleetReport | FleetPlan:
    return place.apply_or_plan(allow=ALL_LIMITS_LIFTED, parallelism=1)


def run_disturbed(place: Place, *disturbances: Disturbance) -> FleetReport | FleetPlan | None:
    """The run with its disturbances; None when the process died of one."""
    try:
        with ExitStack() as stack:
            for each in disturbances:
                stack.enter_context(disturbed(place, each))
            return apply_all(place)
    except BaseException:
        if not any(each.is_dead for each in disturbances):
            raise
    asyncio.run(_unlock(place))
    return None


def record_trace(place: Place) -> Disturbance:
    """The undisturbed run's requests and commits, in order."""
    looking = Disturbance()
    run_disturbed(place, looking)
    return looking


def apply_until_settled(place: Place) -> int:
    """Applies until one finds nothing to do and writes nothing, and how many that took."""
    for number in range(1, MAX_APPLIES + 1):
        with place.count_requests() as counts:
            report = apply_all(place)
        if isinstance(report, FleetReport) and not count_writes_by_call(counts) and _settled(report):
            return number
    raise AssertionError(f"after {MAX_APPLIES} applies there still is {changes_by_merchant(place.plan())}")


def _settled(report: FleetReport) -> bool:
    return all(
        not each.changes and not each.held_changes and each.status is not PlanStatus.UNKNOWN
        for each in report.plan.plans
    )


def make_reads_stale(place: Place) -> None:
    """For a while, what is read is as it was before the last write: a company too, at the first look for a create."""
    first_look = {GET_COMPANY: 1} if asyncio.run(_open_intents(place)) else {}
    for match, times in (STALE_READS | first_look).items():
        place.emulator.fault(match, "stale", times=times)


def problems(place: Place, undisturbed: dict[str, Any], ended: dict[str, Any] | None = None) -> list[str]:
    """All that is not as it must be after a recovery: nothing, where all is well. `ended`: how it ended, if known."""
    found = duplicates(place)
    intents = asyncio.run(_open_intents(place))
    found += [f"an intent is open: {intent}" for intent in intents]
    end = ended or end_state(place)
    for name in end | undisturbed:
        if end.get(name) != undisturbed.get(name):
            found.append(f"{name} ended as {list(_otherwise(undisturbed.get(name), end.get(name)))}")
    return found


def _otherwise(wanted: Any, found: Any) -> Iterator[str]:
    """What of a company's end is not as it was to be."""
    (links, document), (links_found, document_found) = wanted or ((), None), found or ((), None)
    if links != links_found:
        yield f"{links_found}, not {links}"
    before, after = (dict(wishes.flatten_document("", json.loads(each or "{}"))) for each in (document, document_found))
    yield from (
        f"{path} {after.get(path)!r}, not {before.get(path)!r}"
        for path in before | after
        if before.get(path) != after.get(path)
    )


def end_state(place: Place) -> dict[str, Any]:
    """By company: its connections and its whole document, ids by their tails, which all companies share."""
    return {each["name"]: _end_of(place, each) for each in place.companies() if STRANGER_NAME not in each["name"]}


def _end_of(place: Place, company: dict[str, Any]) -> Any:
    connections = sorted((each["sourceType"], each["status"]) for each in company["dataConnections"])
    if any(status == "PendingAuth" for _, status in connections):
        return connections, None
    document = _document(place, company)
    for ours in ("companyId", *UNDECLARED_NOTE):
        document.pop(ours, None)
    return connections, UUID_PATTERN.sub(lambda match: match[0][-4:], json.dumps(document, sort_keys=True))


def _has_note(place: Place, company: dict[str, Any]) -> bool:
    return UNDECLARED_NOTE.items() <= _document(place, company).items()


def _document(place: Place, company: dict[str, Any]) -> dict[str, Any]:
    return dict(place.emulator.api.get(f"/config/companies/{company['id']}/sync/commerce").json())


def duplicates(place: Place) -> list[str]:
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
        return await store.intents.load_open()


async def _unlock(place: Place) -> None:
    """A process that died in a test lives on as the test, and would hold its lock."""
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()
