"""Books of fourteen countries, through a life: nothing is ever booked to another account than the one that is meant,
and whoever is asked to do something is well once it is done to the letter."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.model.field_values import account_path
from controller.model.name_matching import nfc
from controller.model.plan import Actor, Finding, PlanStatus
from tests.emulator import Emulator
from tests.end_to_end import following
from tests.end_to_end.national_books import CHARTS, PLATFORMS, SECTIONS, accounts_of
from tests.end_to_end.place import Place

EVENTS = ("renamed", "renumbered", "archived", "retyped", "deleted", "made anew", "has a twin", "names swapped", "left")


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    place = Place(tmp_path, emulator_in_process)
    place.skip_waits()
    return place


@dataclass(frozen=True)
class Account:
    """One account that a row of the mapping has selected. `id`: of the account that its owner means."""

    merchant: str
    company: str
    row: str
    fields: dict[str, Any]
    id: str

    @property
    def path(self) -> str:
        return account_path(SECTIONS[self.row], self.row)


class Books:
    """What somebody does in the books of one company; Codat reads them again by `pull`."""

    def __init__(self, place: Place, company: str) -> None:
        self._control, self._path = place.emulator.control, f"/companies/{company}/accounts"

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._control("GET", self._path)["results"]
        return [each for each in rows if not each["metadata"]["isDeleted"]]

    def add(self, fields: dict[str, Any]) -> str:
        return str(self._control("POST", f"{self._path}?pull=false", fields)["id"])

    def edit(self, account: str, **changes: Any) -> None:
        self._control("PATCH", f"{self._path}/{account}?pull=false", changes)

    def delete(self, account: str) -> None:
        self._control("DELETE", f"{self._path}/{account}?pull=false")

    def pull(self) -> None:
        self._control("PATCH", f"{self._path}/{self.rows()[0]['id']}", {})


def open_books(place: Place, country: str) -> list[Account]:
    """Two merchants that have chosen in the portal what their country's chart is meant for; the second one sells under
    another account than the first."""
    found = []
    for number, merchant in enumerate(
        place.emulator.seed(2, "configured", PLATFORMS.get(country, "gbol"), f"{country}-")
    ):
        books = Books(place, merchant["companyId"])
        for row in books.rows():
            books.delete(row["id"])
        accounts = [(each, books.add(each.fields)) for each in accounts_of(country)]
        by_row = {each.row: (each.fields, id_) for each, id_ in accounts if each.row}
        if number:
            by_row["sales"] = next((each.fields, id_) for each, id_ in accounts if each.is_other_income)
        books.pull()
        select_in_portal(place, merchant["name"], {row: id_ for row, (_, id_) in by_row.items()})
        found += [Account(merchant["name"], merchant["companyId"], row, *each) for row, each in by_row.items()]
    return found


def select_in_portal(place: Place, merchant: str, ids: dict[str, str]) -> None:
    patch: dict[str, Any] = {section: {"accounts": {}} for section in SECTIONS.values()}
    for row, id_ in ids.items():
        patch[SECTIONS[row]]["accounts"][row] = {"selectedAccountId": id_}
    patch["fees"]["accounts"]["paymentFeeRefund"] = {"selectedAccountId": ids["paymentFee"]}
    place.edit_in_portal(merchant, {"configuration": patch})


def import_everyone(place: Place) -> None:
    """A profile a country. The files are laid out as `Place` and `following` have them."""
    for country in CHARTS:
        done = place.run_in_process("import", "--match", f"{country}-*")
        assert done.returncode == 0, done.stdout + done.stderr
    for file in sorted(place.manifests.rglob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        kind = "merchant" if document["kind"] == "Merchant" else "profile"
        file.unlink()
        (place.manifests / f"{kind}-{document['metadata']['name']}.yaml").write_text(json.dumps(document, default=str))


def selected(place: Place, accounts: list[Account]) -> dict[tuple[str, str], str]:
    """By merchant and row the id that its document has."""
    documents = {name: place.document(name)["configuration"] for name in {each.merchant for each in accounts}}
    return {
        (each.merchant, each.row): documents[each.merchant][SECTIONS[each.row]]["accounts"][each.row][
            "selectedAccountId"
        ]
        for each in accounts
    }


def refer_by_name(place: Place, countries: Iterable[str]) -> None:
    """As many write it: accounts by their names, where these are told apart."""
    for country in countries:
        names = Counter(each.fields["name"] for each in accounts_of(country))
        name_of = {each.fields["nominalCode"]: each.fields["name"] for each in accounts_of(country)}
        profile = manifest_of(place, f"merchant-{country}-00000")["spec"]["profile"]
        for name in (f"profile-{profile}", f"merchant-{country}-00000", f"merchant-{country}-00001"):
            manifest = manifest_of(place, name)
            for part in manifest["spec"]["mapping"].values():
                for row, reference in part.get("accounts", {}).items():
                    if "code" in reference and names[known := name_of[reference["code"]]] == 1:
                        part["accounts"][row] = {"name": known}
            (place.manifests / f"{name}.yaml").write_text(json.dumps(manifest))


def manifest_of(place: Place, name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((place.manifests / f"{name}.yaml").read_text())
    return manifest


def happen(place: Place, event: str, account: Account) -> Account:
    """It happens in the books; the account that its owner means from then on."""
    books, (name, code) = Books(place, account.company), (account.fields["name"], account.fields["nominalCode"])
    match event:
        case "renamed":
            books.edit(account.id, name=f"{name} (alt)")
        case "renumbered":
            books.edit(account.id, nominalCode=f"9{code}")
        case "archived":
            books.edit(account.id, status="Archived")
        case "retyped":
            books.edit(account.id, **ANOTHER_KIND)
        case "deleted":
            books.delete(account.id)
        case "made anew":
            books.delete(account.id)
            return replace(account, id=books.add(account.fields))
        case "has a twin":
            books.add(account.fields | ({"nominalCode": f"8{code}"} if code else {}))
        case "names swapped":
            other = next((row for row in books.rows() if is_free(row, account)), None)
            if other is None:
                return account
            books.edit(account.id, name=other["name"], nominalCode=other["nominalCode"])
            books.edit(other["id"], name=name, nominalCode=code)
    return account


ANOTHER_KIND = {"type": "Equity", "fullyQualifiedCategory": "Equity.Equity", "isBankAccount": False}


def is_free(row: dict[str, Any], account: Account) -> bool:
    """Whether an account is of the same kind, and nobody's in the mapping."""
    used = {each.fields["name"] for each in accounts_of(account.merchant.partition("-")[0]) if each.row}
    kind = all(row[key] == value for key, value in account.fields.items() if key not in ("name", "nominalCode"))
    return kind and row["name"] not in used and row["status"] == "Active"


