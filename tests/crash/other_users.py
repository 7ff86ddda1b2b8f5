"""Everybody else who has a hand in the merchants: in the portal, in the books, on the link page, with the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tests.crash import expected as wishes
from tests.end_to_end.place import Place

CompanyJson = dict[str, Any]
NAME_FIELD = {"customers": "customerName", "suppliers": "supplierName"}
RENAMED_SUFFIX = " (old)"


class OtherUsers:
    """Every method is one deed; what is not possible just now is not done.

    find   the company that a merchant's people mean: whatever it is called just now
    deeds  how many there were
    """

    def __init__(self, place: Place, find: Callable[[str], CompanyJson | None]) -> None:
        self._place, self._api, self._find = place, place.emulator.api, find
        self.action_count = 0

    def create_company(self, name: str, state: str) -> None:
        """A company of that name that somebody else made: `linked` or `configured`."""
        (merchant,) = self._place.emulator.seed(1, state, prefix=f"{name}-")
        self._call("PUT", f"/companies/{merchant['companyId']}", {"name": name})

    def edit_in_portal(self, name: str, patch: dict[str, Any]) -> None:
        """A JSON merge patch of the configuration, unchecked."""
        if company := self._find(name):
            self._call("PATCH", f"/_emulator/companies/{company['id']}/configuration", patch)

    def choose_option(self, name: str, path: str, number: int) -> None:
        """Somebody selects one of a row's options in the portal; at the end come nothing, and what is not there."""
        document = self.document(name)
        if document is None:
            return
        choices = [*wishes.offered_ids(document, path), None, "nowhere"]
        self.edit_in_portal(name, wishes.patch_for(path, choices[number % len(choices)]))

    def change_connection(self, name: str, deed: str) -> None:
        """`authorize`, `deauthorize`, `fail`, `unlink` or `delete`: the merchant, the platform or another user."""
        for company, each in self._accounting(name):
            at = f"/companies/{company['id']}/connections/{each['id']}"
            if deed == "unlink":
                self._call("PATCH", f"/meta{at}", {"status": "Unlinked"})
            elif deed == "delete":
                self._call("DELETE", at)
            else:
                self._call("POST", f"/_emulator{at}/{deed}")

    def rename_company(self, name: str, new: str) -> None:
        """To a name that is free."""
        if (company := self._find(name)) and new not in {each["name"] for each in self._place.companies()}:
            self._call("PUT", f"/companies/{company['id']}", {"name": new})

    def delete_company(self, name: str) -> None:
        if company := self._find(name):
            self._call("DELETE", f"/companies/{company['id']}")

    def edit_books(self, name: str, kind: str, row: str, deed: Any, pull: bool) -> None:
        """A row of the books, by its name, gets other fields; or None: is deleted; or "add": one more of that name."""
        company, key, query = self._find(name), NAME_FIELD.get(kind, "name"), "" if pull else "?pull=false"
        if company is None:
            return
        at = f"/_emulator/companies/{company['id']}/{kind}"
        same = [each for each in self._rows(at) if each[key] == row and not each["metadata"]["isDeleted"]]
        if deed == "add":
            self._call("POST", at + query, {key: row})
        elif same:
            self._call("PATCH" if deed else "DELETE", f"{at}/{same[0]['id']}{query}", deed)

    def repair_books(self, name: str, kind: str, row: str) -> None:
        """The row is as it was at first, and the only one of its name; and a pull tells Codat."""
        company, key = self._find(name), NAME_FIELD.get(kind, "name")
        if company is None:
            return
        at = f"/_emulator/companies/{company['id']}/{kind}"
        named = [each for each in self._rows(at) if each[key] in (row, row + RENAMED_SUFFIX)]
        for each in named[1:]:
            self._call("DELETE", f"{at}/{each['id']}")
        for each in named[:1]:
            self._call("PATCH", f"{at}/{each['id']}", {key: row, "status": "Active", "metadata": {"isDeleted": False}})

    def repair_start(self, name: str, no_later_than: datetime) -> None:
        """A start in the portal that Codat would let nobody move back to what is declared."""
        document = self.document(name)
        begins = wishes.start_instant(document) if document else None
        if begins and begins > no_later_than:
            self.edit_in_portal(name, {"schedule": {"startDate": no_later_than.isoformat()}})

    def document(self, name: str) -> dict[str, Any] | None:
        company = self._find(name)
        answer = self._api.get(f"/config/companies/{company['id']}/sync/commerce") if company else None
        return answer.json() if answer is not None and answer.is_success else None

    def _rows(self, at: str) -> list[dict[str, Any]]:
        answer = self._api.get(at)
        return list(answer.json()["results"]) if answer.is_success else []

    def _accounting(self, name: str) -> Iterator[tuple[CompanyJson, dict[str, Any]]]:
        if company := self._find(name):
            yield from ((company, each) for each in company["dataConnections"] if each["sourceType"] == "Accounting")

    def _call(self, method: str, path: str, body: Any = None) -> None:
        self.action_count += 1
        self._api.request(method, path, json=body)
