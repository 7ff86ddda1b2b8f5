"""`codify`: somebody accepts the drift. What is live becomes what is declared, at the right level, comments and all."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.end_to_end.place import Place, changes_by_merchant, count_writes_by_call
from tests.intercept import Forward, intercepted

GIFT_CARDS = "Gift cards outstanding"

PROFILE = """\
# what British merchants share
apiVersion: merchantctl/v1
kind: MappingProfile
metadata: {name: uk}
spec:
  connection: {platform: xero}
  enabled: true
  schedule: {frequency: Daily, startDate: 2026-12-01, time: "00:00", timeZone: Europe/London}
  mapping:
    sales:
      sync: true
      invoiceStatus: Submitted      # never Draft
      customer: {name: POS daily takings}
      accounts:
        sales: {code: "200"}
        refund: {code: "205"}
        # the accountant asked for this one
        gratuity: {name: Tips payable}
        prepaid:
          name: Gift cards outstanding
      taxRates:
        "0": {name: Zero rated income}
        "5": {name: 5% (VAT on income)}
        "20": {id: OUTPUT2}
      grouping: {period: Daily, invoice: [Location], invoiceLine: []}
    payments:
      sync: true
      accounts:
        card: {name: POS card clearing}
        cash: {name: Till cash}
        prepaidPayment: {name: Gift card redemptions}
        payout: {code: "090"}
    fees:
      sync: true
      supplier: {name: Card processor}
      accounts: {paymentFee: {name: Merchant fees}, paymentFeeRefund: {name: Merchant fees}}
