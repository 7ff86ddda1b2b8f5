"""A folder of manifests, a state file and an emulator, and merchantctl run on the three of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.app import Order, look, plan_and_apply
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import Leave, Scope
from controller.settings import Settings

CREATE_COMPANY = "POST /meta/companies/sync"
CREATE_CONNECTION = "POST /meta/companies/{companyId}/connections"
CONFIGURE = "POST /config/companies/{companyId}/sync/commerce"
CONFIGURATION = "GET /config/companies/{companyId}/sync/commerce"
COMPANIES = "GET /meta/companies"
COMPANY = "GET /companies/{companyId}"

PROFILE: dict[str, Any] = {
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


class Place:
    """Manifests in `folder/manifests`, state in `folder/state.db`, the API at the emulator."""

    def __init__(self, folder: Path, emulator: Any) -> None:
        self.folder, self.emulator = folder, emulator
        self.manifests = folder / "manifests"
        self.manifests.mkdir(exist_ok=True)
        self.database = folder / "state.db"
        self.settings = Settings(
            api_key=emulator.api_key,
            base_url=emulator.url,
            state=f"sqlite:///{self.database}",
            manifests=self.manifests,
            requests_per_minute=0,
            create_settle=0.01,
        )

    # -- The manifests

    def profile(self, name: str = "uk", **sections: Any) -> None:
        self._write("MappingProfile", name, {**PROFILE, **sections})

    def merchant(self, name: str, profile: str | None = "uk", **spec: Any) -> None:
        self._write("Merchant", name, ({"profile": profile} if profile else {}) | spec)

    def gone(self, *names: str) -> None:
        for name in names:
            (self.manifests / f"merchant-{name}.yaml").unlink()

    def _write(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        manifest = {"apiVersion": "merchantctl/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        prefix = "merchant" if kind == "Merchant" else "profile"
        (self.manifests / f"{prefix}-{name}.yaml").write_text(json.dumps(manifest, indent=1))

    # -- The commands

    def plan(self, *targets: str, path: Path | None = None, selector: str | None = None) -> FleetPlan:
        return asyncio.run(look(self.settings, Scope(path, targets, selector)))

    def apply(
        self,
        *targets: str,
        allow: tuple[str, ...] = (),
        max_changes: int | None = None,
        saved: dict[str, Any] | None = None,
        agree: Callable[[FleetPlan], bool] = lambda plan: True,
        path: Path | None = None,
        parallelism: int | None = None,
        unattended: bool = False,
    ) -> FleetReport | FleetPlan:
        leave = Leave(frozenset(allow), max_changes, unattended)
        order = Order(Scope(path, targets), leave, agree, saved, parallelism)
        return asyncio.run(plan_and_apply(self.settings, order))

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`merchantctl` as a process of its own, its input a pipe."""
        return subprocess.run(
            [sys.executable, "-m", "controller", *arguments],
            cwd=self.folder,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CODAT_", "MERCHANTCTL_"))}
        return kept | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "CODAT_API_KEY": self.emulator.api_key,
            "CODAT_BASE_URL": self.emulator.url,
            "MERCHANTCTL_STATE": self.settings.state,
            "MERCHANTCTL_MANIFESTS": str(self.manifests),
            "MERCHANTCTL_REQUESTS_PER_MINUTE": "0",
            "MERCHANTCTL_CREATE_SETTLE": str(self.settings.create_settle),
        }

    def patiently(self, seconds: float) -> None:
        """The time between the two looks for a lost create."""
        self.settings = replace(self.settings, create_settle=seconds)

    # -- The world

    def consent(self) -> None:
        """Every merchant that was asked gives consent, and its books are pulled."""
        for company in self.companies():
            for connection in company["dataConnections"]:
                if connection["status"] == "PendingAuth":
                    self.emulator.control(
                        "POST", f"/companies/{company['id']}/connections/{connection['id']}/authorize"
                    )
        self.emulator.advance("PT1M")

    def companies(self) -> list[dict[str, Any]]:
        results = self.emulator.api.get("/meta/companies", params={"page": 1, "pageSize": 5000}).json()["results"]
        return sorted(results, key=lambda company: str(company["name"]))

    def company(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.companies() if each["name"] == name]
        return found

    def accounting(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.company(name)["dataConnections"] if each["sourceType"] == "Accounting"]
        return found

    def document(self, name: str) -> dict[str, Any]:
        return dict(self.emulator.api.get(f"/config/companies/{self.company(name)['id']}/sync/commerce").json())

    def edit(self, name: str, patch: dict[str, Any]) -> None:
        """The merchant in the portal."""
        self.emulator.control("PATCH", f"/companies/{self.company(name)['id']}/configuration", patch)

    def provisioned(self, *names: str, **spec: Any) -> None:
        """These merchants, declared on the profile and brought all the way."""
        self.profile()
        for name in names:
            self.merchant(name, **spec)
        self.apply()
        self.consent()
        self.apply()

    @contextmanager
    def counted(self) -> Any:
        """The requests of a block, by method and template, once it has ended."""
        before, during = Counter(self.emulator.counts()), Counter[str]()
        yield during
        during.update(Counter(self.emulator.counts()) - before)


def writes(counts: Counter[str]) -> dict[str, int]:
    return {call: times for call, times in counts.items() if not call.startswith("GET ")}


def findings(plan: FleetPlan, merchant: str) -> dict[str, Any]:
    """A merchant's findings by code."""
    return {each.code: each for one in plan.plans if one.merchant == merchant for each in one.findings}


def states(plan: FleetPlan) -> dict[str, str]:
    return {each.merchant: each.state.value for each in plan.plans}


def changes(plan: FleetPlan) -> dict[str, list[str]]:
    return {each.merchant: [change.kind.value for change in each.changes] for each in plan.plans if each.changes}