def live_a_life(place: Place) -> tuple[list[Account], dict[tuple[str, str], Account]]:
    """Everyone is taken over, and something happens to every account; as it was, and by merchant and row as it is
    meant from then on."""
    accounts = [each for country in CHARTS for each in open_books(place, country)]
    import_everyone(place)
    refer_by_name(place, [*CHARTS][::2])
    taken_over = place.run_in_process("apply", "--yes")
    assert f"Apply: {2 * len(CHARTS)} in sync; 0 writes." in taken_over.stdout, taken_over.stdout + taken_over.stderr
    meant = {}
    for number, account in enumerate(accounts):
        event = EVENTS[(number + number // len(EVENTS)) % len(EVENTS)]
        meant[account.merchant, account.row] = happen(place, event, account)
    for company in {each.company for each in accounts}:
        Books(place, company).pull()
    return accounts, meant


def follow(place: Place, finding: Finding, account: Account, *, choose: bool) -> Account:
    """What the remedy says first: what is to be done in the books, else what is to be written; with `choose` what is to
    be written in any case. The account that is meant from then on."""
    assert all(map(following.is_understood, following.commands(finding.remedy))), finding.remedy
    books, first = Books(place, account.company), finding.remedy.splitlines()[0]
    if choose or not re.search("in the books|to the books", first):
        path, reference = following.writes(finding.remedy)[0]
        following.written(place, account.merchant, path, reference)
        return replace(account, id=meant_by(reference, books.rows(), finding))
    if first.startswith("restore it"):
        books.edit(account.id, status="Active")
    elif first.startswith("give it its former type back"):
        books.edit(account.id, **{key: account.fields.get(key, False) for key in ANOTHER_KIND})
    else:
        assert first.startswith("add it to the books again"), finding.remedy
        account = replace(account, id=books.add(account.fields))
    books.pull()  # as the command does that the remedy goes on with
    return account


FIELDS = {"id": "id", "code": "nominalCode", "name": "name"}


def meant_by(reference: dict[str, str], rows: list[dict[str, Any]], finding: Finding) -> str:
    """The id of the account that a reader takes a value of a remedy for."""
    ((key, value),) = reference.items()
    fitting = [row["id"] for row in rows if nfc(row[FIELDS[key]] or "") == value and row["status"] == "Active"]
    assert len(set(fitting)) == 1, (finding.remedy, fitting)
    return str(fitting[0])


PARTNERS = {"card": "payout", "payout": "card", "prepaid": "prepaidPayment", "prepaidPayment": "prepaid"}
"""Rows whose accounts must differ (API notes 4.5 #9, #10)."""


def row_of(finding: Finding) -> str:
    """Of the mapping; both rows of fees have one account."""
    return (finding.field or "").rpartition(".")[2].replace("paymentFeeRefund", "paymentFee")


def asked_of_us(place: Place) -> list[Finding]:
    """What every merchant's plan asks of our side; the second row of fees asks for the same as the first."""
    found = [each for plan in place.plan().plans for each in plan.findings if each.actor is Actor.OPERATOR]
    assert all(each.merchant and each.field for each in found), found
    return found


@pytest.mark.computes
@pytest.mark.parametrize("choose", [False, True], ids=["what is to be done in the books", "what is to be written"])
def test_nothing_is_booked_to_an_account_that_nobody_meant_and_every_advice_works(place: Place, choose: bool) -> None:
    before, meant = live_a_life(place)
    assert place.run_in_process("apply", "--yes").returncode == 3
    live = selected(place, before)
    rows = {each.merchant: Books(place, each.company).rows() for each in before}
    assert not [each for each in before if live[each.merchant, each.row] not in (each.id, meant_id(meant, each))]
    advice = asked_of_us(place)
    assert len(advice) > 150, "else little has happened"
    assert not [each.remedy for each in advice if offers_what_is_refused(each, live, rows[each.merchant])]
    for finding in advice:
        key = (finding.merchant, row_of(finding))
        follows_twice = finding.field is not None and finding.field.endswith("paymentFeeRefund")
        if choose or not follows_twice or not re.search("in the books|to the books", finding.remedy.splitlines()[0]):
            meant[key] = follow(place, finding, meant[key], choose=choose)
    applied = place.run_in_process("apply", "--yes")
    assert applied.returncode == 0, applied.stdout[-3000:] + applied.stderr
    assert {each.status for each in place.plan().plans} == {PlanStatus.IN_SYNC}
    assert selected(place, before) == {key: each.id for key, each in meant.items()}


def meant_id(meant: dict[tuple[str, str], Account], account: Account) -> str:
    return meant[account.merchant, account.row].id


def offers_what_is_refused(finding: Finding, live: dict[tuple[str, str], str], rows: list[dict[str, Any]]) -> bool:
    """Whether a value of the remedy is the account of a row that must have another one."""
    partner = live.get((finding.merchant, PARTNERS.get(row_of(finding), "")))
    return partner in [meant_by(value, rows, finding) for _, value in following.writes(finding.remedy)]
