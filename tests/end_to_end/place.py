"""A folder of manifests, a state file and an emulator, and merchantctl run on the three of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack
from unittest.mock import patch
from urllib.parse import quote

from controller.cli import main
from controller.environment import Environment
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, FleetReport, Skipped, Unchanged
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from controller.operations.plan import plan_only
from controller.settings import Settings
from tests.emulator import Emulator, KeptPlace
from tests.processes import run_python
from tests.proxy import Between, rewired

OutcomeKind = TypeVar("OutcomeKind", Unchanged, Applied, Failed, ChangedSincePlan, Skipped)

CREATE_COMPANY = "POST /meta/companies/sync"
CREATE_CONNECTION = "POST /meta/companies/{companyId}/connections"
SAVE_CONFIGURATION = "POST /config/companies/{companyId}/sync/commerce"
GET_CONFIGURATION = "GET /config/companies/{companyId}/sync/commerce"
LIST_COMPANIES = "GET /meta/companies"
GET_COMPANY = "GET /companies/{companyId}"

UK_PROFILE: dict[str, Any] = {
    "connection": {"platform": "xero"},
    "enabled": True,
    "schedule": {"frequency": "Daily", "startDate": "2026-12-01", "time": "00:00", "timeZone": "Europe/London"},
    "mapping": {
        "sales": {
            "sync": True,
            "invoiceStatus": "Submitted",
            "customer": {"name": "POS daily takings"},
            "accounts": {
                "sales": {"code": "200"},
                "refund": {"code": "205"},
                "gratuity": {"name": "Tips payable"},
                "prepaid": {"name": "Gift cards outstanding"},
            },
            "taxRates": {
                "0": {"name": "Zero rated income"},
                "5": {"name": "5% (VAT on income)"},
                "20": {"id": "OUTPUT2"},
            },
            "grouping": {"period": "Daily", "invoice": ["Location"], "invoiceLine": []},
        },
        "payments": {
            "sync": True,
            "accounts": {
                "card": {"name": "POS card clearing"},
                "cash": {"name": "Till cash"},
                "prepaidPayment": {"name": "Gift card redemptions"},
                "payout": {"code": "090"},
            },
        },
        "fees": {
            "sync": True,
            "supplier": {"name": "Card processor"},
            "accounts": {"paymentFee": {"name": "Merchant fees"}, "paymentFeeRefund": {"name": "Merchant fees"}},
        },
    },
}
"""All that a British merchant on Xero needs, by code, name and id."""


class JumpingClock:
    """A clock that is put forward where somebody would wait, and the emulator's with it."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator, self._ahead = emulator, timedelta()

    def environment(self, below: Environment) -> Environment:
        async def sleep(seconds: float) -> None:
            self._ahead += timedelta(seconds=seconds)
            self._emulator.advance(f"PT{seconds:.3f}S")
            await asyncio.sleep(0)

        return replace(below, clock=lambda: below.clock() + self._ahead, sleep=sleep)


class ApplyOptions(TypedDict, total=False):
    """What an apply takes beside its targets: `Place.apply_or_plan`."""

    allow: tuple[str, ...]
    max_changes: int | None
    saved: dict[str, Any] | None
    agree: Callable[[FleetPlan], bool]
    path: Path | None
    parallelism: int | None
    unattended: bool
    retry: bool


