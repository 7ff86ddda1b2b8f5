"""The stage of the demo: a running copy of the API, and the people who act upon it behind our back."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

KEY = "emulator"
BRITISH = ("gbol", "fbrh")
"""Xero and FreeAgent: their books here hold the same accounts."""
NOTE = "please ring before noon"


@dataclass(frozen=True, slots=True)
class Company:
    id: str
    name: str
    connection: str
    platform: str
    status: str


@dataclass(slots=True)
class Stage:
    """What happens at the service and in the merchants' books; `touched` is who was meddled with, in order."""

    url: str
    touched: list[Company] = field(default_factory=list)
    noted: Company | None = None
    own_writes: int = 0

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Stage]:
        """A copy of the API on a free loopback port, gone when the story is."""
        from controller.emulator.server import running
        from controller.emulator.world import Settings

        with running(Settings(api_key=KEY)) as url:
            yield cls(url)

    def counts(self) -> dict[str, int]:
        """Requests since the start, by method and path; the people's own among them."""
        counts: dict[str, int] = self._control("GET", "requests")["counts"]
        return counts

    def writes(self) -> int:
        """Requests by the controller that changed something."""
        return sum(number for name, number in self.counts().items() if not name.startswith("GET")) - self.own_writes

    def companies(self) -> list[Company]:
        found = self._call("GET", "/companies?page=1&pageSize=100")["results"]
        return [self._company(each) for each in found]

    def _company(self, raw: dict[str, Any]) -> Company:
        accounting = [each for each in raw["dataConnections"] if each["sourceType"] == "Accounting"]
        first = accounting[0] if accounting else {"id": "", "integrationKey": "", "status": ""}
        return Company(raw["id"], raw["name"], first["id"], first["integrationKey"], first["status"])

    def twins(self) -> int:
        names = Counter(company.name for company in self.companies())
        return sum(number - 1 for number in names.values())

    def authorise_everyone(self) -> int:
        """Everyone who was sent a link consents; how many that are."""
        waiting = [company for company in self.companies() if company.status == "PendingAuth"]
        for company in waiting:
            self._connection(company, "authorize")
        self._control("POST", "clock", {"advance": "PT2M"})
        return len(waiting)

    def victims(self, number: int) -> list[Company]:
        """British merchants that are Linked and switched on, first come first served."""
        able = (each for each in self.companies() if each.platform in BRITISH and each.status == "Linked")
        self.touched = [each for each in able if self._configuration(each)["enabled"]][:number]
        return self.touched

    def edit_account(self, company: Company, *, delete: bool) -> None:
        account = self._configuration(company)["configuration"]["sales"]["accounts"]["refund"]["selectedAccountId"]
        path = f"companies/{company.id}/accounts/{account}"
        self._control("DELETE", path) if delete else self._control("PATCH", path, {"status": "Archived"})

    def deauthorise(self, company: Company) -> None:
        self._connection(company, "deauthorize")

    def unlink(self, company: Company) -> None:
        path = f"/companies/{company.id}/connections/{company.connection}"
        self._write("PATCH", path, {"status": "Unlinked"})

    def rename(self, company: Company, name: str) -> None:
        self._write("PUT", f"/companies/{company.id}", {"name": name})

    def switch_off(self, company: Company) -> None:
        self.noted = company
        self._control("PATCH", f"companies/{company.id}/configuration", {"enabled": False, "merchantNote": NOTE})

    def notes_kept(self) -> bool:
        return self.noted is not None and self._configuration(self.noted).get("merchantNote") == NOTE

    def people_do_their_part(self) -> None:
        """Consent anew where it was lost, and the accounts back in the books."""
        for company in self.companies():
            if company.status in ("Deauthorized", "Unlinked") and company.id in {each.id for each in self.touched}:
                self._connection(company, "authorize")
        deleted, archived = self.touched[:2]
        self._control("POST", f"companies/{deleted.id}/accounts", _refunds_account())
        account = self._configuration(archived)["configuration"]["sales"]["accounts"]["refund"]["selectedAccountId"]
        self._control("PATCH", f"companies/{archived.id}/accounts/{account}", {"status": "Active"})
        self._control("POST", "clock", {"advance": "PT2M"})

    def _configuration(self, company: Company) -> dict[str, Any]:
        document: dict[str, Any] = self._call("GET", f"/config/companies/{company.id}/sync/commerce")
        return document

    def _connection(self, company: Company, what: str) -> None:
        self._control("POST", f"companies/{company.id}/connections/{company.connection}/{what}")

    def _write(self, method: str, path: str, body: Any) -> None:
        self.own_writes += 1
        self._call(method, path, body)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"/_emulator/{path}", body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Basic {b64encode(KEY.encode()).decode()}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None


def _refunds_account() -> dict[str, str]:
    return {"name": "Sales returns", "nominalCode": "205", "fullyQualifiedCategory": "Income.Revenue", "type": "Income"}
