"""Any history at all: declared states, hands in portal and books, consent, faults and deaths in random order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.crash.disturbance import KILL_FAULTS, REQUEST_FAULTS
from tests.crash.fleet_manifests import MERCHANT_NAMES, NO_SUCH_ACCOUNT
from tests.crash.histories import ALL_LIMITS, EDITED_ROWS, FaultSequence, History
from tests.crash.other_users import NAME_FIELD, RENAMED_SUFFIX
from tests.emulator import Emulator

DECLARABLE_FIELDS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("enabled", (True, False)),
    ("connection.state", ("Linked", "Unlinked")),
    ("policy.drift", ("Correct", "Report")),
    ("policy.deletion", ("Retain", "Disable", "Unlink", "Delete")),
    ("schedule.time", ("00:00", "06:00")),
    ("schedule.startDate", ("2026-12-01", "2026-12-05")),
    ("mapping.sales.customer", ({"name": "POS daily takings"}, {"name": "Walk-in customers"})),
    (
        "mapping.sales.accounts.gratuity",
        ({"name": "Tips payable"}, {"code": "830"}, None, NO_SUCH_ACCOUNT),
    ),
    ("mapping.sales.accounts.sales", ({"code": "200"}, {"code": "205"}, {"name": "Sales"})),
    ("mapping.payments.accounts.cash", ({"name": "Till cash"}, {"code": "612"}, None)),
    ('mapping.sales.taxRates["20"]', ({"id": "OUTPUT2"}, {"name": "5% (VAT on income)"})),
    ("mapping.sales.grouping.invoice", ([], ["Location"], ["Location", "Country"])),
    ("mapping.fees.sync", (True, False)),
)
UNMANAGEABLE_FIELDS = (
    "enabled",
    "schedule.startDate",
    "schedule.time",
    "mapping.sales.customer",
    "mapping.sales.accounts.gratuity",
    "mapping.payments.accounts.card",
    'mapping.sales.taxRates["5"]',
    "mapping.fees",
)
CHOOSABLE_ROWS = (
    "mapping.sales.accounts.gratuity",
    "mapping.sales.accounts.sales",
    "mapping.payments.accounts.cash",
    "mapping.payments.accounts.payout",
    "mapping.sales.customer",
    'mapping.sales.taxRates["5"]',
)
PORTAL_PATCHES: tuple[dict[str, Any], ...] = (
    {"enabled": False},
    {"enabled": True},
    {"schedule": {"syncHourUtc": 7}},
    {"schedule": {"syncHourUtc": 5, "timeZone": "America/New_York"}},
    {"schedule": {"startDate": "2026-12-03T00:00:00", "timeZone": "America/New_York"}},
    {"note": "mine"},
    {"configuration": {"sales": {"beta": {"share": 1.5, "number": 12345678901234567890, "list": [1, None]}}}},
    {"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}},
    {"configuration": {"sales": {"newTaxRates": {"selectedDefaultZeroTaxRateId": "ZERORATEDOUTPUT"}}}},
    {
        "configuration": {
            "sales": {"grouping": {"groupingLevels": {"invoiceLevel": {"selectedGroupByOptions": ["Country"]}}}}
        }
    },
    {"configuration": {"fees": {"syncFees": False}}},
)
BOOK_EDITS: tuple[tuple[str, str, Any], ...] = tuple(
    (kind, row, deed)
    for kind, row in EDITED_ROWS
    for deed in ({NAME_FIELD.get(kind, "name"): row + RENAMED_SUFFIX}, {"status": "Archived"}, None, "add")
)

names = st.sampled_from(MERCHANT_NAMES)
wishes_ = st.sampled_from([(path, wish) for path, all_of_them in DECLARABLE_FIELDS for wish in all_of_them])
patches = st.sampled_from(PORTAL_PATCHES)
allowances = st.sampled_from([ALL_LIMITS, ALL_LIMITS, frozenset[str]()])
faults = st.dictionaries(
    st.integers(0, 14), st.tuples(st.sampled_from(sorted(REQUEST_FAULTS)), st.sampled_from([1, 1, 2, 9])), max_size=2
)
deaths = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(KILL_FAULTS), st.integers(0, 14)))
storms = st.tuples(faults, deaths)


Storm = tuple[dict[int, tuple[str, int]], tuple[str, int] | None]
"""Faults by request, each with how often; and of what the process dies, and when."""


class AnyHistory(RuleBasedStateMachine):
    """Everyone acts at random; whoever watches complains at once; at the end all must come to rest as declared."""

    emulator: ClassVar[Emulator]
    steps: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = History(self.folder / "place", self.emulator)

    def teardown(self) -> None:
        try:
            if self.history.is_sound:
                self.history.settle()
                self.history.check_after_repairs()
                self.history.check_in_new_world(self.folder / "anew")
        finally:
            shutil.rmtree(self.folder)

    def step(self) -> History:
        type(self).steps += 1
        return self.history

    @initialize(
        found=st.tuples(*[st.sampled_from(["", "linked", "configured"]) for _ in MERCHANT_NAMES]), wanted=st.sets(names)
    )
    def begin(self, found: tuple[str, ...], wanted: set[str]) -> None:
        for name, state in zip(MERCHANT_NAMES, found, strict=True):
            if state:
                self.history.others.create_company(name, state)
        for name in sorted(wanted):
            self.history.manifests.add(name)
        self.history.apply()

    # -- Manifests

    @rule(name=names)
    def appears(self, name: str) -> None:
        self.step().manifests.add(name)

    @rule(name=names)
    def disappears(self, name: str) -> None:
        self.step().manifests.remove(name)

    @rule(name=st.sampled_from([*MERCHANT_NAMES, "uk"]), wish=wishes_)
    def declares(self, name: str, wish: tuple[str, Any]) -> None:
        self.step().manifests.declare(name, *wish)

    @rule(name=names, path=st.sampled_from([path for path, _ in DECLARABLE_FIELDS] + ["company.name"]))
    def declares_no_longer(self, name: str, path: str) -> None:
        self.step().manifests.undeclare(name, path)

    @rule(name=names, path=st.sampled_from(UNMANAGEABLE_FIELDS))
    def leaves_alone(self, name: str, path: str) -> None:
        self.step().manifests.toggle_unmanaged(name, path)

    @rule(name=names)
    def gets_another_company_name(self, name: str) -> None:
        self.step().manifests.declare(name, "company.name", f"{name} and sons")

    # -- Somebody over there

    @rule(name=names, patch=patches)
    def edits_in_the_portal(self, name: str, patch: dict[str, Any]) -> None:
        self.step().others.edit_in_portal(name, patch)

    @rule(name=names, path=st.sampled_from(CHOOSABLE_ROWS), number=st.integers(0, 6))
    def chooses_in_the_portal(self, name: str, path: str, number: int) -> None:
        self.step().others.choose_option(name, path, number)

    @rule(name=names, deed=st.sampled_from(["deauthorize", "fail", "unlink", "delete"]))
    def disconnects(self, name: str, deed: str) -> None:
        self.step().others.change_connection(name, deed)

    @rule(name=names)
    def consents(self, name: str) -> None:
        self.step().others.change_connection(name, "authorize")

    @rule()
    def all_consent(self) -> None:
        for name in MERCHANT_NAMES:
            self.step().others.change_connection(name, "authorize")
        self.emulator.advance("PT1M")

    @rule(name=names)
    def renames_the_company(self, name: str) -> None:
        self.step().others.rename_company(name, f"{name} renamed")

    @rule(name=names)
    def deletes_the_company(self, name: str) -> None:
        self.step().others.delete_company(name)

    @rule(name=names, edit=st.sampled_from(BOOK_EDITS), pull=st.booleans())
    def edits_the_books(self, name: str, edit: tuple[str, str, Any], pull: bool) -> None:
        self.step().others.edit_books(name, *edit, pull)

    @rule(duration=st.sampled_from(["PT3S", "PT1M", "P1D"]))
    def time_passes(self, duration: str) -> None:
        self.step()
        self.emulator.advance(duration)

    # -- Runs

    @rule()
    def plans(self) -> None:
        self.step().plan()

    @rule(allow=allowances)
    def applies(self, allow: frozenset[str]) -> None:
        self.step().apply(allow=allow)

    @rule(storm=storms)
    def applies_in_a_storm(self, storm: Storm) -> None:
        self.weathered(storm).apply()

    @rule(name=names, storm=storms)
    def applies_to_one(self, name: str, storm: Storm) -> None:
        if name in self.history.manifests.own:
            self.weathered(storm).apply(name)

    @rule(name=names, patch=patches)
    def applies_while_somebody_edits(self, name: str, patch: dict[str, Any]) -> None:
        history = self.step()
        history.apply(meanwhile=lambda: history.others.edit_in_portal(name, patch))

    @rule()
    def saves_a_plan(self) -> None:
        self.step().save()

    @rule(storm=storms)
    def applies_the_saved_plan(self, storm: Storm) -> None:
        self.weathered(storm).apply_saved()

    @rule()
    def comes_to_rest(self) -> None:
        self.step().settle()

    def weathered(self, storm: Storm) -> History:
        (more, death), history = storm, self.step()
        fault, at = death or (None, -1)
        history.next_faults = FaultSequence(fault, at, order_fault=self.emulator.fault, faults=more)
        return history


def explore(emulator: Emulator, examples: int, steps: int, *, at_random: bool) -> int:
    """Runs so many histories of so many steps; how many steps they were in all."""
    machine: type[AnyHistory] = type("AnyHistory", (AnyHistory,), {"emulator": emulator, "steps": 0})
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=not at_random,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=bounds)
    return machine.steps


@pytest.mark.computes
def test_any_history_comes_to_rest_as_declared(emulator: Emulator) -> None:
    assert explore(emulator, 10, 25, at_random=False) > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_many_histories_come_to_rest_as_declared(emulator: Emulator, seed: int) -> None:
    assert explore(emulator, 60, 40, at_random=True) > 1000
