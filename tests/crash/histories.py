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
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from controller.desired.loader import load_fleet
from controller.model.plan import Plan, PlanStatus
from controller.model.report import FleetPlan, FleetReport
from controller.model.run_policy import ALLOW_CLASSES, RELEASABLE_BY_COUNT, TAKE_DOWN
from controller.reporting.as_json import plan_json
from state import open_state
from tests.crash import expected as wishes
from tests.crash import witness
from tests.crash.disturbance import READ_FAULTS, REQUEST_FAULTS, Disturbance, disturbed
from tests.crash.fleet_manifests import MERCHANT_NAMES, FleetManifests
from tests.crash.other_users import OtherUsers
from tests.crash.witness import Licence, RemoteView
from tests.emulator import Emulator
from tests.end_to_end.place import Place, changes_by_merchant, count_writes_by_call

T = TypeVar("T")

MAX_CALMING_APPLIES = 5
OPEN_INTENTS_QUERY = "select merchant, kind, name from intents where closed_at is null"
ALL_LIMITS = frozenset(ALLOW_CLASSES)
EDITED_ROWS = (
    ("accounts", "Tips payable"),
    ("accounts", "Sales"),
    ("accounts", "Till cash"),
    ("taxRates", "20% (VAT on income)"),
    ("customers", "POS daily takings"),
    ("suppliers", "Card processor"),
)
"""The rows that people edit."""
UNLINKING_POLICIES, DISABLING_POLICIES = ("Unlink", "Delete"), ("Disable", "Unlink", "Delete")


@dataclass
class FaultSequence(Disturbance):
    """Several things that go wrong in one run, by the number of the request: a fault, and how often in a row."""

    faults: dict[int, tuple[str, int]] = field(default_factory=dict)

    def before_request(self, request: Any) -> bool:
        number, dies = len(self.requests), super().before_request(request)
        word, times = self.faults.get(number, ("", 0))
        if word and (word not in READ_FAULTS or may_be_stale(self.requests[-1])):
            self.order_fault(self.requests[-1], **{"times": times, **REQUEST_FAULTS[word]})
        return dies


def may_be_stale(request: str) -> bool:
    """Lists and documents may be some seconds old; a company that is asked for by its id is believed at once."""
    return request.startswith("GET ") and (request.endswith(("/meta/companies", "/sync/commerce")))


class OracleFailure(AssertionError):
    """An oracle's complaint."""


