"""The walk: every finding is made, its remedy is followed to the letter, and it is gone.

    SITUATIONS   how a finding comes about, and how its remedy is followed; each of its alternatives is one of its own
    RESTS_ON     every code that a finding can have: each has a situation
    places       every function that makes a finding, read from the source: each is met by a situation
    sentences    every sentence that the code has for remedies, read from the source: each is followed in a situation

Whoever adds a finding, a place that makes one, or another remedy, adds a situation here, or a test at the end fails.
"""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.finding_evidence import EVIDENCE_BY_CODE
from controller.model.plan import Finding, Plan
from controller.model.report import FleetPlan
from controller.planning import (
    account_settings,
    clock_skew,
    configuration,
    connection_replacement,
    context,
    during_manual_sync,
    flapping,
    holds,
    hooks,
    ignore,
    last_sync,
    limits,
    merchant_renames,
    new_accounts,
    not_booked,
    reference_data,
    reference_findings,
    unattended_limits,
    unclear_merchant_renames,
)
from controller.planning import company as company_rules
from controller.planning import connection as connection_rules
from controller.reconcile import apply_new_accounts, concurrency, failure_policy, merchant_progress
from state import ProcessIdentity, open_state
from tests.end_to_end import following
from tests.end_to_end.place import UK_PROFILE, Place
from tests.end_to_end.remedy_sentences import FOLLOWED_IN, NOT_FOLLOWED, sentences
from tests.end_to_end.test_alert_rules import CREATE_CONSUMER, CREATE_RULE, HOOKS, MAIN, STATUS, consumers, prove, rules
from tests.end_to_end.test_alert_rules import declare as declare_hooks
from tests.end_to_end.test_isolation import answering
from tests.end_to_end.test_moving_a_merchant import QUICKBOOKS_PROFILE
from tests.end_to_end.test_sync_flow import NEXT, NEXT_PATH, TEXT, flow, set_in_portal
from tests.end_to_end.test_wrong_clock import until_clocks_disagree, wrong_by
from tests.intercept import Forward, intercepted

HOUSE = Path(__file__).parents[2] / "controller"
ACCOUNTS = "mapping.sales.accounts"
TIPS, REFUND, CARD = f"{ACCOUNTS}.gratuity", f"{ACCOUNTS}.refund", "mapping.payments.accounts.card"
RATE, CUSTOMER, SUPPLIER = 'mapping.sales.taxRates["5"]', "mapping.sales.customer", "mapping.fees.supplier"
LISTS = {"account": "accounts", "tax-rate": "taxRates", "customer": "customers", "supplier": "suppliers"}
FIELDS = {"account": TIPS, "tax-rate": RATE, "customer": CUSTOMER, "supplier": SUPPLIER}

Step = Callable[[Place, Finding], None]
"""One thing that somebody does who has read the remedy."""


# What somebody does --------------------------------------------------------------------------------------


def command(number: int = 0) -> Step:
    """The so many-th command of the remedy."""

    def step(place: Place, finding: Finding) -> None:
        following.run(place, following.commands(finding.remedy)[number])

    return step


def write(path: str, number: int = 0) -> Step:
    """The so many-th value that the remedy says to write at this path."""

    def step(place: Place, finding: Finding) -> None:
        values = [value for where, value in following.writes(finding.remedy) if where == path]
        assert len(values) > number, finding.remedy
        following.written(place, finding.merchant, path, values[number])

    return step


def delete(place: Place, finding: Finding) -> None:
    """What the remedy says to delete from a manifest."""
    for path, name in following.deletes(finding.remedy):
        following.deleted(place, name, path)


def said(words: str, act: Callable[[Place], object]) -> Step:
    """What somebody does elsewhere, at Codat, in the books or by hand, because the remedy says so."""

    def step(place: Place, finding: Finding) -> None:
        assert words in finding.remedy, finding.remedy
        act(place)

    return step


def wait(place: Place, finding: Finding) -> None:
    assert "wait a minute" in finding.remedy
    place.emulator.advance("PT1M")


def a_minute_passes(place: Place, finding: Finding) -> None:
    place.emulator.advance("PT1M")


def apply(place: Place, finding: Finding) -> None:
    """The rest of a way that the remedy told to its end, once the merchant has done its part."""
    following.run(place, ["apply"])


def managed(place: Place, finding: Finding) -> None:
    """Nobody can write a field in a manifest that says in the same breath that it is not managed."""
    following.deleted(place, finding.merchant, "unmanaged")


consent = said("consent", Place.consent_everyone)
link = said("send the merchant the link", Place.consent_everyone)


# The world -----------------------------------------------------------------------------------------------


def company(place: Place, name: str = "ann") -> str:
    return str(place.company(name)["id"])


def selected(place: Place, path: str) -> dict[str, Any]:
    """The option that stands at a reference, and its row."""
    section, *rest = path.removeprefix("mapping.").split(".", 1)
    part = place.document("ann")["configuration"][section]
    if path == CUSTOMER:
        row, id_, options = part["salesCustomer"], "selectedCustomerId", "customerOptions"
    elif path == SUPPLIER:
        row, id_, options = part["feesSupplier"], "selectedSupplierId", "supplierOptions"
    elif "taxRates" in path:
        row, id_, options = part["taxRates"]["5"], "selectedTaxRateId", "taxRateOptions"
    else:
        row, id_, options = part["accounts"][rest[0].removeprefix("accounts.")], "selectedAccountId", "accountOptions"
    return {"id": row[id_], "options": row[options], **next((o for o in row[options] if o["id"] == row[id_]), {})}


def books(place: Place, method: str, kind: str, id_: str = "", body: Any = None, pulled: bool = True) -> Any:
    path = f"/companies/{company(place)}/{LISTS[kind]}" + (f"/{id_}" if id_ else "")
    return place.emulator.control(method, path + ("" if pulled else "?pull=false"), body)


def name_of(kind: str) -> str:
    return {"account": "name", "tax-rate": "name", "customer": "customerName", "supplier": "supplierName"}[kind]


def gone(kind: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.provision("ann")
        books(place, "DELETE", kind, selected(place, FIELDS[kind])["id"])

    return make


def archived(kind: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.provision("ann")
        books(place, "PATCH", kind, selected(place, FIELDS[kind])["id"], {"status": "Archived"})

    return make


def restored(kind: str) -> Callable[[Place], object]:
    def act(place: Place) -> None:
        rows = books(place, "GET", kind)["results"]
        (row,) = [each for each in rows if each["status"] == "Archived"]
        books(place, "PATCH", kind, row["id"], {"status": "Active"}, pulled=False)

    return act


OTHER = {"account": "Tips jar", "tax-rate": "Five per cent", "customer": "Daily takings (POS)", "supplier": "Card firm"}
USUAL = {
    "account": "Tips payable",
    "tax-rate": "5% (VAT on income)",
    "customer": "POS daily takings",
    "supplier": "Card processor",
}


def added(kind: str, name: str | None = None) -> Callable[[Place], object]:
    """Somebody adds to the books what there was, and Codat has not read it yet."""

    def act(place: Place) -> None:
        row = {name_of(kind): name or USUAL[kind]} | ({"nominalCode": "8251"} if kind == "account" else {})
        books(place, "POST", kind, body=row, pulled=False)

    return act


def recreated(kind: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        gone(kind)(place)
        row = {name_of(kind): USUAL[kind]} | ({"nominalCode": "8251"} if kind == "account" else {})
        books(place, "POST", kind, body=row)

    return make


def remapped(kind: str) -> Callable[[Place], None]:
    """What was meant is called otherwise now, and another one bears its name."""

    def make(place: Place) -> None:
        place.provision("ann")
        books(place, "PATCH", kind, selected(place, FIELDS[kind])["id"], {name_of(kind): OTHER[kind]})
        row = {name_of(kind): USUAL[kind]} | ({"nominalCode": "8251"} if kind == "account" else {})
        books(place, "POST", kind, body=row)

    return make


def renamed(kind: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.provision("ann")
        books(place, "PATCH", kind, selected(place, FIELDS[kind])["id"], {name_of(kind): OTHER[kind]})

    return make


def twins(kind: str) -> Callable[[Place], None]:
    """A second one of the name, before the merchant was ever mapped."""

    def make(place: Place) -> None:
        place.profile()
        place.merchant("ann")
        place.apply()
        place.consent_everyone()
        row = {name_of(kind): USUAL[kind]} | ({"nominalCode": "8251"} if kind == "account" else {})
        books(place, "POST", kind, body=row)

    return make


def strange(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "Kangaroo fund"}}}})


def mistyped(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "TIPS PAYABEL"}}}})


def retyped(place: Place) -> None:
    place.provision("ann")
    row = selected(place, CARD)
    books(place, "PATCH", "account", row["id"], AS_EXPENSE)