"""


@pytest.fixture
def two(place: Place) -> Place:
    """ann and bob on one profile, in sync, their manifests as people write them."""
    (place.manifests / "uk.yaml").write_text(PROFILE)
    for name in ("ann", "bob"):
        (place.manifests / f"{name}.yaml").write_text(
            f"# {name}, since June\napiVersion: merchantctl/v1\nkind: Merchant\n"
            f"metadata: {{name: {name}}}\nspec: {{profile: uk}}   # nothing of its own\n"
        )
    place.apply()
    place.consent_everyone()
    place.apply()
    return place


def choose_tips(place: Place, name: str, account: str = GIFT_CARDS) -> None:
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    chosen = next(each["id"] for each in entry["accountOptions"] if each["name"] == account)
    place.edit_in_portal(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": chosen}}}}})


def codify(place: Place, *arguments: str, code: int = 0) -> str:
    with place.count_requests() as counts:
        done = place.run_in_process("codify", "--yes", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert count_writes_by_call(counts) == {}
    return done.stdout


def read(place: Place, name: str) -> str:
    return (place.manifests / f"{name}.yaml").read_text()


def test_what_one_merchant_has_goes_into_its_own_manifest(two: Place) -> None:
    choose_tips(two, "ann")
    codify(two)
    assert read(two, "uk") == PROFILE
    assert read(two, "ann").startswith("# ann, since June\n")
    assert "# nothing of its own" in read(two, "ann")
    assert "gratuity: {code: " in read(two, "ann")
    assert changes_by_merchant(two.plan()) == {}


def test_what_everyone_has_goes_into_the_profile_with_its_comments(two: Place) -> None:
    for name in ("ann", "bob"):
        choose_tips(two, name)
        two.edit_in_portal(
            name, {"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}, "enabled": True}
        )
        two.edit_in_portal(name, {"configuration": {"payments": {"syncPayments": False}}})
    shown = codify(two)
    assert "MappingProfile uk  mapping.sales.accounts.gratuity" in shown
    after = read(two, "uk")
    lines, before = after.splitlines(), PROFILE.splitlines()
    assert len(lines) == len(before)
    changed = [new for old, new in zip(before, lines, strict=True) if old != new]
    assert any(line.startswith("        gratuity: {code: ") for line in changed)
    assert "      invoiceStatus: Draft      # never Draft" in changed
    assert "        # the accountant asked for this one" in lines
    assert read(two, "ann").count("gratuity") == 0
    assert changes_by_merchant(two.plan()) == {}


def test_a_look_at_one_merchant_changes_no_profile(two: Place) -> None:
    for name in ("ann", "bob"):
        choose_tips(two, name)
    codify(two, "ann")
    assert read(two, "uk") == PROFILE
    assert list(changes_by_merchant(two.plan())) == ["bob"]


def test_who_could_not_be_read_keeps_the_profile_as_it_is(two: Place) -> None:
    for name in ("ann", "bob"):
        choose_tips(two, name)
    path = f"GET /config/companies/{two.company('bob')['id']}/sync/commerce"
    two.emulator.fault(path, "status", times=8, code=503)
    shown = codify(two, code=3)
    assert "not codified: bob  : it could not be read" in shown
    assert read(two, "uk") == PROFILE
    assert "gratuity" in read(two, "ann")


def test_a_fault_of_ours_about_one_merchant_keeps_nothing_of_anothers_from_its_manifest(two: Place) -> None:
    for name in ("ann", "bob"):
        choose_tips(two, name)
    path = f"/config/companies/{two.company('bob')['id']}/sync/commerce"

    async def nobody_foresaw(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path == path:
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    two.environment = intercepted(two.environment, nobody_foresaw)
    shown = codify(two, code=3)
    assert "not codified: bob  : " in shown
    assert "gratuity" in read(two, "ann")


def test_an_id_goes_into_no_profile(two: Place) -> None:
    """Two accounts of one name and no number: only the id tells them apart."""
    for name in ("ann", "bob"):
        company = two.company(name)["id"]
        for _ in range(2):
            two.emulator.control("POST", f"/companies/{company}/accounts", {"name": "Tips jar", "nominalCode": ""})
        choose_tips(two, name, "Tips jar")
    codify(two)
    assert read(two, "uk") == PROFILE
    assert "gratuity: {id: " in read(two, "ann")
    assert changes_by_merchant(two.plan()) == {}


def switched_off(place: Place) -> None:
    place.edit_in_portal("ann", {"enabled": False})


def deleted(place: Place) -> None:
    entry = place.document("ann")["configuration"]["sales"]["accounts"]["gratuity"]
    company = place.company("ann")["id"]
    place.emulator.control("DELETE", f"/companies/{company}/accounts/{entry['selectedAccountId']}")


def earlier(place: Place) -> None:
    place.edit_in_portal("ann", {"schedule": {"startDate": "2026-11-20T00:00:00Z"}})


def pending(place: Place) -> None:
    file = place.manifests / "ann.yaml"
    file.write_text(file.read_text().replace("{profile: uk}", "{profile: uk, schedule: {time: '03:00'}}"))


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        (switched_off, "enabled: Codat may have switched it off itself"),
        (deleted, "account-deleted: what is selected is not offered any more"),
        (earlier, "schedule.startDate: live starts earlier"),
        (pending, "schedule.time: the manifest moved, and not live"),
    ],
)
def test_what_must_not_be_declared_is_left_and_said(two: Place, drift: Callable[[Place], None], told: str) -> None:
    drift(two)
    before = {name: read(two, name) for name in ("ann", "bob", "uk")}
    assert told in codify(two, code=3)
    assert before == {name: read(two, name) for name in ("ann", "bob", "uk")}


PORTAL: dict[str, dict[str, Any]] = {
    "another hour": {"schedule": {"syncHourUtc": 7}},
    "a later start": {"schedule": {"startDate": "2027-02-01T00:00:00Z"}},
    "drafts": {"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}},
    "no payments": {"configuration": {"payments": {"syncPayments": False}}},
    "no fees": {"configuration": {"fees": {"syncFees": False}}},
    "no tips": {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": None}}}}},
    "no customer": {"configuration": {"sales": {"salesCustomer": {"selectedCustomerId": None}}}},
    "no tax rate": {"configuration": {"sales": {"taxRates": {"5": {"selectedTaxRateId": None}}}}},
    "by item": {"configuration": {"sales": {"grouping": {"invoiceLevel": {"selectedGroupBy": ["Location"]}}}}},
    "every month": {"schedule": {"selectedFrequency": "Monthly"}},
    "a strange frequency": {"schedule": {"selectedFrequency": "Hourly"}},
    "a start in the night": {"schedule": {"startDate": "2027-02-01T05:30:00Z"}},
    "switched off": {"enabled": False},
}


@pytest.mark.parametrize("drift", PORTAL)
def test_after_codify_a_plan_changes_nothing_or_codify_said_why_not(two: Place, drift: str) -> None:
    two.edit_in_portal("ann", PORTAL[drift])
    done = two.run_in_process("codify", "--yes")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    left = {field.field for plan in two.plan().plans for change in plan.changes for field in change.fields}
    said = [line for line in done.stdout.splitlines() if line.startswith("not codified: ")]
    assert all(any(f"  {field}: " in line for line in said) for field in left), (left, said)


def test_a_reference_that_was_renamed_in_the_books_is_followed(two: Place) -> None:
    entry = two.document("ann")["configuration"]["sales"]["accounts"]["gratuity"]
    path = f"/companies/{two.company('ann')['id']}/accounts/{entry['selectedAccountId']}"
    two.emulator.control("PATCH", path, {"name": "Gratuities"})
    codify(two)
    assert "gratuity: {code: " in read(two, "ann")
    assert [each.status.value for each in two.plan().plans] == ["in-sync", "in-sync"]


def test_a_company_that_was_renamed_keeps_its_name(two: Place) -> None:
    company = two.company("ann")["id"]
    two.emulator.api.put(f"/companies/{company}", json={"name": "Anns Cafe"})
    codify(two)
    assert "company: {name: Anns Cafe}" in read(two, "ann")
    assert changes_by_merchant(two.plan()) == {}


@pytest.mark.skipif(shutil.which("git") is None, reason="the program git is not installed")
def test_a_patch_can_be_applied_and_writes_nothing_by_itself(two: Place) -> None:
    choose_tips(two, "ann")
    done = two.run_in_process("codify", "--diff")
    assert (done.returncode, read(two, "ann").count("gratuity")) == (0, 0)
    applied = subprocess.run(
        ["git", "apply", "-"], cwd=two.folder, input=done.stdout, text=True, capture_output=True, check=False
    )
    assert applied.returncode == 0, applied.stderr + done.stdout
    assert changes_by_merchant(two.plan()) == {}


def test_without_a_terminal_or_yes_nothing_is_written(two: Place) -> None:
    choose_tips(two, "ann")
    done = two.run_in_process("codify")
    assert (done.returncode, "--yes, or --diff" in done.stderr) == (64, True)


def test_a_manifest_with_an_anchor_on_the_way_is_left_with_the_reason(two: Place) -> None:
    file = two.manifests / "ann.yaml"
    file.write_text(file.read_text().replace("spec: {profile: uk}", "spec: &all {profile: uk}"))
    choose_tips(two, "ann")
    assert "in a way that cannot be edited" in codify(two, code=3)


def test_nothing_to_codify(two: Place) -> None:
    assert codify(two) == "Nothing to codify.\n"


def test_a_profile_that_another_environment_uses_stays_as_it_is(two: Place) -> None:
    elsewhere = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: far}\nspec: {profile: uk}\n"
    (two.manifests / "far.yaml").write_text(elsewhere)
    for name in ("ann", "bob"):
        file = two.manifests / f"{name}.yaml"
        file.write_text(file.read_text().replace(f"{{name: {name}}}", f"{{name: {name}, labels: {{env: here}}}}"))
        choose_tips(two, name)
    (two.folder / "merchantctl.toml").write_text(
        f'[environments.here]\nselector = "env=here"\nstate = "{two.settings.state}"\n'
    )
    codify(two)
    assert read(two, "uk") == PROFILE
    assert all("gratuity" in read(two, name) for name in ("ann", "bob"))


def test_what_breaks_a_rule_in_one_manifest_keeps_nothing_out_of_the_others(two: Place) -> None:
    (two.manifests / "ann.yaml").write_text(
        "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: ann}\n"
        "spec:\n  profile: uk\n  mapping: {payments: {sync: true}}\n"
    )
    two.apply()
    two.edit_in_portal("ann", {"configuration": {"sales": {"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}}})
    choose_tips(two, "bob")
    shown = codify(two, code=3)
    assert "not codified: ann  mapping.sales.invoiceStatus: " in shown
    assert "gratuity" in read(two, "bob")


def test_what_is_no_manifest_beside_them_keeps_nobody_from_theirs(two: Place) -> None:
    """As an editor's lock, which is a link that leads nowhere, or a socket."""
    (two.manifests / ".#ann.yaml").symlink_to("me@here.4711")
    os.mkfifo(two.manifests / "queue")
    choose_tips(two, "ann")
    codify(two)
    assert "gratuity" in read(two, "ann")


def test_a_manifest_that_is_a_link_as_in_a_mounted_volume_is_edited_where_it_is(two: Place) -> None:
    (two.manifests / "..data").mkdir()
    file = two.manifests / "ann.yaml"
    file.rename(two.manifests / "..data" / "ann.yaml")
    file.symlink_to("..data/ann.yaml")
    choose_tips(two, "ann")
    codify(two)
    assert file.is_symlink()
    assert "gratuity" in read(two, "ann")