class Place:
    """Manifests in `folder/manifests`, state in `folder/state.db`, the API at the emulator.

    environment  what runs here take from the world: the emulator's, until a test puts another one in its place
    """

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.folder, self.emulator = folder, emulator
        self.environment: Environment = emulator.environment
        self._first_network, self._between = emulator.environment.network, Between()
        self.manifests = folder / "manifests"
        self.manifests.mkdir(exist_ok=True)
        self.database = folder / "state.db"
        self.unset_variables: frozenset[str] = frozenset()
        self.other_variables: dict[str, str] = {}
        self.settings = self._first_settings = Settings(
            api_key=emulator.api_key,
            base_url=emulator.url,
            state=f"sqlite:///{self.database}",
            manifests=self.manifests,
            requests_per_minute=0,
            create_settle=0.01,
            create_settle_late=0.02,
        )

    # -- The manifests

    def profile(self, name: str = "uk", **sections: Any) -> None:
        self._write("MappingProfile", name, {**UK_PROFILE, **sections})

    def merchant(self, name: str, profile: str | None = "uk", **spec: Any) -> None:
        self._write("Merchant", name, ({"profile": profile} if profile else {}) | spec)

    def remove_manifests(self, *names: str) -> None:
        for name in names:
            (self.manifests / f"merchant-{name}.yaml").unlink()

    def _write(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        manifest = {"apiVersion": "merchantctl/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        prefix = "merchant" if kind == "Merchant" else "profile"
        (self.manifests / f"{prefix}-{name}.yaml").write_text(json.dumps(manifest, indent=1))

    # -- The commands

    def plan(self, *targets: str, path: Path | None = None, selector: str | None = None) -> FleetPlan:
        return asyncio.run(plan_only(self.settings, Scope(path, targets, selector), environment=self.environment))

    def apply(self, *targets: str, **options: Unpack[ApplyOptions]) -> FleetReport:
        """An apply that is neither refused nor declined."""
        report = self.apply_or_plan(*targets, **options)
        assert isinstance(report, FleetReport), report.refusal
        return report

    def apply_or_plan(
        self,
        *targets: str,
        allow: tuple[str, ...] = (),
        max_changes: int | None = None,
        saved: dict[str, Any] | None = None,
        agree: Callable[[FleetPlan], bool] = lambda plan: True,
        path: Path | None = None,
        parallelism: int | None = None,
        unattended: bool = False,
        retry: bool = False,
    ) -> FleetReport | FleetPlan:
        """The report, or the plan alone where it was refused or declined."""
        leave = RunPolicy(frozenset(allow), max_changes, unattended, retry_quarantined=retry)
        order = RunRequest(Scope(path, targets), leave, agree, saved, parallelism)
        return asyncio.run(plan_and_apply(self.settings, order, environment=self.environment))

    def run_process(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`merchantctl` as a process of its own, its input a pipe."""
        self.check_reachable()
        command = [sys.executable, "-m", "controller", *arguments]
        return run_python(command, cwd=self.folder, env=self.variables(), input=stdin, timeout=300)

    def check_reachable(self) -> None:
        """For whoever starts a process that is to reach the emulator."""
        assert self.emulator.has_socket, "no other process reaches this emulator: mark the test `over_tcp`"

    def run_in_process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same command line in this process: quicker, where no signal, kill, pipe or log is the subject."""
        out, err = StringIO(), StringIO()
        around = patch.dict(os.environ, self.variables(), clear=True)
        with chdir(self.folder), around, patch("sys.stdin", StringIO()), redirect_stdout(out), redirect_stderr(err):
            code = main.run([*arguments], self.environment)
        return subprocess.CompletedProcess([*arguments], code, out.getvalue(), err.getvalue())

    def variables(self) -> dict[str, str]:
        """The environment variables that lead a process here, with `other_variables`, without `unset_variables`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CODAT_", "MERCHANTCTL_"))}
        ours = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "CODAT_API_KEY": self.emulator.api_key,
            "CODAT_BASE_URL": self.settings.base_url,
            "MERCHANTCTL_STATE": self.settings.state,
            "MERCHANTCTL_MANIFESTS": str(self.manifests),
            "MERCHANTCTL_REQUESTS_PER_MINUTE": "0",
            "MERCHANTCTL_CREATE_SETTLE": str(self.settings.create_settle),
            "MERCHANTCTL_CREATE_SETTLE_LATE": str(self.settings.create_settle_late),
        }
        return {
            name: value
            for name, value in (kept | ours | self.other_variables).items()
            if name not in self.unset_variables
        }

    def wait(self, seconds: float) -> None:
        """As the environment does: after `skip_waits`, in no time."""

        async def waited() -> None:
            await self.environment.sleep(seconds)

        asyncio.run(waited())

    def skip_waits(self) -> None:
        """From now on waiting takes no time here, and all of it over there: both clocks jump together."""
        self.environment = JumpingClock(self.emulator).environment(self.environment)

    def use_state_file(self, database: Path) -> None:
        """From now on the state is in that file."""
        self.database = database
        self.settings = replace(self.settings, state=f"sqlite:///{database}")

    def put_between(self, between: Between) -> None:
        """From the first request on, it stands between what runs here and the emulator, which has no socket."""
        self.environment = rewired(self.environment, between)
        self._first_network, self._between = self.environment.network, between

    def use_proxy(self, url: str) -> None:
        """From here on the API has this address: that of a proxy, which the state is told of as somebody would."""
        self.settings = replace(self.settings, base_url=url)
        moved = self.run_in_process("state", "rebind")
        assert moved.returncode == 0, moved.stderr

    def set_create_settle(self, seconds: float, late: float | None = None) -> None:
        """How long after its request a lost create is first looked for, and last (`late`; as long without it)."""
        self.settings = replace(self.settings, create_settle=seconds, create_settle_late=late or seconds)

    # -- The world

    def consent_everyone(self) -> None:
        """Every merchant that was asked gives consent, and its books are pulled."""
        for company in self.companies():
            for connection in company["dataConnections"]:
                if connection["status"] == "PendingAuth":
                    self.emulator.control(
                        "POST", f"/companies/{company['id']}/connections/{connection['id']}/authorize"
                    )
        self.emulator.advance("PT1M")

    def companies(self) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        number, total = 1, 1
        while len(results) < total:
            page = self.emulator.api.get("/meta/companies", params={"page": number, "pageSize": 5000}).json()
            results, total, number = results + page["results"], page["totalResults"], number + 1
        return sorted(results, key=lambda company: str(company["name"]))

    def company(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.companies() if each["name"] == name]
        return found

    def accounting_connection(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.company(name)["dataConnections"] if each["sourceType"] == "Accounting"]
        return found

    def document(self, name: str) -> dict[str, Any]:
        return dict(self.emulator.api.get(f"/config/companies/{self.company(name)['id']}/sync/commerce").json())

    def unlink_books_in_portal(self, name: str) -> None:
        """The merchant takes the consent for the books back."""
        connection = self.accounting_connection(name)["id"]
        path = f"/companies/{self.company(name)['id']}/connections/{connection}/deauthorize"
        self.emulator.control("POST", path)

    def edit_in_portal(self, name: str, patch: dict[str, Any]) -> None:
        """The merchant in the portal."""
        self.emulator.control("PATCH", f"/companies/{self.company(name)['id']}/configuration", patch)

    def provision(self, *names: str, **spec: Any) -> None:
        """These merchants, declared on the profile and brought all the way; as `begin_with`."""

        def build() -> None:
            self.profile()
            for name in names:
                self.merchant(name, **spec)
            self.apply()
            self.consent_everyone()
            self.apply()

        self.begin_with(json.dumps([names, spec]), build)

    def begin_with(self, name: str, build: Callable[[], None]) -> None:
        """What `build` makes of an empty place, by a name for that.

        A test that begins with what another one of this process began with gets a copy: of manifests and state, and of
        the emulator's world. It is as many seconds older, and its requests were counted there. Whoever asked the
        emulator anything before, as `count_requests` does, has one of his own.
        """
        is_shared = self._is_at_the_beginning()
        kept = self.emulator.kept_places.get(name) if is_shared else None
        if kept:
            self.emulator.control("POST", f"/restore?name={quote(name)}")
            self.database.touch(0o600)
            self.database.write_bytes(kept.state)
            for file, manifest in kept.manifests.items():
                (self.manifests / file).write_bytes(manifest)
            return
        build()
        if is_shared:
            self.emulator.control("POST", f"/snapshot?name={quote(name)}")
            manifests = {file.name: file.read_bytes() for file in self.manifests.iterdir()}
            self.emulator.kept_places[name] = KeptPlace(self.database.read_bytes(), manifests)

    def _is_at_the_beginning(self) -> bool:
        """Nothing was said to the emulator, declared or remembered, and it is now, on our clock and on our wire."""
        is_now = abs(self.environment.clock() - datetime.now(UTC)) < timedelta(minutes=1)
        is_ours = self.environment.network is self._first_network and self._between.is_nothing
        is_empty = self.emulator.is_untouched and not self.database.exists() and not any(self.manifests.iterdir())
        return is_now and is_ours and is_empty and self.settings is self._first_settings

    @contextmanager
    def count_requests(self) -> Iterator[Counter[str]]:
        """The requests of a block, by method and template, once it has ended."""
        before, during = Counter(self.emulator.counts()), Counter[str]()
        yield during
        during.update(Counter(self.emulator.counts()) - before)


def count_writes_by_call(counts: Counter[str]) -> dict[str, int]:
    return {call: times for call, times in counts.items() if not call.startswith("GET ")}


def outcome_of(report: FleetReport, merchant: str, kind: type[OutcomeKind]) -> OutcomeKind:
    """What became of a merchant's plan, which is of that kind."""
    outcome = report.outcomes[merchant]
    assert isinstance(outcome, kind), outcome
    return outcome


def findings_by_code(plan: FleetPlan, merchant: str) -> dict[str, Any]:
    """A merchant's findings by code."""
    return {each.code: each for one in plan.plans if one.merchant == merchant for each in one.findings}


def states_by_merchant(plan: FleetPlan) -> dict[str, str]:
    return {each.merchant: each.status.value for each in plan.plans}


def changes_by_merchant(plan: FleetPlan) -> dict[str, list[str]]:
    return {each.merchant: [change.kind.value for change in each.changes] for each in plan.plans if each.changes}
