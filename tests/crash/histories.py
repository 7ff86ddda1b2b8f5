"""A small fleet, everyone who has a hand in it, and the runs of merchantctl among them, in any order.

declare          manifests appear, change, go
somebody         portal, books, consent, other users of the API
weather          what goes wrong at which request or commit of the next run
run              plan, apply, a saved plan, one target; watched by the witness
calm             disturbances end: applies until nothing is to be done; then all must be as declared
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import controller.codat.transport
import controller.reconcile.settle
from controller.desired.fleet import load
from controller.model.plan import Plan, State
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import ALLOWABLE
from controller.reporting.as_json import plan_json
from state import open_state
from tests.crash import wishes, witness
from tests.crash.declaring import NAMES, Declaring
from tests.crash.disturbance import READ_FAULTS, REQUEST_FAULTS, Disturbance, disturbed
from tests.crash.people import People
from tests.crash.witness import Licence, Sight
from tests.end_to_end.place import Place, changes, writes

PATIENCE = 5
OPEN = "select merchant, kind, name from intents where closed_at is null"
EVERYTHING = frozenset(ALLOWABLE)
BOOKS = (
    ("accounts", "Tips payable"),
    ("accounts", "Sales"),
    ("accounts", "Till cash"),
    ("taxRates", "20% (VAT on income)"),
    ("customers", "POS daily takings"),
    ("suppliers", "Card processor"),
)
"""The rows that people edit."""
LINK, OFF = ("Unlink", "Delete"), ("Disable", "Unlink", "Delete")


@dataclass
class Storm(Disturbance):
    """Several things that go wrong in one run, by the number of the request: a fault, and how often in a row."""

    faults: dict[int, tuple[str, int]] = field(default_factory=dict)

    def before_request(self, request: Any) -> bool:
        number, dies = len(self.requests), super().before_request(request)
        word, times = self.faults.get(number, ("", 0))
        if word and (word not in READ_FAULTS or may_be_old(self.requests[-1])):
            self.order(self.requests[-1], **{"times": times, **REQUEST_FAULTS[word]})
        return dies


def may_be_old(request: str) -> bool:
    """Lists and documents may be some seconds old; a company that is asked for by its id is believed at once."""
    return request.startswith("GET ") and (request.endswith(("/meta/companies", "/sync/commerce")))


class Elsewhere:
    """asyncio, but for waiting: it takes no time here, and all its time over there."""

    def __init__(self, emulator: Any) -> None:
        self._emulator = emulator

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        self._emulator.advance(f"PT{seconds:.3f}S")


@contextmanager
def time_passes_over_there(emulator: Any) -> Iterator[None]:
    modules = (controller.codat.transport, controller.reconcile.settle)
    for module in modules:
        module.asyncio = Elsewhere(emulator)
    try:
        yield
    finally:
        for module in modules:
            module.asyncio = asyncio


class Wrong(AssertionError):
    """An oracle's complaint."""


