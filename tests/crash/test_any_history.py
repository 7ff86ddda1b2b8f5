"""Any history at all: declared states, hands in portal and books, consent, faults and deaths in random order."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.crash.declaring import NAMES, NOWHERE
from tests.crash.disturbance import KILLS, REQUEST_FAULTS
from tests.crash.histories import BOOKS, EVERYTHING, History, Storm
from tests.crash.people import NAME, RENAMED

WISHES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("enabled", (True, False)),
    ("connection.state", ("Linked", "Unlinked")),
    ("policy.drift", ("Correct", "Report")),
    ("policy.deletion", ("Retain", "Disable", "Unlink", "Delete")),
    ("schedule.time", ("00:00", "06:00")),
    ("schedule.startDate", ("2026-12-01", "2026-12-05")),
    ("mapping.sales.customer", ({"name": "POS daily takings"}, {"name": "Walk-in customers"})),
    (
        "mapping.sales.accounts.gratuity",
        ({"name": "Tips payable"}, {"code": "830"}, None, NOWHERE),
    ),
    ("mapping.sales.accounts.sales", ({"code": "200"}, {"code": "205"}, {"name": "Sales"})),
    ("mapping.payments.accounts.cash", ({"name": "Till cash"}, {"code": "612"}, None)),
    ('mapping.sales.taxRates["20"]', ({"id": "OUTPUT2"}, {"name": "5% (VAT on income)"})),
    ("mapping.sales.grouping.invoice", ([], ["Location"], ["Location", "Country"])),
    ("mapping.fees.sync", (True, False)),
)
LEFT_ALONE = (
    "enabled",
    "schedule.startDate",
    "schedule.time",
    "mapping.sales.customer",
    "mapping.sales.accounts.gratuity",
    "mapping.payments.accounts.card",
    'mapping.sales.taxRates["5"]',
    "mapping.fees",
)
ROWS = (
    "mapping.sales.accounts.gratuity",
    "mapping.sales.accounts.sales",
    "mapping.payments.accounts.cash",
    "mapping.payments.accounts.payout",
    "mapping.sales.customer",
    'mapping.sales.taxRates["5"]',
)
PATCHES: tuple[dict[str, Any], ...] = (
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
EDITS: tuple[tuple[str, str, Any], ...] = tuple(
    (kind, row, deed)
    for kind, row in BOOKS
    for deed in ({NAME.get(kind, "name"): row + RENAMED}, {"status": "Archived"}, None, "add")
)

names = st.sampled_from(NAMES)
wishes_ = st.sampled_from([(path, wish) for path, all_of_them in WISHES for wish in all_of_them])
patches = st.sampled_from(PATCHES)
allowances = st.sampled_from([EVERYTHING, EVERYTHING, frozenset[str]()])
faults = st.dictionaries(
    st.integers(0, 14), st.tuples(st.sampled_from(sorted(REQUEST_FAULTS)), st.sampled_from([1, 1, 2, 9])), max_size=2
)
deaths = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(KILLS), st.integers(0, 14)))
storms = st.tuples(faults, deaths)


class AnyHistory(RuleBasedStateMachine):
    """Everyone acts at random; whoever watches complains at once; at the end all must come to rest as declared."""

    emulator: Any = None
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = History(self.folder / "place", self.emulator)

    def teardown(self) -> None:
        try:
            if self.history.sound:
                self.history.calm()
                self.history.mended()
                self.history.anew(self.folder / "anew")
        finally:
            shutil.rmtree(self.folder)

    def step(self) -> History:
        type(self).steps += 1
        return self.history

    @initialize(found=st.tuples(*[st.sampled_from(["", "linked", "configured"]) for _ in NAMES]), wanted=st.sets(names))
    def begin(self, found: tuple[str, ...], wanted: set[str]) -> None:
        for name, state in zip(NAMES, found, strict=True):
            if state:
                self.history.people.found(name, state)
        for name in sorted(wanted):
            self.history.declaring.appear(name)
        self.history.apply()

    # -- Manifests

    @rule(name=names)
    def appears(self, name: str) -> None:
        self.step().declaring.appear(name)

    @rule(name=names)
    def disappears(self, name: str) -> None:
        self.step().declaring.disappear(name)

    @rule(name=st.sampled_from([*NAMES, "uk"]), wish=wishes_)
    def declares(self, name: str, wish: tuple[str, Any]) -> None:
        self.step().declaring.declare(name, *wish)

    @rule(name=names, path=st.sampled_from([path for path, _ in WISHES] + ["company.name"]))
    def declares_no_longer(self, name: str, path: str) -> None:
        self.step().declaring.undeclare(name, path)

    @rule(name=names, path=st.sampled_from(LEFT_ALONE))
    def leaves_alone(self, name: str, path: str) -> None:
        self.step().declaring.leave_alone(name, path)

    @rule(name=names)
    def gets_another_company_name(self, name: str) -> None:
        self.step().declaring.declare(name, "company.name", f"{name} and sons")

    # -- Somebody over there

    @rule(name=names, patch=patches)
    def edits_in_the_portal(self, name: str, patch: dict[str, Any]) -> None:
        self.step().people.portal(name, patch)

    @rule(name=names, path=st.sampled_from(ROWS), number=st.integers(0, 6))
    def chooses_in_the_portal(self, name: str, path: str, number: int) -> None:
        self.step().people.choose(name, path, number)

    @rule(name=names, deed=st.sampled_from(["deauthorize", "fail", "unlink", "delete"]))
    def disconnects(self, name: str, deed: str) -> None:
        self.step().people.connection(name, deed)

    @rule(name=names)
    def consents(self, name: str) -> None:
        self.step().people.connection(name, "authorize")

    @rule()
    def all_consent(self) -> None:
        for name in NAMES:
            self.step().people.connection(name, "authorize")
        self.emulator.advance("PT1M")

    @rule(name=names)
    def renames_the_company(self, name: str) -> None:
        self.step().people.rename_company(name, f"{name} renamed")

    @rule(name=names)
    def deletes_the_company(self, name: str) -> None:
        self.step().people.delete_company(name)

    @rule(name=names, edit=st.sampled_from(EDITS), pull=st.booleans())
    def edits_the_books(self, name: str, edit: tuple[str, str, Any], pull: bool) -> None:
        self.step().people.books(name, *edit, pull)

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
    def applies_in_a_storm(self, storm: Any) -> None:
        self.weathered(storm).apply()

    @rule(name=names, storm=storms)
    def applies_to_one(self, name: str, storm: Any) -> None:
        if name in self.history.declaring.own:
            self.weathered(storm).apply(name)

    @rule(name=names, patch=patches)
    def applies_while_somebody_edits(self, name: str, patch: dict[str, Any]) -> None:
        history = self.step()
        history.apply(meanwhile=lambda: history.people.portal(name, patch))

    @rule()
    def saves_a_plan(self) -> None:
        self.step().save()

    @rule(storm=storms)
    def applies_the_saved_plan(self, storm: Any) -> None:
        self.weathered(storm).apply_saved()

    @rule()
    def comes_to_rest(self) -> None:
        self.step().calm()

    def weathered(self, storm: Any) -> History:
        (more, death), history = storm, self.step()
        fault, at = death or (None, -1)
        history.weather = Storm(fault, at, order=self.emulator.fault, faults=more)
        return history


@pytest.fixture(autouse=True)
def _one_look_at_the_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them is a third of a short run, and loopback needs none."""
    monkeypatch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))


def explored(emulator: Any, examples: int, steps: int, *, at_random: bool) -> int:
    """Runs so many histories of so many steps; how many steps they were in all."""
    machine = type("AnyHistory", (AnyHistory,), {"emulator": emulator, "steps": 0})
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
    return int(machine.steps)


def test_any_history_comes_to_rest_as_declared(emulator: Any) -> None:
    assert explored(emulator, 10, 25, at_random=False) > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_many_histories_come_to_rest_as_declared(emulator: Any, seed: int) -> None:
    assert explored(emulator, 60, 40, at_random=True) > 1000
