"""`merchantctl import` of whatever can be live: the plan right after has nothing to do, and drift reports nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.desired.yaml_writer import yaml_text
from controller.model.exit_codes import exit_code
from controller.operations.import_ import ImportOptions, ImportResult, prepare_import
from tests.end_to_end.place import Place, changes_by_merchant, findings_by_code

Json = dict[str, Any]


ROWS = (
    *(("sales", key) for key in ("sales", "refund", "gratuity", "prepaid")),
    *(("payments", key) for key in ("card", "cash", "payout", "prepaidPayment")),
    *(("fees", key) for key in ("paymentFee", "paymentFeeRefund")),
)
GONE = "no-such-record"


def options(*lists: list[Json]) -> list[str | None]:
    return [None, GONE, *(str(row["id"]) for each in lists for row in each)]


@st.composite
def edits(draw: st.DrawFn) -> Json:
    """What somebody did in the portal; a number stands for one of the selection's own options."""
    pick = st.integers(0, 12)
    accounts = draw(st.dictionaries(st.sampled_from(ROWS), pick, max_size=4))
    return {
        "accounts": {"/".join(row): number for row, number in accounts.items()},
        "customer": draw(st.none() | pick),
        "supplier": draw(st.none() | pick),
        "rates": draw(st.lists(pick, max_size=2)),
        "plain": draw(st.dictionaries(st.sampled_from(sorted(PLAIN)), st.integers(0, 20), max_size=4)),
    }


PLAIN: dict[str, list[Any]] = {
    "enabled": [False],
    "schedule.selectedFrequency": ["Monthly", "daily", "Hourly", None],
    "schedule.syncHourUtc": [0, 3, 23],
    "schedule.timeZone": [
        "Europe/London",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Etc/UTC",
        "Mars",
    ],
    "schedule.startDate": [
        "2026-06-01T00:00:00Z",
        "2026-05-31T23:00:00Z",
        "2027-08-01T00:00:00",
        "2026-06-01",
        "x",
    ],
    "configuration.sales.syncSales": [False],
    "configuration.payments.syncPayments": [False],
    "configuration.fees.syncFees": [False],
    "configuration.sales.invoiceStatus.selectedInvoiceStatus": ["Draft", "submitted", "Voided", None],
    "configuration.sales.grouping.groupingPeriod.selectedGroupingPeriod": ["Weekly", None],
    "configuration.sales.grouping.groupingLevels.invoiceLevel.selectedGroupByOptions": [
        *([], ["Country"], ["Country", "Location"], ["Planet"], ["Country", "Country"], None),
    ],
    "configuration.sales.accounts.prePaid": [{"selectedAccountId": GONE}, {"selectedAccountId": None}],
    "configuration.payments.accounts.cards": [
        {"selectedAccountId": None, "accountOptions": [{"id": "1", "name": "A"}]}
    ],
    "configuration.payments.accounts.sales": [
        {"selectedAccountId": "1", "accountOptions": [{"id": "1", "name": 'a "b": c # d', "nominalCode": "1"}]}
    ],
    "configuration.payments.accounts.swish": [
        {"selectedAccountId": "2", "accountOptions": [{"id": "2", "name": "Twin"}, {"id": "3", "name": "Twin"}]},
        {"selectedAccountId": "é\u2028\u0007", "accountOptions": [{"id": "é\u2028\u0007"}]},
    ],
    "configuration.sales.taxRates.VAT": [{"selectedTaxRateId": "1", "taxRateOptions": [{"id": "1", "name": "V"}]}],
    "configuration.fees": [None],
    "somethingNew": [{"kept": [1, 2.50]}],
}


def patch_of(edit: Json, document: Json) -> Json:
    """The edit as the JSON Merge Patch of this merchant."""
    patch: Json = {}
    parts = document["configuration"]
    for row, number in edit["accounts"].items():
        section, key = row.split("/")
        own = parts[section]["accounts"][key]["accountOptions"]
        put(patch, f"configuration.{section}.accounts.{key}.selectedAccountId", own, number)
    if edit["customer"] is not None:
        own = parts["sales"]["salesCustomer"]["customerOptions"]
        put(patch, "configuration.sales.salesCustomer.selectedCustomerId", own, edit["customer"])
    if edit["supplier"] is not None:
        own = parts["fees"]["feesSupplier"]["supplierOptions"]
        put(patch, "configuration.fees.feesSupplier.selectedSupplierId", own, edit["supplier"])
    for key, number in zip(parts["sales"]["taxRates"], edit["rates"], strict=False):
        own = parts["sales"]["taxRates"][key]["taxRateOptions"]
        below(patch, ["configuration", "sales", "taxRates", key])["selectedTaxRateId"] = chosen(own, number)
    for path, number in edit["plain"].items():
        *way, last = path.split(".")
        below(patch, way)[last] = PLAIN[path][number % len(PLAIN[path])]
    return patch


def chosen(own: list[Json], number: int) -> str | None:
    words = options(own)
    return words[number % len(words)]


def put(patch: Json, path: str, own: list[Json], number: int) -> None:
    *way, last = path.split(".")
    below(patch, way)[last] = chosen(own, number)


def below(patch: Json, way: list[str]) -> Json:
    for key in way:
        patch = patch.setdefault(key, {})
        if not isinstance(patch, dict):
            return {}
    return patch


def emptied(place: Place) -> None:
    place.emulator.control("POST", "/reset")
    place.database.unlink(missing_ok=True)
    for file in place.manifests.iterdir():
        file.unlink()


def imported(place: Place, choice: ImportOptions) -> ImportResult:
    found = asyncio.run(prepare_import(place.settings, choice, place.manifests, environment=place.environment))
    (place.manifests / "all.yaml").write_text(yaml_text(found.manifests), encoding="utf-8")
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["gbol", "fbrh", "qhyg"]), edits()), min_size=1, max_size=8),
    st.sampled_from([None, "Europe/London"]),
    st.booleans(),
)
def test_whatever_is_live_the_plan_right_after_has_nothing_to_do(
    place: Place, portal: list[tuple[str, Json]], zone: str | None, profiles: bool
) -> None:
    """But to say so where what stands there, sent back as it is, would be refused by Codat itself."""
    emptied(place)
    refused = 0
    for number, (platform, edit) in enumerate(portal):
        (merchant,) = place.emulator.seed(1, "configured", platform, prefix=f"m{number}-")
        patch = patch_of(edit, place.emulator.configuration(merchant))
        place.emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", patch)
    found = imported(place, ImportOptions(zone=zone, profiles=profiles))
    plan = place.plan()
    assert found.skipped == ()
    assert len(plan.plans) == len(portal)
    assert changes_by_merchant(plan) == {}
    for company in place.companies():
        if "mapping-invalid" in findings_by_code(plan, company["name"]):
            path = f"/config/companies/{company['id']}/sync/commerce"
            answer = place.emulator.api.post(path, json=place.emulator.api.get(path).json())
            assert answer.status_code == 400, "nobody is told so of what Codat takes"
            refused += 1
    assert exit_code("plan", plan, detailed=True) == (2 if refused else 0)
    dangles = any(finding.code.endswith("-deleted") for each in plan.plans for finding in each.findings)
    assert exit_code("drift", plan) == (2 if dangles else 0)