AS_EXPENSE = {
    "type": "Expense",
    "fullyQualifiedCategory": "Expense.Expense",
    "isBankAccount": False,
    "validDatatypeLinks": [{"property": "Id", "links": ["Bill.LineItems.AccountRef.Id"]}],
}
AS_CLEARING = {
    "type": "Asset",
    "fullyQualifiedCategory": "Asset.Current",
    "isBankAccount": False,
    "validDatatypeLinks": [{"property": "Id", "links": ["Payment.AccountRef.Id"]}],
}


def typed_back(place: Place) -> None:
    rows = books(place, "GET", "account")["results"]
    (row,) = [each for each in rows if each["name"] == "POS card clearing"]
    books(place, "PATCH", "account", row["id"], AS_CLEARING, pulled=False)


def undeclared_gone(place: Place) -> None:
    """A selection that no manifest declares is deleted in the books."""
    place.provision("ann", unmanaged=[TIPS])
    row = next(each for each in selected(place, TIPS)["options"] if each["name"] == "Tips payable")
    place.edit_in_portal(
        "ann", {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": row["id"]}}}}}
    )
    books(place, "DELETE", "account", row["id"])


def chosen_in_the_flow(place: Place) -> None:
    row = next(each for each in selected(place, TIPS)["options"] if each["name"] == "Gift cards outstanding")
    place.edit_in_portal(
        "ann", {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": row["id"]}}}}}
    )


def chosen_and_gone(place: Place) -> None:
    """Somebody chose another than the manifest's, and that one is gone."""
    place.provision("ann")
    row = books(place, "POST", "account", body={"name": "Tips jar", "nominalCode": "8259"})
    place.edit_in_portal(
        "ann", {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": row["id"]}}}}}
    )
    books(place, "DELETE", "account", row["id"])


def reporting(make: Callable[[Place], None]) -> Callable[[Place], None]:
    """The same under `drift: Report`."""

    def under_report(place: Place) -> None:
        make(place)
        following.written(place, "ann", "policy", {"drift": "Report"})

    return under_report


def mapped_otherwise(place: Place) -> None:
    place.provision("ann")
    chosen_in_the_flow(place)


def rescheduled(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 7}})


def moved_on(place: Place) -> None:
    """Live begins a year later than the manifest."""
    place.provision("ann")
    later = datetime.now(UTC) + timedelta(days=700)
    place.edit_in_portal("ann", {"schedule": {"startDate": f"{later:%Y-%m-%d}T00:00:00Z"}})


def switched(to: bool) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.provision("ann", **({} if not to else {"enabled": False}))
        place.edit_in_portal("ann", {"enabled": to})

    return make


def not_offered(declared_by: str) -> Callable[[Place], None]:
    rates = {"7.5": {"id": "OUTPUT2"}}

    def make(place: Place) -> None:
        if declared_by == "merchant":
            place.provision("ann")
            place.merchant("ann", mapping={"sales": {"taxRates": rates}})
            return
        place.provision("ann")
        sales = UK_PROFILE["mapping"]["sales"]
        mapping = UK_PROFILE["mapping"] | {"sales": sales | {"taxRates": sales["taxRates"] | rates}}
        place.profile(mapping=mapping)
        if declared_by == "both":
            place.merchant("ann", mapping={"sales": {"taxRates": rates}})

    return make


def live_refused(patch: dict[str, Any], *unmanaged: str) -> Callable[[Place], None]:
    """What stands live, and no manifest declares, is what Codat would refuse."""

    def make(place: Place) -> None:
        place.provision("ann")
        following.written(place, "ann", "unmanaged", list(unmanaged))
        place.edit_in_portal("ann", patch)

    return make


NO_RATE = {"configuration": {"sales": {"taxRates": {"5": {"selectedTaxRateId": None}}}}}


def incomplete(place: Place) -> None:
    place.profile()
    place.merchant("ann", unmanaged=[REFUND, CUSTOMER, RATE, "schedule.startDate"])
    place.apply()
    place.consent_everyone()


def nothing_declared(place: Place) -> None:
    place.merchant("ann", profile=None, connection={"platform": "xero"})
    place.apply()
    place.consent_everyone()


def configured_in_the_flow(place: Place) -> None:
    """The merchant fills in the Sync Flow."""
    document = place.document("ann")
    sales = document["configuration"]["sales"]
    sales["syncSales"] = False
    document["schedule"] |= {"selectedFrequency": "Daily", "startDate": "2026-12-01T00:00:00Z"}
    document["configured"] = True
    place.edit_in_portal("ann", {**document, "configured": True})


def first_unclear(place: Place) -> None:
    place.profile()
    place.merchant("ann", mapping={"sales": {"accounts": {"refund": {"name": "SALES RETURNS"}}}})
    place.apply()
    place.consent_everyone()


def mended_reference(place: Place) -> None:
    place.merchant("ann", mapping={"sales": {"accounts": {"refund": {"name": "Sales returns"}}}})


def never_configured(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.apply()
    place.consent_everyone()


def replayed(place: Place) -> None:
    """The connection was deleted and is linked again: its first configuration would book from the start."""
    began_early(place)
    connection_deleted(place)
    place.apply(allow=("re-create=ann",))
    place.consent_everyone()


def began_early(place: Place) -> None:
    place.profile(
        schedule={**UK_PROFILE["schedule"], "startDate": f"{datetime.now(UTC) - timedelta(days=40):%Y-%m-%d}"}
    )
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    place.apply()


def connection_deleted(place: Place) -> None:
    path = f"/companies/{company(place)}/connections/{place.accounting_connection('ann')['id']}"
    assert place.emulator.api.delete(path).is_success


def company_deleted(place: Place) -> None:
    assert place.emulator.api.delete(f"/companies/{company(place)}").is_success


def and_then(*steps: Callable[[Place], object]) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        for each in steps:
            each(place)

    return make


def ann(place: Place) -> None:
    place.provision("ann")


def another_company(place: Place) -> None:
    made = place.emulator.api.post("/meta/companies/sync", json={"name": "ann"})
    assert made.is_success


def without_the_newest(place: Place) -> None:
    newest = max((each for each in place.companies() if each["name"] == "ann"), key=lambda each: each["created"])
    assert place.emulator.api.delete(f"/companies/{newest['id']}").is_success


def declared_only(**spec: Any) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.profile()
        place.merchant("ann", **spec)

    return make


def renamed_company(place: Place) -> None:
    answer = place.emulator.api.put(f"/companies/{company(place)}", json={"name": "closed"})
    assert answer.is_success, answer.text


def held_by_another(place: Place) -> None:
    """bob's company is called ann, and bob leaves it at that."""
    place.provision("bob", policy={"drift": "Report"})
    bob = place.company("bob")["id"]
    assert place.emulator.api.put(f"/companies/{bob}", json={"name": "ann"}).is_success
    place.merchant("ann")


def another_name(place: Place) -> None:
    place.merchant("ann", company={"name": "ann of the harbour"})


def wrong_books(place: Place) -> None:
    place.provision("ann")
    following.written(place, "ann", "company.books", "Acme Coffee Ltd")


def right_books(place: Place) -> None:
    place.emulator.control("PATCH", f"/companies/{company(place)}/info", {"companyName": "Acme Coffee Ltd"})


def accounting(verb: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        connection = place.accounting_connection("ann")["id"]
        place.emulator.control("POST", f"/companies/{company(place)}/connections/{connection}/{verb}")

    return act


def unlinked(source: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        (found,) = [each for each in place.company("ann")["dataConnections"] if each["sourceType"] == source]
        path = f"/companies/{company(place)}/connections/{found['id']}"
        assert place.emulator.api.patch(path, json={"status": "Unlinked"}).is_success

    return act


def deleted_connection(source: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        (found,) = [each for each in place.company("ann")["dataConnections"] if each["sourceType"] == source]
        assert place.emulator.api.delete(f"/companies/{company(place)}/connections/{found['id']}").is_success

    return act


def other_platform(place: Place) -> None:
    place.provision("ann")
    following.written(place, "ann", "connection.platform", "quickbooks-online")


def moving(place: Place) -> None:
    began_early(place)
    following.written(place, "ann", "connection.platform", "quickbooks-online")
    following.written(place, "ann", "policy.replaceConnection", {"to": "quickbooks-online"})


def moved_already(place: Place) -> None:
    place.provision("ann")
    following.written(place, "ann", "policy.replaceConnection", {"to": "xero"})


def account_lacking(place: Place) -> None:
    place.skip_waits()
    place.provision("ann")
    new = {"code": "615", "create": {"name": "Card clearing", "type": "Asset.Current"}}
    following.written(place, "ann", CARD, new)


def account_there_in_capitals(place: Place) -> None:
    place.provision("ann")
    new = {"code": "615", "create": {"name": "POS CARD CLEARING", "type": "Asset.Current"}}
    following.written(place, "ann", CARD, new)


def two_hours_pass(place: Place) -> None:
    place.emulator.advance("PT2H")


def second_connection(place: Place) -> None:
    made = place.emulator.api.post(f"/meta/companies/{company(place)}/connections", json="gbol").json()
    place.emulator.control("POST", f"/companies/{company(place)}/connections/{made['id']}/authorize")


def without_second_connection(place: Place) -> None:
    found = [each for each in place.company("ann")["dataConnections"] if each["sourceType"] == "Accounting"]
    newest = max(found, key=lambda each: each["created"])
    assert place.emulator.api.delete(f"/companies/{company(place)}/connections/{newest['id']}").is_success


def waiting_for_consent(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.apply()


def just_linked(place: Place) -> None:
    waiting_for_consent(place)
    accounting("authorize")(place)


def pull_failed(status: str) -> Callable[[Place], None]:
    """Of a type that was never pulled before: a mapping has nothing to choose from."""

    def make(place: Place) -> None:
        just_linked(place)
        place.emulator.advance("PT9S")
        place.emulator.control("POST", f"/companies/{company(place)}/data/customers/fail", {"status": status})

    return make


def stale(place: Place) -> None:
    place.provision("ann")
    place.emulator.advance("P32D")


def unread_listing(place: Place) -> None:
    place.provision("ann")
    place.emulator.fault("GET /meta/companies", "status", times=4, code=503)


def unread_document(place: Place) -> None:
    place.provision("ann")
    place.emulator.fault("GET /config/companies/{companyId}/sync/commerce", "status", times=8, code=503)


def unread_record(place: Place) -> None:
    gone("account")(place)
    place.emulator.fault("GET /companies/{companyId}/data/accounts", "status", times=8, code=503)


def renamed_manifest(place: Place) -> None:
    place.provision("ann", company={"name": "Harbour"})
    place.remove_manifests("ann")
    place.merchant("anna", company={"name": "Harbour"}, policy={"deletion": "Delete"})


def renamed_with_its_company(place: Place) -> None:
    """In its file, and the company's name goes along: no word says that anna is ann."""
    place.provision("ann", policy={"deletion": "Disable"})
    file = place.manifests / "merchant-ann.yaml"
    file.write_text(file.read_text().replace('"name": "ann"', '"name": "anna"'))


def renamed_and_created(place: Place) -> None:
    """In another file: whoever came has a company by now."""
    renamed_with_its_company(place)
    (place.manifests / "merchant-ann.yaml").rename(place.manifests / "merchant-anna.yaml")
    place.apply()


def write_where_anna_is(place: Place, finding: Finding) -> None:
    """In the manifest that the remedy names: ann has none."""
    ((path, value),) = following.writes(finding.remedy)
    in_her_file = (place.manifests / "merchant-anna.yaml").exists()
    following.written(place, "anna" if in_her_file else "ann", path, value)


def delete_the_new_company(place: Place) -> None:
    assert place.emulator.api.delete(f"/companies/{company(place, 'anna')}").is_success


def names(place: Place) -> list[str]:
    return sorted(each["name"] for each in place.companies())


def line_left(place: Place) -> None:
    place.provision("ann")
    following.written(place, "ann", "metadata.renamedFrom", "nobody")


def to_be_deleted(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Delete"})
    place.remove_manifests("ann")


def mass_loss(place: Place) -> None:
    everyone = [f"m-{number}" for number in range(6)]
    place.provision(*everyone)
    for each in everyone[:4]:
        assert place.emulator.api.delete(f"/companies/{place.company(each)['id']}").is_success


def refused_for_good(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    body = {"statusCode": 400, "error": "No period.", "validation": {"errors": [{"message": "No period."}]}}
    path = f"POST /config/companies/{company(place)}/sync/commerce"
    answering(place, path, lambda: httpx.Response(400, json=body), times=1)
    place.apply()


def to_and_fro(place: Place) -> None:
    """Somebody switches it off again and again, and each time it is put back."""
    place.provision("ann")
    for _ in range(3):
        place.edit_in_portal("ann", {"enabled": False})
        place.apply()


def wrong_clock(place: Place) -> None:
    place.provision("ann")
    until_clocks_disagree(place, timedelta(days=150))
    place.apply()
    place.environment = wrong_by(timedelta(days=150), place.environment)


def set_the_clock(place: Place) -> None:
    place.environment = place.emulator.environment


def suspended(place: Place) -> None:
    mapped_otherwise(place)
    following.written(place, "ann", "suspend", {"reason": "an audit"})


def synchronised_by_hand(owner: ProcessIdentity, *, is_over: bool = False) -> Callable[[Place], None]:
    """`merchantctl sync` has switched it off."""

    async def begin(place: Place) -> None:
        company = place.company("ann")["id"]
        async with open_state(place.settings.state) as store:
            await store.manual_syncs.begin(
                "ann", company, was_enabled=True, previous_sync=None, owner=owner, at=datetime.now(UTC)
            )

    def make(place: Place) -> None:
        place.provision("ann")
        place.edit_in_portal("ann", {"enabled": False})
        asyncio.run(begin(place))
        if is_over:
            end_the_sync(place)

    return make


def end_the_sync(place: Place) -> None:
    async def end() -> None:
        async with open_state(place.settings.state) as store:
            for row in await store.manual_syncs.load_open():
                await store.manual_syncs.mark_ended(row.id, "2000", datetime.now(UTC))

    asyncio.run(end())


def ignored(place: Place) -> None:
    mapped_otherwise(place)
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=2))
    said_of = {"finding": "mapping-changed", "live": {"name": "Gift cards outstanding"}}
    following.written(place, "ann", "policy", {"ignore": [said_of | {"reason": "an audit", "until": tomorrow}]})


def similar_name(place: Place) -> None:
    declared_only()(place)
    assert place.emulator.api.post("/meta/companies/sync", json={"name": "ANN"}).is_success


def sync_failed(place: Place) -> None:
    """An account went from the books, and the sync that wanted to book on it said so."""
    began_early(place)
    id_ = selected(place, TIPS)["id"]
    books(place, "DELETE", "account", id_, pulled=False)
    next_sync(place)


def next_sync(place: Place, finding: Finding | None = None) -> None:
    day = datetime.now(UTC).date() - timedelta(days=9)
    period = {"start": f"{day}T00:00:00Z", "finish": f"{day + timedelta(days=1)}T00:00:00Z"}
    begun = place.emulator.api.post(f"/companies/{company(place)}/sync/historic", json={"dateRange": period})
    assert begun.is_success, begun.text
    place.emulator.advance("PT10S")
    place.run_in_process("drift", "--syncs")


def undeleted(place: Place) -> None:
    rows = books(place, "GET", "account")["results"]
    (row,) = [each for each in rows if each["metadata"]["isDeleted"]]
    books(place, "PATCH", "account", row["id"], {"metadata": {"isDeleted": False}}, pulled=False)


def renamed_onto_a_company(place: Place) -> None:
    """The manifest of ann is gone, and bob, who has a company, is said to be renamed from ann."""
    place.provision("ann", "bob", policy={"deletion": "Disable"})
    place.remove_manifests("ann")
    following.written(place, "bob", "metadata.renamedFrom", "ann")


def delete_of_the_other(place: Place, finding: Finding) -> None:
    """`if ann is to go: delete metadata.renamedFrom from the manifest of bob`"""
    delete(place, finding)


def two_mapped_otherwise(place: Place) -> None:
    place.provision("ann", "bob")
    sales = UK_PROFILE["mapping"]["sales"]
    accounts = sales["accounts"] | {"gratuity": {"name": "Gift cards outstanding"}}
    place.profile(mapping=UK_PROFILE["mapping"] | {"sales": sales | {"accounts": accounts}})


def paused_rollout(place: Place) -> None:
    """The first wave has ann; bob waits for his."""
    two_mapped_otherwise(place)
    started = place.run_in_process("rollout", "start", "--yes", "--step", "--wave", "1", "--name", "spring")
    assert started.returncode in (0, 3), started.stderr


def renamed_during_a_rollout(place: Place) -> None:
    paused_rollout(place)
    place.remove_manifests("ann")
    place.merchant("anna", company={"name": "ann"})
    following.written(place, "anna", "metadata.renamedFrom", "ann")


def many(cls: str, of: int = 51) -> Callable[[Place], None]:
    """So many that a run asks first: one more than the floor of the class, and all there are."""

    def make(place: Place) -> None:
        number = 3 if cls in ("unlink", "disable") else of
        place.emulator.seed(number, "configured")
        names = [f"m-{each:05}" for each in range(number)]
        base: dict[str, Any] = {"connection": {"platform": "xero"}}
        for name in names:
            place.merchant(name, None, **base)
        place.apply()
        if cls == "enable":
            for name in names:
                place.merchant(name, None, **base, enabled=True)
            place.apply()
            for name in names:
                place.edit_in_portal(name, {"enabled": False})
        changes: dict[str, dict[str, Any]] = {
            "unlink": {"connection": {"platform": "xero", "state": "Unlinked"}},
            "disable": {"enabled": False},
            "remap": {"mapping": {"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}}},
            "reschedule": {"schedule": {"syncHourUtc": 3}},
            "enable": {"enabled": True},
        }
        for name in names:
            place.merchant(name, None, **base | changes[cls])

    return make


def two_of_many(place: Place) -> None:
    """Two of 41 are to be switched off: the floor is one in a look at some, the limit two in a look at everyone."""
    place.emulator.seed(41, "configured")
    for number in range(41):
        place.merchant(f"m-{number:05}", None, connection={"platform": "xero"})
    place.apply()
    for number in range(2):
        place.merchant(f"m-{number:05}", None, connection={"platform": "xero"}, enabled=False)


def unattended(place: Place) -> FleetPlan:
    """A look of `run` at everyone; what it may write unasked it writes."""
    return place.apply(unattended=True).plan


def first_at_two(place: Place) -> FleetPlan:
    """What a webhook brings about."""
    return place.apply("m-00000", "m-00001", unattended=True).plan


# The account's own settings ------------------------------------------------------------------------------

TITLE = "configure-content-sales-title"
TAX_RATES = "dataTypes.taxRates.syncSchedule"


def said_next(text: str, **spec: Any) -> Callable[[Place], None]:
    """The manifest says that text for the button, and another one, which no situation is about."""
    return lambda place: flow(place, text={"en-us": {NEXT: text, TITLE: "Takings"}}, **spec)


def in_portal(text: str) -> Callable[[Place], None]:
    return lambda place: set_in_portal(place, NEXT, text)


def without_next(place: Place) -> None:
    flow(place, text={"en-us": {TITLE: "Takings"}})


def unknown_text(key: str) -> Callable[[Place], None]:
    return lambda place: flow(place, text={"en-us": {key: "Continue", TITLE: "Takings"}})


def tax_rates_locked(place: Place) -> None:
    flow(place, text={"en-us": {TITLE: "Takings"}}, dataTypes={"taxRates": {"syncSchedule": 24}})
    lock_tax_rates(place)


def lock_tax_rates(place: Place, *, is_locked: bool = True) -> None:
    settings = place.emulator.api.get("/profile/syncSettings").json()
    entries = [each | {"isLocked": is_locked and each["dataType"] == "taxRates"} for each in settings["settings"]]
    body = settings | {"settings": entries, "overridesDefaults": True}
    stored = place.emulator.api.post("/profile/syncSettings", json=body)
    assert stored.is_success, stored.text


def unlocked(place: Place) -> None:
    lock_tax_rates(place, is_locked=False)


def stored_without_blanks(place: Place) -> None:
    """What is sent as `Go on ` arrives as `Go on`."""

    async def trimmed(request: httpx.Request, onward: Forward) -> httpx.Response:
        if (request.method, request.url.path) != ("PATCH", TEXT):
            return await onward(request)
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        content = (await request.aread()).replace(b'Go on "', b'Go on"')
        return await onward(httpx.Request("PATCH", request.url, headers=headers, content=content))

    place.environment = intercepted(place.environment, trimmed)


def unread_flow(place: Place) -> None:
    said_next("Go on")(place)
    place.emulator.fault(f"GET {TEXT}", "status", times=8, code=503)


def declared_hooks(**main: Any) -> Callable[[Place], None]:
    """One rule, and one consumer, of which the manifest says this beside what it says of it elsewhere."""
    spec = {key: value for key, value in (MAIN | main).items() if value is not None}
    return lambda place: declare_hooks(place, {"status": STATUS}, {"main": spec})


def rule_in_portal(webhook: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        (rule,) = rules(place)
        body = {"type": rule["type"], "notifiers": {"webhook": webhook}}
        assert place.emulator.api.put(f"/rules/{rule['id']}", json=body).is_success

    return act


def rule_deleted(place: Place) -> None:
    """In the portal: the API lists it no more, and cannot delete one."""
    (deleted,) = rules(place)

    async def without_it(request: httpx.Request, onward: Forward) -> httpx.Response:
        answer = await onward(request)
        if (request.method, request.url.path) != ("GET", "/rules"):
            return answer
        listing = json.loads(await answer.aread())
        left = [each for each in listing["results"] if each["id"] != deleted["id"]]
        return httpx.Response(200, json=listing | {"results": left, "totalResults": len(left)})

    place.environment = intercepted(place.environment, without_it)


def consumer_switched(disabled: bool) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        (consumer,) = consumers(place)
        place.emulator.control("PATCH", f"/webhooks/{consumer['id']}", {"disabled": disabled})

    return act


def consumer_deleted(place: Place) -> None:
    (consumer,) = consumers(place)
    assert place.emulator.api.delete(f"/webhooks/{consumer['id']}").is_success


def lost_create(request: str) -> Callable[[Place], None]:
    """It did not arrive, and nobody heard of that."""

    def make(place: Place) -> None:
        place.skip_waits()
        place.set_create_settle(1, late=60)
        declared_hooks()(place)
        place.emulator.fault(request, "drop", times=1)
        place.apply()

    return make


def proven(source: str, key_id: str) -> Callable[[Place], None]:
    return lambda place: prove(place, source, key_id)


# What few come to ----------------------------------------------------------------------------------------


def two_manifests(place: Place) -> None:
    declared_only()(place)
    place.merchant("ANN")


def spaced_name(place: Place) -> None:
    """No manifest can have its name: it ends with a space."""
    declared_only()(place)
    assert place.emulator.api.post("/meta/companies/sync", json={"name": "ANN "}).is_success


def renamed_in_portal(place: Place) -> None:
    (found,) = place.companies()
    assert place.emulator.api.put(f"/companies/{found['id']}", json={"name": "ann"}).is_success


def everyone_deleted(place: Place) -> None:
    for each in place.companies():
        assert place.emulator.api.delete(f"/companies/{each['id']}").is_success


def nothing_offered(*unmanaged: str) -> Callable[[Place], None]:
    """The books have no supplier."""

    def make(place: Place) -> None:
        place.profile()
        place.merchant("ann", unmanaged=[*unmanaged])
        place.apply()
        place.consent_everyone()
        for row in books(place, "GET", "supplier")["results"]:
            books(place, "DELETE", "supplier", row["id"])

    return make


def next_advice(step: Step) -> Step:
    """What the look after it says of the same."""

    def follow(place: Place, finding: Finding) -> None:
        step(place, following.of(findings_of(place, finding.merchant), finding.code, finding.field))

    return follow


def every_command(place: Place, finding: Finding) -> None:
    for words in following.commands(finding.remedy):
        following.run(place, words)


def archived_card(place: Place) -> None:
    row = {"nominalCode": "615", "name": "Card clearing", "status": "Archived"}
    books(place, "POST", "account", body=AS_CLEARING | row)


def type_unknown(place: Place) -> None:
    place.skip_waits()
    place.profile(**QUICKBOOKS_PROFILE)
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    place.apply()
    new = {"name": "Card clearing", "create": {"type": "Asset.Bank.CashInHand"}}
    following.written(place, "ann", "mapping.payments", {"sync": True, "accounts": {"card": new}})


def chart_being_pulled(place: Place) -> None:
    path = f"/companies/{company(place)}/data/queue/chartOfAccounts"
    assert place.emulator.api.post(path).is_success


def failed_for_now(place: Place) -> None:
    """Codat does not take it, once, and nobody asks again."""
    ann(place)
    place.edit_in_portal("ann", {"enabled": False})
    place.emulator.fault(f"POST /config/companies/{company(place)}/sync/commerce", "status", code=500, times=1)
    place.apply(unattended=True)


def two_manifests_by_turns(place: Place) -> None:
    """Two machines apply what they have, and each has another."""
    place.skip_waits()
    ann(place)
    for name in ("Gift cards outstanding", "Tips payable") * 2:
        place.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": name}}}})
        place.apply()


def ended(code: int, message: str) -> Callable[[Place], None]:
    """The latest sync ended so."""

    def make(place: Place) -> None:
        began_early(place)
        latest = f"/meta/companies/{company(place)}/sync/commerce/status"
        told = {"syncId": "1", "syncStatusCode": code, "syncUtc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        told |= {"companyId": company(place), "errorMessage": message, "syncExceptionMessage": message}
        answering(place, f"GET {latest}", lambda: httpx.Response(200, json=told))
        place.run_in_process("drift", "--syncs")

    return make


def well_again(place: Place, finding: Finding) -> None:
    place.environment = place.emulator.environment
    next_sync(place)


# The situations ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Situation:
    """How a finding comes about, where it is made, and one way to follow its remedy.

    at      the function that makes it
    whom    the merchant it is about, or the account
    after   what must hold in the end beside that it is gone: the merchant's state
    look    the look that finds it, where a plan does not
    look_again  the one that finds it gone, where that is not `look`
    """

    code: str
    at: Callable[..., object]
    make: Callable[[Place], object]
    follow: tuple[Step, ...]
    field: str | None = None
    whom: str = "ann"
    after: str | None = None
    look: Callable[[Place], FleetPlan] | None = None
    look_again: Callable[[Place], FleetPlan] | None = None


def _references() -> Iterator[tuple[str, Situation]]:
    """The four things that a mapping points at, and what becomes of each in the books."""
    gone_at, unclear_at, moved_at = (
        reference_findings._dangling_finding,
        reference_findings._problem_finding,
        reference_findings.remapped_finding,
    )
    for kind, path in FIELDS.items():
        in_sync: dict[str, Any] = {"field": path, "after": "in-sync"}
        again = (said("add it to the books again", added(kind)), command(0), command(1))
        yield f"{kind} deleted, and added again", Situation(f"{kind}-deleted", gone_at, gone(kind), again, **in_sync)
        back = (said("restore it in the books", restored(kind)), command(0))
        yield f"{kind} archived, and restored", Situation(f"{kind}-archived", gone_at, archived(kind), back, **in_sync)
        if kind != "supplier":
            other = (write(path), apply)
            yield (
                f"{kind} archived, another named",
                Situation(f"{kind}-archived", gone_at, archived(kind), other, **in_sync),
            )
        yield f"{kind} recreated", Situation(f"{kind}-recreated", gone_at, recreated(kind), (command(0),), **in_sync)
        code = f"{kind}-remapped"
        yield f"{kind} remapped, stays", Situation(code, moved_at, remapped(kind), (write(path),), **in_sync)
        yield f"{kind} remapped, followed", Situation(code, moved_at, remapped(kind), (command(0),), **in_sync)
        yield f"{kind} renamed", Situation(f"{kind}-unresolved", unclear_at, renamed(kind), (write(path),), **in_sync)
        yield (
            f"{kind} twins",
            Situation(f"{kind}-ambiguous", unclear_at, twins(kind), (write(path), apply), **in_sync),
        )
        yield (
            f"{kind} twins, the other",
            Situation(f"{kind}-ambiguous", unclear_at, twins(kind), (write(path, 1), apply), **in_sync),
        )


MAPPED: dict[str, Any] = {"after": "in-sync"}
ACCOUNT: dict[str, Any] = {"whom": ACCOUNT_NAME}
NEXT_IN_SYNC: dict[str, Any] = {"field": NEXT_PATH, **ACCOUNT, **MAPPED}


def _account() -> Iterator[tuple[str, Situation]]:
    """The account's own settings, and its rules and webhook consumers."""
    changed, invalid, not_kept = (
        account_settings._changed_finding,
        account_settings._invalid_finding,
        account_settings._not_kept_finding,
    )
    moved = and_then(said_next("Continue"), Place.apply, in_portal("Go on"))
    yield "flow changed", Situation("flow-changed", changed, moved, (command(0),), **NEXT_IN_SYNC)
    report: dict[str, Any] = {"policy": {"drift": "Report"}}
    moved = and_then(moved, said_next("Continue", **report))
    agreed = said("change the manifest", said_next("Go on", **report))
    yield "flow changed under Report, agreed", Situation("flow-changed", changed, moved, (agreed,), **NEXT_IN_SYNC)
    back = said("put it back in Codat's portal", in_portal("Continue"))
    yield "flow changed under Report, put back", Situation("flow-changed", changed, moved, (back,), **NEXT_IN_SYNC)

    mistyped = "configure-misc-nextButon"
    corrected = said(f"did you mean {NEXT_PATH}?", said_next("Continue"))
    yield (
        "a text mistyped",
        Situation("flow-invalid", invalid, unknown_text(mistyped), (corrected, apply), **ACCOUNT, **MAPPED),
    )
    removed = said("remove it from the manifest", without_next)
    yield (
        "a text like none",
        Situation(
            "flow-invalid", invalid, unknown_text("configure-misc-kangaroo"), (removed, apply), **ACCOUNT, **MAPPED
        ),
    )
    asked = said("ask Codat", unlocked)
    locked: dict[str, Any] = {"field": TAX_RATES, **ACCOUNT, **MAPPED}
    yield "a setting locked", Situation("flow-invalid", invalid, tax_rates_locked, (asked, apply), **locked)
    yield "a setting locked for good", Situation("flow-invalid", invalid, tax_rates_locked, (removed, apply), **locked)
    otherwise = and_then(stored_without_blanks, said_next("Go on "), Place.apply)
    as_stored = said("write in the manifest what Codat stored", said_next("Go on"))
    yield "flow stored otherwise", Situation("flow-not-kept", not_kept, otherwise, (as_stored,), **NEXT_IN_SYNC)
    not_here = said("remove it there", without_next)
    yield "flow stored otherwise, removed", Situation("flow-not-kept", not_kept, otherwise, (not_here,), **NEXT_IN_SYNC)
    again = said("looked at again with the next run", Place.apply)
    yield (
        "a part of the flow that could not be read",
        Situation("unknown", account_settings._unread_part_finding, unread_flow, (again,), **ACCOUNT, **MAPPED),
    )
    yield from _hooks()


def _hooks() -> Iterator[tuple[str, Situation]]:
    made_by, both = hooks._Look._finding, and_then(declared_hooks(), Place.apply)
    yield "no such rule", Situation("rule-missing", made_by, declared_hooks(), (command(0),), **ACCOUNT)
    yield (
        "no such consumer any more",
        Situation("consumer-missing", made_by, and_then(both, consumer_deleted), (command(0),), **ACCOUNT),
    )
    moved = and_then(both, rule_in_portal(f"{HOOKS}/2"))
    right = said("put it right in Codat's portal", rule_in_portal(HOOKS))
    yield "rule changed, put right", Situation("rule-changed", made_by, moved, (right,), **ACCOUNT)
    deleted = said("or delete it there", rule_deleted)
    yield "rule changed, deleted", Situation("rule-changed", made_by, moved, (deleted, command(0)), **ACCOUNT)

    disabled = and_then(both, consumer_switched(True))
    enabled = said("put it right in Codat's portal", consumer_switched(False))
    yield "consumer disabled", Situation("consumer-changed", made_by, disabled, (enabled,), **ACCOUNT)
    another = said("write another variable or file under secret", declared_hooks(secret={"env": "SECOND"}))
    yield (
        "consumer disabled, another beside it",
        Situation("consumer-changed", made_by, disabled, (another, command(0)), **ACCOUNT),
    )
    no_secret = and_then(declared_hooks(secret=None), Place.apply, consumer_switched(True))
    consumer_gone = said("or delete it there", consumer_deleted)
    yield (
        "consumer without a secret disabled",
        Situation("consumer-changed", made_by, no_secret, (consumer_gone, command(0)), **ACCOUNT, **MAPPED),
    )
    replaced = and_then(both, proven("env FIRST", "k1"), declared_hooks(secret={"env": "SECOND"}))
    yield "consumer to be replaced", Situation("consumer-changed", made_by, replaced, (command(0),), **ACCOUNT)

    a_minute = said("after that", lambda place: place.wait(61))
    for kind, request in (("rule", CREATE_RULE), ("consumer", CREATE_CONSUMER)):
        code, ways = f"{kind}-pending", (a_minute, command(0))
        yield f"{kind} lost in its create", Situation(code, made_by, lost_create(request), ways, **ACCOUNT)
    copied = said("copy the signing secret", proven("env FIRST", "k1"))
    yield "consumer unproven", Situation("consumer-unproven", made_by, both, (copied,), **ACCOUNT, **MAPPED)
    copied = said("copy the signing secret", proven("env SECOND", "k2"))
    yield (
        "consumer replaced",
        Situation(
            "consumer-replaced",
            hooks._plan_deletion_of_replaced,
            and_then(replaced, Place.apply),
            (copied, apply),
            **ACCOUNT,
            **MAPPED,
        ),
    )


def _rare() -> Iterator[tuple[str, Situation]]:
    """What few merchants come to: each remedy in the code is that of somebody."""
    similar = company_rules._similar_name_findings
    one_goes = said("delete one of the manifests", lambda place: place.remove_manifests("ANN"))
    yield "two manifests of almost one name", Situation("company-similar", similar, two_manifests, (one_goes,))
    renamed = said("rename it at Codat to 'ann'", renamed_in_portal)
    yield (
        "a similar name that no manifest can have",
        Situation("company-similar", similar, spaced_name, (renamed, apply)),
    )
    all_gone = and_then(lambda place: place.provision("ann", "bob"), everyone_deleted)
    forgotten = (command(0), command(1), command(2))
    yield "every company is gone", Situation("company-missing", company_rules._missing_finding, all_gone, forgotten)

    incomplete = configuration._first_configuration_gaps
    in_flow = (command(0), said("--sync-flow", configured_in_the_flow))
    yield "nobody declares a mapping", Situation("not-configured", incomplete, nothing_declared, in_flow)
    added_one = said("add one to the books for mapping.fees.supplier", added("supplier", "Card firm"))
    named = (added_one, command(0), command(1), next_advice(write(SUPPLIER)), managed, apply)
    yield (
        "nothing is offered for what is lacking",
        Situation(
            "mapping-invalid",
            configuration._violation_finding,
            nothing_offered("mapping.fees.supplier"),
            named,
            **MAPPED,
        ),
    )
    nothing = reference_findings._problem_finding
    found = (said("add it to the merchant's books", added("supplier")), command(0), command(1))
    yield (
        "nothing to choose from",
        Situation("supplier-unresolved", nothing, nothing_offered(), found, SUPPLIER, **MAPPED),
    )
    stays: dict[str, Any] = {"field": TIPS, **MAPPED}
    kept = reporting(remapped("account"))
    yield (
        "remapped under Report",
        Situation("account-remapped", reference_findings.remapped_finding, kept, (write(TIPS),), **stays),
    )
    yield from _new_accounts()
    yield from _to_and_fro()
    yield from _syncs()

    quarantined = failure_policy._quarantine_finding
    at_once = (command(0),)
    yield "failed for now", Situation("quarantined", quarantined, failed_for_now, at_once, **MAPPED)
    yield (
        "failed for now, and looked at by a run",
        Situation("quarantined", quarantined, failed_for_now, at_once, look=unattended, **MAPPED),
    )
    left = and_then(paused_rollout, lambda place: place.run_in_process("rollout", "abort", "spring"))
    back = said("change the manifests back", lambda place: place.profile())
    yield (
        "held for a rollout that was aborted",
        Situation("rollout-held", holds._hold_finding, left, (back,), whom="bob", **MAPPED),
    )


def _new_accounts() -> Iterator[tuple[str, Situation]]:
    made_by, card = new_accounts._unresolved_account_finding, {"field": CARD, **MAPPED}
    begun = and_then(account_lacking, lambda place: place.apply(allow=("create-record=ann",)))
    yield (
        "an account is being created",
        Situation("account-unresolved", made_by, begun, (a_minute_passes, command(0)), **card),
    )
    restored_by_hand = (said("restore it in the books", restored("account")), command(0), command(1))
    there = and_then(account_lacking, archived_card)
    yield "an account that is archived", Situation("account-unresolved", made_by, there, restored_by_hand, **card)
    released = (write(CARD), command(0), a_minute_passes, command(1))
    yield "an account of no type", Situation("account-unresolved", made_by, type_unknown, released, **card)
    pulled = (a_minute_passes, command(0), a_minute_passes, command(1))
    yield (
        "an account to create while the chart is pulled",
        Situation("account-unresolved", made_by, and_then(account_lacking, chart_being_pulled), pulled, **card),
    )


def _to_and_fro() -> Iterator[tuple[str, Situation]]:
    made_by, a_day = flapping._flapping_finding, lambda place, finding: place.wait(25 * 3600)
    of_account = and_then(
        Place.skip_waits, said_next("Continue"), Place.apply, *[and_then(in_portal("Go on"), Place.apply)] * 3
    )
    left = said("remove it from its SyncFlow", without_next)
    yield "to and fro, of the account", Situation("flapping", made_by, of_account, (command(0), left, a_day), **ACCOUNT)
    named = and_then(ann, *[and_then(renamed_company, Place.apply)] * 3)
    ways = (command(0), write("policy"), a_day)
    yield (
        "to and fro, its name",
        Situation("flapping", made_by, and_then(Place.skip_waits, named), ways, "company.name"),
    )
    linked = and_then(
        ann, *[and_then(accounting("deauthorize"), Place.apply, accounting("authorize"), Place.apply)] * 3
    )
    yield (
        "to and fro, its connection",
        Situation("flapping", made_by, and_then(Place.skip_waits, linked), (command(0), a_day), **MAPPED),
    )
    yield (
        "to and fro between two manifests",
        Situation("flapping", made_by, two_manifests_by_turns, (said("let one of them go", lambda place: None), a_day)),
    )


def _syncs() -> Iterator[tuple[str, Situation]]:
    made_by = last_sync._failed_sync_finding_with_fields
    words = {
        (4000, "something"): "mend what the message names",
        (4000, "Account 77 is not active"): "wait for the next sync",
        (4040, "Company gone"): "have the merchant authorise again",
        (4260, "Expired"): "have the merchant renew it",
        (5000, "Oops"): "ask Codat's support",
        (5080, "Booked"): "compare what was synchronised before",
        (5120, "Unreadable"): "look at what was uploaded for that period",
        (5130, "Rejected"): "ask Codat's support with the message",
    }
    for (code, message), sentence in words.items():
        ways = (every_command, said(sentence, lambda place: None), well_again)
        yield (
            f"a sync that ended with {code}, {message}",
            Situation("last-sync-failed", made_by, ended(code, message), ways),
        )


SITUATIONS: dict[str, Situation] = {
    **dict(_references()),
    **dict(_account()),
    **dict(_rare()),
    "account like nothing, added": Situation(
        "account-unresolved",
        reference_findings._problem_finding,
        strange,
        (said("add it to the merchant's books", added("account", "Kangaroo fund")), command(0), command(1)),
        TIPS,
        **MAPPED,
    ),
    "account like nothing, another": Situation(
        "account-unresolved", reference_findings._problem_finding, strange, (write(TIPS, 1), apply), TIPS, **MAPPED
    ),
    "account mistyped": Situation(
        "account-unresolved", reference_findings._problem_finding, mistyped, (write(TIPS), apply), TIPS, **MAPPED
    ),
    "account retyped, typed back": Situation(
        "account-unresolved",
        reference_findings._dangling_finding,
        retyped,
        (said("give it its former type back", typed_back), command(0)),
        CARD,
        **MAPPED,
    ),
    "account retyped, another": Situation(
        "account-unresolved", reference_findings._dangling_finding, retyped, (write(CARD), apply), CARD, **MAPPED
    ),
    "undeclared selection deleted, chosen in the flow": Situation(
        "account-deleted",
        reference_findings._dangling_finding,
        undeclared_gone,
        (said("choose another: merchantctl link ann --sync-flow", chosen_in_the_flow),),
        TIPS,
        **MAPPED,
    ),
    "undeclared selection deleted, declared": Situation(
        "account-deleted",
        reference_findings._dangling_finding,
        and_then(undeclared_gone, lambda place: following.deleted(place, "ann", "unmanaged")),
        (write(TIPS), apply),
        TIPS,
        **MAPPED,
    ),
    "chosen by somebody and deleted, under Report": Situation(
        "account-deleted",
        reference_findings._dangling_finding,
        reporting(chosen_and_gone),
        (write("policy"), command(0)),
        TIPS,
        **MAPPED,
    ),
    "a record that could not be read": Situation(
        "unknown",
        reference_findings._dangling_finding,
        unread_record,
        (said("run it again", lambda place: None),),
        TIPS,
    ),
    "mapping changed": Situation(
        "mapping-changed", configuration._difference_finding, mapped_otherwise, (command(0),), TIPS, **MAPPED
    ),
    "mapping changed under Report, agreed": Situation(
        "mapping-changed",
        configuration._difference_finding,
        reporting(mapped_otherwise),
        (write(TIPS),),
        TIPS,
        **MAPPED,
    ),
    "mapping changed under Report, corrected": Situation(
        "mapping-changed",
        configuration._difference_finding,
        reporting(mapped_otherwise),
        (write("policy"), apply),
        TIPS,
        **MAPPED,
    ),
    "schedule changed": Situation(
        "schedule-changed", configuration._difference_finding, rescheduled, (command(0),), "schedule.time", **MAPPED
    ),
    "schedule changed under Report, agreed": Situation(
        "schedule-changed",
        configuration._difference_finding,
        reporting(rescheduled),
        (write("schedule.syncHourUtc"),),
        "schedule.time",
        **MAPPED,
    ),
    "a start that cannot move earlier": Situation(
        "schedule-changed",
        configuration._difference_finding,
        moved_on,
        (write("schedule.startDate"), apply),
        "schedule.startDate",
        **MAPPED,
    ),
    "switched off": Situation(
        "sync-disabled", configuration._difference_finding, switched(False), (command(0),), **MAPPED
    ),
    "switched off under Report, agreed": Situation(
        "sync-disabled", configuration._difference_finding, reporting(switched(False)), (write("enabled"),), **MAPPED
    ),
    "switched on": Situation(
        "sync-enabled", configuration._difference_finding, switched(True), (command(0),), **MAPPED
    ),
    "a rate of the merchant's own is not offered": Situation(
        "mapping-invalid", reference_findings._problem_finding, not_offered("merchant"), (delete,), **MAPPED
    ),
    "a rate of a profile is not offered": Situation(
        "mapping-invalid", reference_findings._problem_finding, not_offered("profile"), (write("unmanaged"),), **MAPPED
    ),
    "a rate of both is not offered": Situation(
        "mapping-invalid",
        reference_findings._problem_finding,
        not_offered("both"),
        (delete, write("unmanaged")),
        **MAPPED,
    ),
    "live would be refused": Situation(
        "mapping-invalid",
        configuration._violation_finding,
        live_refused(NO_RATE, RATE),
        (managed, write(RATE), command(0)),
        **MAPPED,
    ),
    "not configured, lacking": Situation(
        "not-configured",
        configuration._first_configuration_gaps,
        incomplete,
        (
            managed,
            write(REFUND),
            write(CUSTOMER),
            write(RATE),
            command(0),
        ),
        **MAPPED,
    ),
    "not configured, a reference unclear": Situation(
        "not-configured",
        configuration._first_configuration_gaps,
        first_unclear,
        (said(f"mend {REFUND} first", mended_reference), command(0)),
        **MAPPED,
    ),
    "never configured": Situation(
        "not-configured", configuration._not_configured_finding, never_configured, (command(0),), **MAPPED
    ),
    "would replay its books, begun where they end": Situation(
        "not-configured",
        configuration._not_configured_finding,
        replayed,
        (write("schedule.startDate"), command(0)),
        **MAPPED,
    ),
    "would replay its books, from the start": Situation(
        "not-configured", configuration._not_configured_finding, replayed, (command(1),), **MAPPED
    ),
    "re-create held": Situation(
        "re-create-held",
        limits._held_finding,
        and_then(began_early, connection_deleted),
        (write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "company deleted": Situation(
        "company-missing",
        company_rules._missing_finding,
        and_then(began_early, company_deleted),
        (write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "company deleted under Report": Situation(
        "company-missing",
        company_rules._missing_finding,
        reporting(and_then(began_early, company_deleted)),
        (write("policy"), write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "company deleted, and another of its name": Situation(
        "company-missing",
        company_rules._missing_finding,
        and_then(ann, company_deleted, another_company),
        (command(0), command(1)),
    ),
    "company deleted, and two others of its name": Situation(
        "company-missing",
        company_rules._missing_finding,
        and_then(ann, company_deleted, another_company, another_company),
        (said("delete all but one of", without_the_newest), command(0), command(1)),
    ),
    "company renamed": Situation(
        "company-renamed", company_rules._check_bound_company, and_then(ann, renamed_company), (command(0),)
    ),
    "company renamed under Report, agreed": Situation(
        "company-renamed",
        company_rules._check_bound_company,
        reporting(and_then(ann, renamed_company)),
        (write("company.name"),),
    ),
    "a namesake beside it": Situation(
        "company-duplicate",
        company_rules._duplicate_findings,
        and_then(ann, another_company),
        (said("delete the wrong one at Codat", without_the_newest), command(0)),
        **MAPPED,
    ),
    "two of the name": Situation(
        "company-duplicate",
        company_rules._duplicate_findings,
        and_then(declared_only(), another_company, another_company),
        (said("delete the wrong one at Codat", without_the_newest), command(0)),
    ),
    "its name is another's": Situation(
        "company-duplicate",
        company_rules._owned_name_finding,
        held_by_another,
        (said("give ann another company.name", another_name),),
    ),
    "a company that may not be adopted": Situation(
        "company-unmanaged",
        company_rules._unmanaged_finding,
        and_then(declared_only(policy={"adopt": False}), another_company),
        (write("policy"), command(0)),
    ),
    "wrong books, mended in the manifest": Situation(
        "company-wrong-books", reference_data.wrong_books_finding, wrong_books, (write("company.books"),), **MAPPED
    ),
    "wrong books, linked right": Situation(
        "company-wrong-books",
        reference_data.wrong_books_finding,
        wrong_books,
        (said("have the merchant link the right books", right_books),),
        **MAPPED,
    ),
    "no connection yet": Situation(
        "connection-missing",
        connection_rules._check_absent_connection,
        and_then(declared_only(), another_company),
        (command(0),),
    ),
    "connection deleted": Situation(
        "connection-deleted",
        connection_rules._check_absent_connection,
        and_then(began_early, connection_deleted),
        (write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "waits for consent": Situation(
        "connection-pending", connection_rules.consent_finding, waiting_for_consent, (link,)
    ),
    "linking failed": Situation(
        "connection-error",
        connection_rules._waiting_finding,
        and_then(waiting_for_consent, accounting("fail")),
        (link,),
    ),
    "unlinked by somebody": Situation(
        "connection-unlinked",
        connection_rules._waiting_finding,
        and_then(ann, unlinked("Accounting")),
        (said("send the merchant the link", accounting("authorize")),),
        **MAPPED,
    ),
    "access revoked": Situation(
        "connection-deauthorized",
        connection_rules._waiting_finding,
        and_then(ann, accounting("deauthorize")),
        (said("send the merchant the link", accounting("authorize")),),
        **MAPPED,
    ),
    "of another platform": Situation(
        "connection-wrong-platform",
        connection_rules._wrong_platform_finding,
        other_platform,
        (said("at Codat", connection_deleted), command(0)),
    ),
    "of another platform, and to be moved": Situation(
        "connection-wrong-platform",
        connection_rules._wrong_platform_finding,
        other_platform,
        (write("policy.replaceConnection"), command(1)),
    ),
    "a move that begins": Situation(
        "connection-wrong-platform", connection_replacement._moving_finding, moving, (command(0),)
    ),
    "a move whose old connection is to go": Situation(
        "re-create-held",
        limits._held_finding,
        and_then(moving, Place.apply, Place.consent_everyone),
        (write("schedule.startDate"), command(0)),
    ),
    "a move that is made": Situation(
        "replaced-already", connection_replacement.replaced_already_findings, moved_already, (delete,)
    ),
    "an account that may be created": Situation(
        "create-record-held",
        limits._held_finding,
        account_lacking,
        (command(0), a_minute_passes, command(1)),
        **MAPPED,
    ),
    "an account to create is offered in other letters": Situation(
        "account-unresolved",
        new_accounts._unresolved_account_finding,
        account_there_in_capitals,
        (write(CARD),),
        CARD,
        **MAPPED,
    ),
    "an account that may be created, on old data": Situation(
        "account-unresolved",
        new_accounts._unresolved_account_finding,
        and_then(account_lacking, two_hours_pass),
        (command(0), command(1), a_minute_passes, command(2)),
        CARD,
        **MAPPED,
    ),
    "two connections": Situation(
        "connection-duplicate",
        connection_rules._duplicate_finding,
        and_then(ann, second_connection),
        (said("delete the wrong one at Codat", without_second_connection), command(0)),
    ),
    "commerce connection gone": Situation(
        "commerce-connection-missing",
        connection_rules.check_commerce_connection,
        and_then(began_early, deleted_connection("Commerce")),
        (said("delete the company there", company_deleted), write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "commerce connection unlinked": Situation(
        "commerce-connection-unlinked",
        connection_rules.check_commerce_connection,
        and_then(began_early, unlinked("Commerce")),
        (said("delete the company there", company_deleted), write("schedule.startDate"), command(0), consent, apply),
        **MAPPED,
    ),
    "the pull runs": Situation("data-not-pulled", reference_data._not_pulled_findings, just_linked, (wait, command(0))),
    "the last pull failed": Situation(
        "data-pull-failed", reference_data._failed_pull_findings, pull_failed("FetchError"), (command(0),)
    ),
    "the last pull was not allowed": Situation(
        "data-pull-failed",
        reference_data._failed_pull_findings,
        pull_failed("AuthError"),
        (said("send the merchant the link", lambda place: None), command(0)),
    ),
    "old data": Situation("data-stale", reference_data._stale_findings, stale, (command(0),), **MAPPED),
    "a listing that could not be read": Situation(
        "unknown", context.unknown_result, unread_document, (said("run it again", lambda place: None),)
    ),
    "renamed in Git without a word": Situation(
        "merchant-renamed",
        merchant_renames.claimant_finding,
        renamed_manifest,
        (write("metadata.renamedFrom"),),
        whom="anna",
        **MAPPED,
    ),
    "renamed in Git, told to the state": Situation(
        "merchant-renamed", merchant_renames.removed_but_claimed_finding, renamed_manifest, (command(0),)
    ),
    "a rename that has nothing to do": Situation(
        "renamed-already", merchant_renames.with_rename_or_finding, line_left, (delete,), **MAPPED
    ),
    "to be deleted": Situation("delete-held", limits._held_finding, to_be_deleted, (command(0),)),
    "many are gone": Situation("mass-loss", limits._mass_loss_finding, mass_loss, (command(0), command(1)), whom=""),
    "refused before": Situation(
        "quarantined", failure_policy._quarantine_finding, refused_for_good, (command(0),), **MAPPED
    ),
    "a similar name": Situation(
        "company-similar", company_rules._similar_name_findings, similar_name, (write("company.name"), command(0))
    ),
    "synchronised by hand": Situation(
        "manual-sync",
        during_manual_sync.hold_during_manual_sync,
        synchronised_by_hand(ProcessIdentity.current("merchantctl sync")),
        (said("wait for it to end", end_the_sync), apply),
        **MAPPED,
    ),
    "synchronised by hand, and over": Situation(
        "manual-sync",
        during_manual_sync._explain_if_switched_on,
        synchronised_by_hand(ProcessIdentity.current("merchantctl sync"), is_over=True),
        (apply,),
        **MAPPED,
    ),
    "synchronised by hand, and left": Situation(
        "manual-sync",
        during_manual_sync.hold_during_manual_sync,
        synchronised_by_hand(replace(ProcessIdentity.current("merchantctl sync"), pid=2**22 + 1)),
        (command(),),
        **MAPPED,
    ),
    "suspended": Situation("suspended", holds.hold_if_closed, suspended, (delete, apply), **MAPPED),
    "ignored": Situation("ignored", ignore.ignored_findings, ignored, (delete, apply), **MAPPED),
    "a sync that failed": Situation(
        "last-sync-failed",
        last_sync._failed_sync_finding_with_fields,
        sync_failed,
        (said("restore it in the books", undeleted), command(0), next_sync),
        TIPS,
    ),
    "renamed from, and a company of its own": Situation(
        "merchant-renamed",
        merchant_renames.removed_but_rename_blocked_finding,
        renamed_onto_a_company,
        (delete_of_the_other,),
    ),
    "removed, and whoever came in its file is it": Situation(
        "rename-unclear",
        unclear_merchant_renames.possible_heir_finding,
        renamed_with_its_company,
        (write_where_anna_is, apply),
        whom="anna",
        **MAPPED,
    ),
    "removed, and whoever came is it and has a company": Situation(
        "rename-unclear",
        unclear_merchant_renames.removed_but_unclear_finding,
        renamed_and_created,
        (write_where_anna_is, command(0), said("to be deleted there", delete_the_new_company), apply),
    ),
    "removed, and whoever came is another": Situation(
        "rename-unclear", unclear_merchant_renames.removed_but_unclear_finding, renamed_and_created, (command(1),)
    ),
    "renamed during a rollout": Situation(
        "merchant-renamed",
        merchant_renames.rename_waits_for_rollout_finding,
        renamed_during_a_rollout,
        (command(1),),
        whom="anna",
    ),
    "held for a rollout": Situation(
        "rollout-held", holds._hold_finding, paused_rollout, (command(0),), whom="bob", **MAPPED
    ),
    **{
        f"more than a run may, {cls}": Situation(
            f"{cls}-held",
            unattended_limits._park_if_exceeded,
            many(cls),
            (command(0),),
            whom="m-00000",
            look=unattended,
        )
        for cls in ("unlink", "disable", "remap", "reschedule", "enable")
    },
    "more than a run may, said of the fleet": Situation(
        "disable-held", unattended_limits._exceeded_finding, many("disable"), (command(0),), whom="", look=unattended
    ),
    "more than a run may of some": Situation(
        "disable-held",
        unattended_limits._parked_until_full_pass_finding,
        two_of_many,
        (said("the next look at everyone judges it", unattended),),
        whom="m-00001",
        look=first_at_two,
        look_again=Place.plan,
    ),
    "to and fro": Situation(
        "flapping", flapping._flapping_finding, to_and_fro, (command(0), write("unmanaged")), "enabled", **MAPPED
    ),
    "a wrong clock": Situation(
        "clock-skew",
        clock_skew.hold_if_skew_matters,
        wrong_clock,
        (said("set this machine's clock", set_the_clock),),
        **MAPPED,
    ),
}

NOBODY_HERE: dict[Callable[..., object], str] = {
    last_sync._overdue_finding: "Codat's support is to be asked",
    last_sync.failed_sync_finding: "of a report from the state; the look after that sync has it by _failed_finding",
    not_booked.find_not_booked: "of a report from the state; a look has it by _overdue_finding",
    failure_policy.log_internal_error_as_plan: "a fault of ours is to be reported",
    reference_data.check_reference_data: (
        "the emulator offers at once what it has pulled; its remedy is that of _not_pulled_findings"
    ),
    concurrency.unread_plan: "whatever a look raises that it should have told as unread itself: none of ours does",
    apply_new_accounts._waiting_finding: "an event; the looks after it say the same by new_accounts._finding",
    merchant_progress.undeclared_change_finding: "an event, told once by the apply that saw it; no look finds it",
    connection_rules._no_platform_finding: "the manifests are not sound without a platform: no command comes that far",
    merchant_renames.company_bound_twice_finding: "only of a state from before the index that forbids it",
}
"""Makers whose remedy is in nobody's power here, or that no manifest brings about; and why."""
NOTHING_TO_FOLLOW = {"sync-overdue", "internal-error"}


# Where they are made -------------------------------------------------------------------------------------


@pytest.fixture
def made_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each finding's code, and the function of ours that made it, while the test runs."""
    made: list[tuple[str, str]] = []
    before = Finding.__post_init__

    def noted(self: Finding) -> None:
        frame = sys._getframe(1)
        while frame.f_back and (not _is_ours(frame.f_code.co_filename) or frame.f_code.co_name in _NO_MAKERS):
            frame = frame.f_back
        made.append((self.code, f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"))
        before(self)

    monkeypatch.setattr(Finding, "__post_init__", noted)
    return made


def dotted(maker: Callable[..., object]) -> str:
    """As `made_at` and `makers` name it: `module.function`."""
    return f"{maker.__module__.rpartition('.')[2]}.{maker.__name__}"


_NO_MAKERS = ("finding", "<genexpr>", "<listcomp>", "<lambda>", "__post_init__", "__init__", "__replace__")


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(HOUSE) and "model" not in Path(file).parts


def findings_of(place: Place, whom: str, look: Callable[[Place], FleetPlan] | None = None) -> list[Finding]:
    plan = look(place) if look else place.plan()
    assert isinstance(plan, FleetPlan)
    return [*plan.findings] if not whom else [each for one in plans_of(plan, whom) for each in one.findings]


def plans_of(plan: FleetPlan, whom: str) -> list[Plan]:
    """Of one merchant, or of the account."""
    return [each for each in (*plan.plans, plan.account) if each and each.merchant == whom]


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_finding_whose_remedy_is_followed_is_gone(name: str, place: Place, made_at: list[tuple[str, str]]) -> None:
    situation = SITUATIONS[name]
    situation.make(place)
    made_at.clear()
    found = following.of(findings_of(place, situation.whom, situation.look), situation.code, situation.field)
    assert (situation.code, dotted(situation.at)) in made_at
    for each in following.commands(found.remedy):
        assert following.is_understood(each), each
    following.writes(found.remedy)
    assert [each for each in FOLLOWED_IN.get(name, ()) if each not in found.remedy] == []
    for step in situation.follow:
        step(place, found)
    left = findings_of(place, situation.whom, situation.look_again or situation.look)
    assert not [each for each in left if (each.code, each.field) == (found.code, found.field)], left
    if situation.after:
        (plan,) = plans_of(place.plan(), situation.whom)
        assert plan.status.value == situation.after, left


# Nothing is left out -------------------------------------------------------------------------------------


def test_every_code_has_a_situation() -> None:
    assert {each.code for each in SITUATIONS.values()} | NOTHING_TO_FOLLOW == EVIDENCE_BY_CODE.keys()


def test_every_sentence_of_a_remedy_has_a_situation_that_follows_it() -> None:
    """Whoever writes another remedy, be it in a function that has one already, adds a situation."""
    followed = {each for some in FOLLOWED_IN.values() for each in some}
    assert followed | NOT_FOLLOWED.keys() == sentences()
    assert not followed & NOT_FOLLOWED.keys()
    assert FOLLOWED_IN.keys() <= SITUATIONS.keys()


def makers() -> Iterator[str]:
    """Every function in the house that makes a finding: it calls Finding(…) or context.finding(…)."""
    for folder in ("planning", "reconcile"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_makes_one, ast.walk(node))):
                    yield f"{path.stem}.{node.name}"


def _makes_one(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id == "Finding"
    return (
        isinstance(node.func, ast.Attribute) and node.func.attr == "finding" and isinstance(node.func.value, ast.Name)
    )


def test_every_place_that_makes_a_finding_has_a_situation() -> None:
    met = {dotted(each.at) for each in SITUATIONS.values()}
    nobody_here = {dotted(each) for each in NOBODY_HERE}
    left_out = set(makers()) - met - nobody_here - {"context.finding"}
    assert not left_out
    assert not nobody_here - set(makers()), "what is left out is there"
