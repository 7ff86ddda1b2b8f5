"""The stage of the demo: a running copy of the API, and the people who act upon it behind our back."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from controller.quick_dataclasses import dataclass

DEMO_API_KEY = "emulator"
UK_PLATFORMS = ("gbol", "fbrh")
"""Xero and FreeAgent: their books here hold the same accounts."""
MERCHANT_NOTE = "please ring before noon"


@dataclass(frozen=True, slots=True)
class DemoCompany:
    id: str
    name: str
    connection: str
    platform: str
    status: str


@dataclass(slots=True)
class DemoStage:
    """What happens at Codat and in the merchants' books; `meddled_with`: whose books were changed, in order."""

    url: str
    meddled_with: list[DemoCompany] = field(default_factory=list)
    company_with_note: DemoCompany | None = None
    own_writes: int = 0

    @classmethod
    @contextmanager
    def open(cls, data: Path) -> Iterator[DemoStage]:
        """A copy of the API on a free loopback port while the story lasts; what is in it stays in the file `data`."""
        from controller.emulator.http.server import running_emulator
        from controller.emulator.service.world import EmulatorSettings

        with running_emulator(EmulatorSettings(api_key=DEMO_API_KEY), data_path=str(data)) as url:
            yield cls(url)

    def load_request_counts(self) -> dict[str, int]:
        """Requests since the start, by method and path; the people's own among them."""
        counts: dict[str, int] = self._call_control("GET", "requests")["counts"]
        return counts

    def count_controller_writes(self) -> int:
        """Requests by the controller that changed something."""
        return (
            sum(number for name, number in self.load_request_counts().items() if not name.startswith("GET"))
            - self.own_writes
        )

    def load_companies(self) -> list[DemoCompany]:
        found = self._call("GET", "/companies?page=1&pageSize=100")["results"]
        return [self._parse_company(each) for each in found]

    def _parse_company(self, raw: dict[str, Any]) -> DemoCompany:
        accounting = [each for each in raw["dataConnections"] if each["sourceType"] == "Accounting"]
        first = accounting[0] if accounting else {"id": "", "integrationKey": "", "status": ""}
        return DemoCompany(raw["id"], raw["name"], first["id"], first["integrationKey"], first["status"])

    def count_duplicates(self) -> int:
        names = Counter(company.name for company in self.load_companies())
        return sum(number - 1 for number in names.values())

    def authorise_pending(self) -> int:
        """Everyone who was sent a link consents; how many that are."""
        waiting = [company for company in self.load_companies() if company.status == "PendingAuth"]
        for company in waiting:
            self._change_consent(company, "authorize")
        self._call_control("POST", "clock", {"advance": "PT2M"})
        return len(waiting)

    def pick_victims(self, number: int) -> list[DemoCompany]:
        """British merchants that are Linked and switched on, first come first served."""
        able = (each for each in self.load_companies() if each.platform in UK_PLATFORMS and each.status == "Linked")
        self.meddled_with = [each for each in able if self._load_configuration(each)["enabled"]][:number]
        return self.meddled_with

    def delete_refunds_account(self, company: DemoCompany) -> None:
        self._call_control("DELETE", f"companies/{company.id}/accounts/{self._load_refunds_account_id(company)}")

    def archive_refunds_account(self, company: DemoCompany) -> None:
        self._set_refunds_account_status(company, "Archived")

    def deauthorise(self, company: DemoCompany) -> None:
        self._change_consent(company, "deauthorize")

    def unlink(self, company: DemoCompany) -> None:
        path = f"/companies/{company.id}/connections/{company.connection}"
        self._write("PATCH", path, {"status": "Unlinked"})

    def rename(self, company: DemoCompany, name: str) -> None:
        self._write("PUT", f"/companies/{company.id}", {"name": name})

    def disable_sync_and_add_note(self, company: DemoCompany) -> None:
        self.company_with_note = company
        self._call_control(
            "PATCH", f"companies/{company.id}/configuration", {"enabled": False, "merchantNote": MERCHANT_NOTE}
        )

    def is_merchant_note_kept(self) -> bool:
        return (
            self.company_with_note is not None
            and self._load_configuration(self.company_with_note).get("merchantNote") == MERCHANT_NOTE
        )

    def restore_consent_and_accounts(self) -> None:
        """Consent anew where it was lost, and the accounts back in the books."""
        for company in self.load_companies():
            if company.status in ("Deauthorized", "Unlinked") and company.id in {each.id for each in self.meddled_with}:
                self._change_consent(company, "authorize")
        deleted, archived = self.meddled_with[:2]
        self._call_control("POST", f"companies/{deleted.id}/accounts", _new_refunds_account())
        self._set_refunds_account_status(archived, "Active")
        self._call_control("POST", "clock", {"advance": "PT2M"})

    def _set_refunds_account_status(self, company: DemoCompany, status: str) -> None:
        path = f"companies/{company.id}/accounts/{self._load_refunds_account_id(company)}"
        self._call_control("PATCH", path, {"status": status})

    def _load_refunds_account_id(self, company: DemoCompany) -> str:
        """Of the account in the books that refunds are booked to, as the configuration has it."""
        accounts = self._load_configuration(company)["configuration"]["sales"]["accounts"]
        return str(accounts["refund"]["selectedAccountId"])

    def _load_configuration(self, company: DemoCompany) -> dict[str, Any]:
        document: dict[str, Any] = self._call("GET", f"/config/companies/{company.id}/sync/commerce")
        return document

    def _change_consent(self, company: DemoCompany, action: str) -> None:
        self._call_control("POST", f"companies/{company.id}/connections/{company.connection}/{action}")

    def _write(self, method: str, path: str, body: Any) -> None:
        self.own_writes += 1
        self._call(method, path, body)

    def _call_control(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"/_emulator/{path}", body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {
            "Authorization": f"Basic {b64encode(DEMO_API_KEY.encode()).decode()}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None


def _new_refunds_account() -> dict[str, str]:
    return {"name": "Sales returns", "nominalCode": "205", "fullyQualifiedCategory": "Income.Revenue", "type": "Income"}
