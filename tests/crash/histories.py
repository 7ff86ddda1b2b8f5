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
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import ALLOWABLE
from controller.reporting.as_json import plan_json
from state import open_state
from tests.crash import wishes, witness
from tests.crash.disturbance import READ_FAULTS, REQUEST_FAULTS, Disturbance, disturbed
from tests.crash.witness import Licence, Sight
from tests.end_to_end.place import PROFILE, Place, changes, writes

NAMES = ("ann", "bob", "cat")
PATIENCE = 5
OPEN = "select merchant, kind, name from intents where closed_at is null"
EVERYTHING = frozenset(ALLOWABLE)
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
    """The fleet from its beginning. Every method is one deed; what it finds wrong it raises as `Wrong`."""

    def __init__(self, folder: Path, emulator: Any) -> None:
        emulator.control("POST", "/reset")
        folder.mkdir()
        self.emulator, self.place = emulator, Place(folder, emulator)
        self.place.patiently(5.01)
        self.profile = wishes.flat(PROFILE)
        self.own: dict[str, dict[str, Any]] = {}
        self.unmanaged: dict[str, set[str]] = {name: set() for name in NAMES}
        self.policies: dict[str, set[str]] = {name: {"Retain"} for name in NAMES}
        self.weather = Storm(order=emulator.fault)
        self.touched = True
        self.saved: dict[str, Any] | None = None
        self.sound = True
        self.runs = 0
        self._write()

    # -- What is declared

    def appear(self, name: str) -> None:
        self.own.setdefault(name, {})
        self._write()

    def disappear(self, name: str) -> None:
        self.own.pop(name, None)
        self.unmanaged[name].clear()
        self._write()

    def declare(self, name: str, path: str, wish: Any) -> None:
        """`name` may be the profile's; a wish that makes the manifests unsound is not written."""
        self._edit(name, lambda fields: fields.update({path: wish}))

    def undeclare(self, name: str, path: str) -> None:
        self._edit(name, lambda fields: fields.pop(path, None))

    def leave_alone(self, name: str, path: str) -> None:
        """Or no longer."""
        self.unmanaged[name] ^= {path}
        if not self._written():
            self.unmanaged[name] ^= {path}
            self._write()

    def _edit(self, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        fields = self.profile if name == "uk" else self.own.get(name)
        if fields is None:
            return
        before = dict(fields)
        edit(fields)
        if not self._written():
            fields.clear()
            fields.update(before)
            self._write()

    def _written(self) -> bool:
        self._write()
        return not load(self.place.manifests, None).complaints

    def _write(self) -> None:
        self.touched = True
        for path in self.place.manifests.iterdir():
            path.unlink()
        self.place._write("MappingProfile", "uk", wishes.nested(self.profile))
        for name, own in self.own.items():
            unmanaged = {"unmanaged": sorted(self.unmanaged[name])} if self.unmanaged[name] else {}
            self.place._write("Merchant", name, {"profile": "uk", **wishes.nested(own), **unmanaged})

    def wished(self, name: str, path: str, usual: Any = None) -> Any:
        return self.own[name].get(path, self.profile.get(path, usual))

    def fields(self, name: str) -> dict[str, Any]:
        return wishes.declared(self.profile, self.own[name], self.unmanaged[name])

    # -- What somebody does over there

    def found(self, name: str, state: str) -> None:
        """A company of that name that somebody else made: `linked` or `configured`."""
        (merchant,) = self.emulator.seed(1, state, prefix=f"{name}-")
        answer = self.emulator.api.put(f"/companies/{merchant['companyId']}", json={"name": name})
        assert answer.is_success, answer.text

    def call(self, method: str, path: str, body: Any = None) -> None:
        """Somebody uses the API or a control; what is not possible just now is not done."""
        self.touched = True
        self.emulator.api.request(method, path, json=body)

    def portal(self, name: str, patch: dict[str, Any]) -> None:
        if company := self.company(name):
            self.call("PATCH", f"/_emulator/companies/{company['id']}/configuration", patch)

    def choose(self, name: str, path: str, number: int) -> None:
        """Somebody selects one of a row's options in the portal; at the end come nothing, and what is not there."""
        company = self.company(name)
        document = witness._document(self.place, company["id"]) if company else None
        if document is None:
            return
        choices = [each["id"] for each in wishes._options(document, path)] + [None, "nowhere"]
        patch: Any = choices[number % len(choices)]
        for key in reversed(wishes._where(path)):
            patch = {key: patch}
        self.portal(name, patch)

    def connection(self, name: str, deed: str) -> None:
        """`authorize`, `deauthorize`, `fail`, `unlink` or `delete`: the merchant, the platform or another user."""
        for each in self._accounting(name):
            at = f"/companies/{self.company(name)['id']}/connections/{each['id']}"
            if deed == "unlink":
                self.call("PATCH", f"/meta{at}", {"status": "Unlinked"})
            elif deed == "delete":
                self.call("DELETE", at)
            else:
                self.call("POST", f"/_emulator{at}/{deed}")

    def rename_company(self, name: str, new: str) -> None:
        if (company := self.company(name)) and new not in {each["name"] for each in self.place.companies()}:
            self.call("PUT", f"/companies/{company['id']}", {"name": new})

    def delete_company(self, name: str) -> None:
        if company := self.company(name):
            self.call("DELETE", f"/companies/{company['id']}")

    def books(self, name: str, kind: str, row: str, deed: Any, pull: bool) -> None:
        """Somebody edits a row of the books by its name: new fields, or None to delete, or "add" for one more."""
        company = self.company(name)
        if company is None:
            return
        at, query = f"/_emulator/companies/{company['id']}/{kind}", f"?pull={str(pull).lower()}"
        answer = self.emulator.api.get(at)
        rows = answer.json()["results"] if answer.is_success else []
        key = {"customers": "customerName", "suppliers": "supplierName"}.get(kind, "name")
        same = [each for each in rows if each[key] == row and not each["metadata"]["isDeleted"]]
        if deed == "add":
            like = {field: rows[0][field] for field in ("fullyQualifiedCategory",) if rows and field in rows[0]}
            self.call("POST", at + query, {key: row, **like})
        elif same:
            self.call("PATCH" if deed else "DELETE", f"{at}/{same[0]['id']}{query}", deed)

    def time(self, duration: str) -> None:
        self.emulator.advance(duration)

    def company(self, name: str) -> dict[str, Any] | None:
        """Whose company it is: the bound one, else the one that bears a name of this merchant."""
        companies = {each["id"]: each for each in self.place.companies()}
        bound = next((each for each, owner in self.owners().items() if owner == name), None)
        if bound in companies:
            return companies[bound]
        called = {name, self.wished(name, "company.name", name)} if name in self.own else {name}
        return next((each for each in companies.values() if each["name"] in called), None)

    def _accounting(self, name: str) -> list[dict[str, Any]]:
        company = self.company(name)
        return [each for each in company["dataConnections"] if each["sourceType"] == "Accounting"] if company else []

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
            if self.saved_holds(saved):
                self.apply(saved=saved)

    def saved_holds(self, saved: dict[str, Any]) -> bool:
        return bool(saved["manifests"] == load(self.place.manifests, None).digest)

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
        if self.touched and not quiet:
            self.emulator.advance("PT6S")
        self.touched = False
        sights = [witness.look(self.place)]
        licences = self.licences(targets, allow)
        self.promise(targets)

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
        self.runs += 1
        self._watched(report, sights[-1], licences, allow)
        if quiet and isinstance(report, FleetReport):
            self.right(witness.miscounted(report, counts))
        if isinstance(report, FleetPlan):
            self.right([f"refused, and wrote {writes(counts)}"] if writes(counts) else [])
        return report

    def _watched(self, report: Any, before: Sight, licences: dict[str, Licence], allow: frozenset[str]) -> None:
        after, owners = witness.look(self.place), self.owners()
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

    def promise(self, targets: tuple[str, ...]) -> None:
        """A policy that an apply may store from now on."""
        for name in self.own:
            if not targets or name in targets:
                self.policies[name].add(self.wished(name, "policy.deletion", "Retain"))

    def licences(self, targets: tuple[str, ...], allow: frozenset[str]) -> dict[str, Licence]:
        """By merchant what a run may do to it now."""
        named = {name: self._licence(name) for name in self.own if not targets or name in targets}
        gone = {name: self._farewell(name, allow) for name in NAMES if name not in self.own and not targets}
        return named | gone

    def _licence(self, name: str) -> Licence:
        linked = self.wished(name, "connection.state", "Linked") == "Linked"
        names = frozenset({self.wished(name, "company.name", name)})
        if not linked:
            return Licence(names=names, disables=True, unlinks=True)
        fields = self.fields(name)
        return Licence(fields, names, connects=True, disables=fields.get("enabled") is False)

    def _farewell(self, name: str, allow: frozenset[str]) -> Licence:
        policies = self.policies[name]
        return Licence(
            disables=not policies.isdisjoint(OFF),
            unlinks=not policies.isdisjoint(LINK),
            deletes="Delete" in policies and "delete" in allow,
        )

    # -- What is known here

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
        sight, now = witness.look(self.place), datetime.now(UTC)
        companies = {owner: company_id for company_id, owner in self.owners().items()}
        for each in plan.plans:
            if each.merchant in self.own:
                yield from self._not_as_declared(each, companies.get(each.merchant), sight, now)

    def _not_as_declared(self, plan: Any, company_id: str | None, sight: Sight, now: datetime) -> Iterator[str]:
        name, state = plan.merchant, plan.state.value
        codes = [each.code for each in plan.findings]
        reports = self.wished(name, "policy.drift", "Correct") == "Report"
        if company_id not in sight.companies:
            if not reports:
                yield f"{name}: {state} without a company: {codes}"
            return
        company, document = sight.companies[company_id], sight.documents[company_id]
        if company["name"] != self.wished(name, "company.name", name) and not reports:
            yield f"{name}: the company is called {company['name']!r}"
        if self.wished(name, "connection.state", "Linked") == "Unlinked":
            if sight.linked(company_id):
                yield f"{name}: linked, though wanted Unlinked"
            return
        if len(sight.linked(company_id)) != 1 or document is None:
            if state == "in-sync":
                yield f"{name}: in sync without a linked connection"
            return
        fields = self.fields(name)
        otherwise, hindered = wishes.unlike(document, fields, now), wishes.obstacles(document, fields, now)
        if state == "in-sync" and otherwise and not reports:
            yield f"{name}: in sync, but {otherwise}"
        if not hindered and not reports and (otherwise or state != "in-sync"):
            yield f"{name}: {state} for {codes}, though nothing hinders: {otherwise}"


async def _unlock(place: Place) -> None:
    """What the next process does by itself, once the one that held the lock is dead."""
    async with open_state(place.settings.state) as store:
        await store.break_lock()