class History:
    """The fleet from its beginning: `manifests` edits its manifests, `others` do what they like, runs are watched.

    policies  by merchant, the deletion policies of which state may know by now
    weather   what goes wrong in the next run
    saved     a plan that somebody put aside
    sound     nothing was found wrong so far
    """

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        emulator.control("POST", "/reset")
        folder.mkdir()
        self.emulator, self.place = emulator, Place(folder, emulator)
        self.place.set_create_settle(5.01)
        self.place.skip_waits()
        self.manifests = FleetManifests(self.place)
        self.others = OtherUsers(self.place, self.company)
        self.policies: dict[str, set[str]] = {name: {"Retain"} for name in MERCHANT_NAMES}
        self.next_faults = FaultSequence(order_fault=emulator.fault)
        self.saved_plan: dict[str, Any] | None = None
        self.is_sound = True
        self._moved = -1

    def company(self, name: str) -> dict[str, Any] | None:
        """Whose company it is: the bound one, else the one that bears a name of this merchant."""
        companies = {each["id"]: each for each in self.place.companies()}
        bound = next((each for each, owner in self.owners().items() if owner == name), None)
        if bound in companies:
            return companies[bound]
        called = {name, self.manifests.company_name(name)}
        return next((each for each in companies.values() if each["name"] in called), None)

    # -- Runs

    def plan(self) -> FleetPlan:
        """Looking writes nothing."""
        with self.place.count_requests() as counts:
            plan = self.place.plan()
        self.check([f"plan wrote {count_writes_by_call(counts)}"] if count_writes_by_call(counts) else [])
        return plan

    def save(self) -> None:
        self.saved_plan = plan_json(self.plan())

    def apply_saved(self) -> None:
        """A plan of other manifests is refused whole, and nothing else of it is asked here."""
        if self.saved_plan is not None:
            saved, self.saved_plan = self.saved_plan, None
            if saved["manifests"] == load_fleet(self.place.manifests, None).digest:
                self.apply(saved=saved)

    def apply(
        self,
        *targets: str,
        allow: frozenset[str] = ALL_LIMITS,
        meanwhile: Callable[[], None] | None = None,
        saved: dict[str, Any] | None = None,
    ) -> FleetReport | FleetPlan | None:
        """One apply in the weather of the moment, watched. `meanwhile` happens while a person reads the plan."""
        storm, self.next_faults = self.next_faults, FaultSequence(order_fault=self.emulator.fault)
        quiet = storm.fault is None and not storm.faults
        self._let_time_pass(quiet)
        sights = [witness.observe_remote(self.place)]
        licences, words = self.licences(targets, allow), self._said(allow, targets)
        self._promise(targets)

        def agree(plan: FleetPlan) -> bool:
            if meanwhile:
                meanwhile()
                sights.append(witness.observe_remote(self.place))
            return True

        with self.place.count_requests() as counts:
            report = self._undergo(
                storm,
                lambda: self.place.apply_or_plan(*targets, allow=words, saved=saved, agree=agree, parallelism=1),
            )
        self._watched(report, sights[-1], licences, allow)
        if quiet and isinstance(report, FleetReport):
            self.check(witness.miscounted_writes(report, counts))
        if isinstance(report, FleetPlan):
            self.check([f"refused, and wrote {count_writes_by_call(counts)}"] if count_writes_by_call(counts) else [])
        return report

    def _said(self, allow: frozenset[str], targets: tuple[str, ...]) -> tuple[str, ...]:
        """The words of `--allow`. What is held merchant by merchant is released by name, in a run of the whole root."""
        known = {*self.manifests.own, *(name for (name,) in self._asked("select merchant from merchants"))}
        released = [cls for cls in RELEASABLE_BY_COUNT if cls in allow] + ([TAKE_DOWN] if allow else [])
        named = [f"{word}={name}" for word in released if not targets for name in sorted(known)]
        return (*allow.difference(RELEASABLE_BY_COUNT), *named)

    def _let_time_pass(self, quiet: bool) -> None:
        """What somebody did is older than any answer may be: else nobody could tell that it was lost by us."""
        moved = self.manifests.edits + self.others.action_count
        if moved != self._moved and not quiet:
            self.emulator.advance("PT6S")
        self._moved = moved

    def _watched(
        self,
        report: FleetReport | FleetPlan | None,
        before: RemoteView,
        licences: dict[str, Licence],
        allow: frozenset[str],
    ) -> None:
        after = witness.observe_remote(self.place)
        owners = self._meant(after) | self.owners()
        self.check(witness.unlicensed_differences(before, after, owners, licences))
        self.check(witness.over_limits(before, after, allow))
        if isinstance(report, FleetReport):
            self.check(witness.untrue_claims(report, before, after, owners, datetime.now(UTC)))

    def _undergo(self, storm: FaultSequence, act: Callable[[], T]) -> T | None:
        """What the run returned; None when its process died of the weather."""
        try:
            with disturbed(self.place, storm):
                return act()
        except BaseException:
            if not storm.is_dead:
                raise
            asyncio.run(_unlock(self.place))
            return None
        finally:
            self.emulator.control("DELETE", "/faults")

    def check(self, complaints: Any) -> None:
        found = list(complaints)
        if found:
            self.is_sound = False
            raise OracleFailure("; ".join(found))

    def _promise(self, targets: tuple[str, ...]) -> None:
        """Policies that an apply may store from now on."""
        for name in self.manifests.own:
            if not targets or name in targets:
                self.policies[name].add(self.manifests.effective_value(name, "policy.deletion", "Retain"))

    def licences(self, targets: tuple[str, ...], allow: frozenset[str]) -> dict[str, Licence]:
        """By merchant what a run may do to it now."""
        own = self.manifests.own
        named = {name: self._licence(name) for name in own if not targets or name in targets}
        gone = {name: self._farewell(name, allow) for name in MERCHANT_NAMES if name not in own and not targets}
        return named | gone

    def _licence(self, name: str) -> Licence:
        names = frozenset({self.manifests.company_name(name)})
        if not self.manifests.wants_link(name):
            return Licence(names=names, disables=True, unlinks=True)
        fields = self.manifests.managed_fields(name)
        return Licence(fields, names, connects=True, disables=fields.get("enabled") is False)

    def _farewell(self, name: str, allow: frozenset[str]) -> Licence:
        policies = self.policies[name]
        return Licence(
            disables=not policies.isdisjoint(DISABLING_POLICIES),
            unlinks=not policies.isdisjoint(UNLINKING_POLICIES),
            deletes="Delete" in policies and "delete" in allow,
        )

    # -- What is known here

    def _meant(self, sight: RemoteView) -> dict[str, str]:
        """Company id → merchant, by the name: what a run may adopt."""
        by_name = {self.manifests.company_name(name): name for name in self.manifests.own}
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

    def settle(self) -> FleetPlan:
        """Disturbances end. Some applies on, a plan has no changes, an apply writes nothing, all is as declared."""
        self.next_faults = FaultSequence(order_fault=self.emulator.fault)
        self.emulator.advance("PT1M")
        for _ in range(MAX_CALMING_APPLIES):
            report = self.apply()
            if isinstance(report, FleetReport) and not changes_by_merchant(report.plan):
                break
        plan = self.plan()
        self.check([f"it never ends: {changes_by_merchant(plan)}"] if changes_by_merchant(plan) else [])
        with self.place.count_requests() as counts:
            self.apply()
        self.check([f"in sync, and wrote {count_writes_by_call(counts)}"] if count_writes_by_call(counts) else [])
        self.check(f"an intent is open: {each}" for each in self._asked(OPEN_INTENTS_QUERY))
        self.check(self.differences(plan))
        return plan

    def differences(self, plan: FleetPlan) -> Iterator[str]:
        """What stands otherwise than declared, though nothing hinders it; what is called in sync and is not."""
        sight, now = witness.observe_remote(self.place), datetime.now(UTC)
        companies = {owner: company_id for company_id, owner in self.owners().items()}
        for each in plan.plans:
            if each.merchant in self.manifests.own:
                company_id = companies.get(each.merchant, "")
                yield from (f"{each.merchant}: {wrong}" for wrong in self._otherwise(each, company_id, sight, now))

    def _otherwise(self, plan: Plan, company_id: str, sight: RemoteView, now: datetime) -> Iterator[str]:
        name, reports, in_sync = (
            plan.merchant,
            self.manifests.is_report_only(plan.merchant),
            plan.status is PlanStatus.IN_SYNC,
        )
        told = f"{plan.status.value} {[each.code for each in plan.findings]}"
        if company_id not in sight.companies:
            yield from () if reports else (f"no company: {told}",)
            return
        if sight.companies[company_id]["name"] != self.manifests.company_name(name) and not reports:
            yield f"the company is called {sight.companies[company_id]['name']!r}: {told}"
        document, linked = sight.documents[company_id], len(sight.linked_connections(company_id))
        if not self.manifests.wants_link(name):
            yield from (f"linked, though wanted Unlinked: {told}",) if linked else ()
        elif linked != 1 or document is None:
            yield from ("in sync without a linked connection",) if in_sync else ()
        elif not reports:
            fields = self.manifests.managed_fields(name)
            otherwise, hindered = (
                wishes.differences(document, fields, now),
                wishes.validation_problems(document, fields, now),
            )
            if (otherwise and in_sync) or (not hindered and (otherwise or not in_sync)):
                yield f"{told}, but {otherwise}, hindered by {hindered}"

    def check_after_repairs(self) -> None:
        """Everybody puts right what hinders; after that, nobody is hindered, and all is as declared."""
        self.manifests.repair()
        for name in self.manifests.own:
            self._mended(name)
        self.apply()
        self.apply()
        for name in self.manifests.own:
            self._mended(name)
        plan = self.settle()
        unwell = {each.merchant: [found.code for found in each.findings] for each in plan.plans if not self._well(each)}
        self.check([f"mended, and still {unwell}"] if unwell else [])

    def _mended(self, name: str) -> None:
        for kind, row in EDITED_ROWS:
            self.others.repair_books(name, kind, row)
        if self.manifests.wants_link(name):
            self.others.repair_start(name, datetime(2026, 1, 1, tzinfo=UTC))
            self.others.change_connection(name, "authorize")
        self.emulator.advance("PT1M")

    def _well(self, plan: Plan) -> bool:
        return plan.merchant not in self.manifests.own or plan.status is PlanStatus.IN_SYNC

    def live_values_of_declared_fields(self) -> dict[str, Any]:
        """What stands at all declared fields, references by name: the same in any world with these manifests."""
        now, linked = datetime.now(UTC), filter(self.manifests.wants_link, self.manifests.own)
        fields = {name: self.manifests.managed_fields(name) for name in linked}
        return {
            name: wishes.resolved_values(self.others.document(name) or {}, each, now) for name, each in fields.items()
        }

    def check_in_new_world(self, folder: Path) -> None:
        """The same manifests in a world that has seen nothing else end with the same values. The old world is over."""
        before, other = self.live_values_of_declared_fields(), History(folder, self.emulator)
        other.manifests.copy_from(self.manifests)
        other.apply()
        other.check_after_repairs()
        after = other.live_values_of_declared_fields()
        moved = [name for name in before | after if before.get(name) != after.get(name)]
        self.check(f"{name} anew is {after.get(name)}, not {before.get(name)}" for name in moved)


async def _unlock(place: Place) -> None:
    """What the next process does by itself, once the one that held the lock is dead."""
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()
