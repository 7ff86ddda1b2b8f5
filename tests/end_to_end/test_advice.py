"""What is advised, and where: to whom it belongs, about whom it is, and nothing that lifts a limit for everybody."""

from __future__ import annotations

import json
import re

import pytest

from tests.end_to_end.place import UK_PROFILE, Place, findings_by_code, states_by_merchant
from tests.end_to_end.test_every_remedy import books, mass_loss, selected

TIPS = "mapping.sales.accounts.gratuity"


def test_two_references_that_may_not_lead_to_one_account_are_found_by_validate(place: Place) -> None:
    place.provision("ann")
    payout = selected(place, "mapping.payments.accounts.payout")
    place.merchant("ann", mapping={"payments": {"accounts": {"card": {"name": payout["name"]}}}})
    done = place.run_in_process("validate", "--online", "--target", "ann")
    assert done.returncode == 3
    assert "mapping.payments.accounts.card: Codat would refuse it for ann:" in done.stderr
    assert (
        f"{payout['name']} ({payout['id']}) must not be the account of mapping.payments.accounts.payout" in done.stderr
    )
    assert re.search(r"merchant-ann\.json|merchant-ann\.yaml:\d+:\d+", done.stderr)


def test_validate_asks_about_whom_it_is_told_to_and_names_candidates_by_merchant(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("cat")
    books(place, "PATCH", "account", selected(place, TIPS)["id"], {"name": "Tips payable (old)"})
    sales = UK_PROFILE["mapping"]["sales"]
    accounts = sales["accounts"] | {"gratuity": {"name": "TIPS PAYABLE"}}
    place.profile(mapping=UK_PROFILE["mapping"] | {"sales": sales | {"accounts": accounts}})
    done = place.run_in_process("validate", "--online", "--target", "ann", "--target", "bob")
    assert done.returncode == 3
    assert 'at ann: {name: "Tips payable (old)"} (code 825, selected now)' in done.stderr
    assert 'at bob: {name: "Tips payable"} (code 825, selected now)' in done.stderr
    assert "2 merchants looked up" in done.stdout, "cat was not asked about"
    assert place.run_in_process("validate", "--target", "ann").returncode == 64, "offline nobody's books are looked in"


def test_a_report_advises_no_flag_that_lets_everything_through(place: Place) -> None:
    mass_loss(place)
    assert "--allow re-create:4" in place.plan().findings[0].remedy
    for form in ("text", "json", "markdown", "html", "csv"):
        report = place.run_in_process("drift", "-o", form).stdout
        assert "mass-loss" in report
        assert "--allow" not in report.replace("\\", "")


def test_a_refresh_reaches_a_linked_company_that_the_state_has_not_bound(place: Place) -> None:
    """It said: not created yet."""
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        assert place.run_in_process("state", "rm", name).returncode == 0
    place.merchant("bob", policy={"adopt": False})
    place.merchant("cat")
    done = place.run_in_process("refresh", "-o", "json")
    answers = {each["merchant"]: each["result"] for each in json.loads(done.stdout)["merchants"]}
    assert answers == {"ann": "asked", "bob": "not ours: policy adopt: false", "cat": "not created yet"}


def test_a_refresh_says_of_whom_it_could_not_ask_and_of_whom_only_the_end_is_unknown(place: Place) -> None:
    place.provision("ann", "bob")
    place.emulator.fault(f"GET /companies/{place.company('ann')['id']}/dataStatus", "status", times=99, code=503)
    assert place.emulator.api.delete(f"/companies/{place.company('bob')['id']}").is_success
    done = place.run_in_process("refresh", "--wait", "-o", "json")
    told = json.loads(done.stdout)
    answers = {each["merchant"]: each["result"] for each in told["merchants"]}
    assert answers["ann"].startswith("asked; whether it was pulled could not be read: ")
    assert answers["bob"].startswith("its company is not there any more")
    assert (done.returncode, told["complete"]) == (3, False)
    only_bob = place.run_in_process("refresh", "--target", "bob")
    assert only_bob.returncode == 3, "bob has given consent, and was not asked"


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"configuration": {"sales": {"taxRates": {"5": {"selectedTaxRateId": None}}}}}, 'mapping.sales.taxRates["5"]'),
        ({"configuration": {"sales": {"syncSales": False}}}, "mapping.payments.sync"),
    ],
    ids=["a tax rate without a selection", "payments without sales"],
)
def test_what_stands_live_and_would_be_refused_is_said_at_once_and_after_an_import(
    patch: dict[str, object], field: str, place: Place
) -> None:
    """It was «in sync» until something else changed."""
    place.emulator.seed(1, "configured")
    place.merchant("m-00000", None, connection={"platform": "xero"})
    place.apply()
    assert states_by_merchant(place.plan()) == {"m-00000": "in-sync"}
    place.edit_in_portal("m-00000", patch)
    for verb in (("plan",), ("drift",)):
        assert "mapping-invalid" in place.run_in_process(*verb).stdout
    place.remove_manifests("m-00000")
    done = place.run_in_process("import", "--out", str(place.manifests))
    assert done.returncode in (0, 3), done.stderr
    found = findings_by_code(place.plan(), "m-00000")
    assert found["mapping-invalid"].field == field