class History:
    """The fleet from its beginning: `declaring` edits its manifests, `people` do what they like, runs are watched.

    policies  by merchant, the deletion policies of which state may know by now
    weather   what goes wrong in the next run
    saved     a plan that somebody put aside
    sound     nothing was found wrong so far
    """

    def __init__(self, folder: Path, emulator: Any) -> None:
        emulator.control("POST", "/reset")
        folder.mkdir()
        self.emulator, self.place = emulator, Place(folder, emulator)
        self.place.patiently(5.01)
        self.declaring = Declaring(self.place)
        self.people = People(self.place, self.company)
        self.policies: dict[str, set[str]] = {name: {"Retain"} for name in NAMES}
        self.weather = Storm(order=emulator.fault)
        self.saved: dict[str, Any] | None = None
        self.sound = True
        self._moved = -1

    def company(self, name: str) -> dict[str, Any] | None:
        """Whose company it is: the bound one, else the one that bears a name of this merchant."""
        companies = {each["id"]: each for each in self.place.companies()}
        bound = next((each for each, owner in self.owners().items() if owner == name), None)
        if bound in companies:
            return companies[bound]
        called = {name, self.declaring.called(name)}
        return next((each for each in companies.values() if each["name"] in called), None)

    # -- Runs

    def plan(self) -> FleetPlan:
        """Looking writes nothing."""
        with self.place.counted() as counts:
            plan = self._guarded(self.place.plan)
        self.right([f"plan wrote {writes(counts)}"] if writes(counts) else [])
        return plan

    def save(self) -> None:
        self.saved = plan_json(self.plan())

    def apply_saved(self) -> None:
        """A plan of other manifests is refused whole, and nothing else of it is asked here."""
        if self.saved is not None:
            saved, self.saved = self.saved, None
            if saved["manifests"] == load(self.place.manifests, None).digest:
                self.apply(saved=saved)

    def apply(
        self,
        *targets: str,
        allow: frozenset[str] = EVERYTHING,
        meanwhile: Callable[[], None] | None = None,
        saved: dict[str, Any] | None = None,
    ) -> FleetReport | FleetPlan | None:
        """One apply in the weather of the moment, watched. `meanwhile` happens while a person reads the plan."""
        storm, self.weather = self.weather, Storm(order=self.emulator.fault)
        quiet = storm.fault is None and not storm.faults
        self._let_time_pass(quiet)
        sights = [witness.look(self.place)]
        licences = self.licences(targets, allow)
        self._promise(targets)

        def agree(plan: FleetPlan) -> bool:
            if meanwhile:
                meanwhile()
                sights.append(witness.look(self.place))
            return True

        with self.place.counted() as counts:
            report = self._undergo(
                storm,
                lambda: self.place.apply(*targets, allow=tuple(allow), saved=saved, agree=agree, parallelism=1),
            )
        self._watched(report, sights[-1], licences, allow)
        if quiet and isinstance(report, FleetReport):
            self.right(witness.miscounted(report, counts))
        if isinstance(report, FleetPlan):
            self.right([f"refused, and wrote {writes(counts)}"] if writes(counts) else [])
        return report

    def _let_time_pass(self, quiet: bool) -> None:
        """What somebody did is older than any answer may be: else nobody could tell that it was lost by us."""
        moved = self.declaring.edits + self.people.deeds
        if moved != self._moved and not quiet:
            self.emulator.advance("PT6S")
        self._moved = moved

    def _watched(self, report: Any, before: Sight, licences: dict[str, Licence], allow: frozenset[str]) -> None:
        after = witness.look(self.place)
        owners = self._meant(after) | self.owners()
        self.right(witness.unlicensed(before, after, owners, licences))
        self.right(witness.over_the_limits(before, after, allow))
        if isinstance(report, FleetReport):
            self.right(witness.untrue(report, before, after, owners, datetime.now(UTC)))

    def _undergo(self, storm: Storm, act: Callable[[], Any]) -> Any:
        """What the run returned; None when its process died of the weather."""
        try:
            with disturbed(storm):
                return self._guarded(act)
        except BaseException:
            if not storm.dead:
                raise
            asyncio.run(_unlock(self.place))
            return None
        finally:
            self.emulator.control("DELETE", "/faults")

    def _guarded(self, act: Callable[[], Any]) -> Any:
        with time_passes_over_there(self.emulator):
            return act()

    def right(self, complaints: Any) -> None:
        found = list(complaints)
        if found:
            self.sound = False
            raise Wrong("; ".join(found))

    def _promise(self, targets: tuple[str, ...]) -> None:
        """Policies that an apply may store from now on."""
        for name in self.declaring.own:
            if not targets or name in targets:
                self.policies[name].add(self.declaring.wished(name, "policy.deletion", "Retain"))

    def licences(self, targets: tuple[str, ...], allow: frozenset[str]) -> dict[str, Licence]:
        """By merchant what a run may do to it now."""
        own = self.declaring.own
        named = {name: self._licence(name) for name in own if not targets or name in targets}
        gone = {name: self._farewell(name, allow) for name in NAMES if name not in own and not targets}
        return named | gone

    def _licence(self, name: str) -> Licence:
        names = frozenset({self.declaring.called(name)})
        if not self.declaring.linked(name):
            return Licence(names=names, disables=True, unlinks=True)
        fields = self.declaring.fields(name)
        return Licence(fields, names, connects=True, disables=fields.get("enabled") is False)

    def _farewell(self, name: str, allow: frozenset[str]) -> Licence:
        policies = self.policies[name]
        return Licence(
            disables=not policies.isdisjoint(OFF),
            unlinks=not policies.isdisjoint(LINK),
            deletes="Delete" in policies and "delete" in allow,
        )

    # -- What is known here

    def _meant(self, sight: Sight) -> dict[str, str]:
        """Company id → merchant, by the name: what a run may adopt."""
        by_name = {self.declaring.called(name): name for name in self.declaring.own}
        return {
            company_id: by_name[company["name"]]
            for company_id, company in sight.companies.items()
            if company["name"] in by_name
        }

    def owners(self) -> dict[str, str]:
        """Company id → merchant, as state has it."""
        rows = self._asked("select company_id, merchant from merchants where company_id is not null")
        return dict(rows)

    def _asked(self, query: str) -> list[tuple[Any, ...]]:
        """What the state file says, asked from outside: also while a run has it open."""
        if not self.place.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.place.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    # -- The end

    def calm(self) -> FleetPlan:
        """Disturbances end. Some applies on, a plan has no changes, an apply writes nothing, all is as declared."""
        self.weather = Storm(order=self.emulator.fault)
        self.emulator.advance("PT1M")
        for _ in range(PATIENCE):
            report = self.apply()
            if isinstance(report, FleetReport) and not changes(report.plan):
                break
        plan = self.plan()
        self.right([f"it never ends: {changes(plan)}"] if changes(plan) else [])
        with self.place.counted() as counts:
            self.apply()
        self.right([f"in sync, and wrote {writes(counts)}"] if writes(counts) else [])
        self.right(f"an intent is open: {each}" for each in self._asked(OPEN))
        self.right(self.not_as_declared(plan))
        return plan

    def not_as_declared(self, plan: FleetPlan) -> Iterator[str]:
        """What stands otherwise than declared, though nothing hinders it; what is called in sync and is not."""
        sight, now = witness.look(self.place), datetime.now(UTC)
        companies = {owner: company_id for company_id, owner in self.owners().items()}
        for each in plan.plans:
            if each.merchant in self.declaring.own:
                company_id = companies.get(each.merchant, "")
                yield from (f"{each.merchant}: {wrong}" for wrong in self._otherwise(each, company_id, sight, now))

    def _otherwise(self, plan: Plan, company_id: str, sight: Sight, now: datetime) -> Iterator[str]:
        name, reports, in_sync = plan.merchant, self.declaring.reports(plan.merchant), plan.state is State.IN_SYNC
        told = f"{plan.state.value} {[each.code for each in plan.findings]}"
        if company_id not in sight.companies:
            yield from () if reports else (f"no company: {told}",)
            return
        if sight.companies[company_id]["name"] != self.declaring.called(name) and not reports:
            yield f"the company is called {sight.companies[company_id]['name']!r}: {told}"
        document, linked = sight.documents[company_id], len(sight.linked(company_id))
        if not self.declaring.linked(name):
            yield from (f"linked, though wanted Unlinked: {told}",) if linked else ()
        elif linked != 1 or document is None:
            yield from ("in sync without a linked connection",) if in_sync else ()
        elif not reports:
            fields = self.declaring.fields(name)
            otherwise, hindered = wishes.unlike(document, fields, now), wishes.obstacles(document, fields, now)
            if (otherwise and in_sync) or (not hindered and (otherwise or not in_sync)):
                yield f"{told}, but {otherwise}, hindered by {hindered}"

    def mended(self) -> None:
        """Everybody puts right what hinders; after that, nobody is hindered, and all is as declared."""
        self.declaring.mend()
        for name in self.declaring.own:
            self._mended(name)
        self.apply()
        self.apply()
        for name in self.declaring.own:
            self._mended(name)
        plan = self.calm()
        unwell = {each.merchant: [found.code for found in each.findings] for each in plan.plans if not self._well(each)}
        self.right([f"mended, and still {unwell}"] if unwell else [])

    def _mended(self, name: str) -> None:
        for kind, row in BOOKS:
            self.people.mend_books(name, kind, row)
        if self.declaring.linked(name):
            self.people.mend_start(name, datetime(2026, 1, 1, tzinfo=UTC))
            self.people.connection(name, "authorize")
        self.emulator.advance("PT1M")

    def _well(self, plan: Plan) -> bool:
        return plan.merchant not in self.declaring.own or plan.state is State.IN_SYNC

    def values(self) -> dict[str, Any]:
        """What stands at all declared fields, references by name: the same in any world with these manifests."""
        now, linked = datetime.now(UTC), filter(self.declaring.linked, self.declaring.own)
        fields = {name: self.declaring.fields(name) for name in linked}
        return {name: wishes.meaning(self.people.document(name) or {}, each, now) for name, each in fields.items()}

    def anew(self, folder: Path) -> None:
        """The same manifests in a world that has seen nothing else end with the same values. The old world is over."""
        before, other = self.values(), History(folder, self.emulator)
        other.declaring.take_over(self.declaring)
        other.apply()
        other.mended()
        after = other.values()
        moved = [name for name in before | after if before.get(name) != after.get(name)]
        self.right(f"{name} anew is {after.get(name)}, not {before.get(name)}" for name in moved)


async def _unlock(place: Place) -> None:
    """What the next process does by itself, once the one that held the lock is dead."""
    async with open_state(place.settings.state) as store:
        await store.break_lock()
