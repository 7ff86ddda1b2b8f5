"""The bookkeeper renumbers or renames: the same reference means another account now, and nobody wished for that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.place import (
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)


def sales_of(place: Place, name: str) -> dict[str, Any]:
    return place.document(name)["configuration"]["sales"]["accounts"]["sales"]


def option(place: Place, name: str, key: str, value: str) -> str:
    offered = sales_of(place, name)["accountOptions"]
    return next(each["id"] for each in offered if each[key] == value)


def books(place: Place, merchant: str, account: str, **edit: str) -> None:
    place.emulator.control("PATCH", f"/companies/{place.company(merchant)['id']}/accounts/{account}", edit)


def renumbered(place: Place, name: str) -> tuple[str, str]:
    """200 becomes 4000, and 205 becomes 200; the ids of both."""
    sales, returns = option(place, name, "nominalCode", "200"), option(place, name, "nominalCode", "205")
    books(place, name, sales, nominalCode="4000")
    books(place, name, returns, nominalCode="200")
    return sales, returns


def sales_by(reference: dict[str, str]) -> dict[str, Any]:
    return {"sales": {"accounts": {"sales": reference}}}


def refunds_apart() -> dict[str, Any]:
    """The profile, with refunds by name: only the sales are led elsewhere by a renumbering."""
    sales = UK_PROFILE["mapping"]["sales"]
    accounts = sales["accounts"] | {"refund": {"name": "Sales returns"}}
    return {"mapping": UK_PROFILE["mapping"] | {"sales": sales | {"accounts": accounts}}}


def provisioned(place: Place, *names: str, **spec: Any) -> None:
    place.profile(**refunds_apart())
    for name in names:
        place.merchant(name, **spec)
    place.apply()
    place.consent_everyone()
    place.apply()
    assert states_by_merchant(place.plan()) == dict.fromkeys(names, "in-sync")


@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_takings_never_follow_a_code_to_another_account_by_themselves(place: Place, policy: str) -> None:
    """They did: `drift` said «the manifest moved», exit 0, and `run` posted the sales to *Sales returns*."""
    provisioned(place, "ann", policy={"drift": policy})
    sales, returns = renumbered(place, "ann")
    found = findings_by_code(place.plan(), "ann")["account-remapped"]
    assert (found.live.id, found.wanted.id, found.direction) == (sales, returns, "drift")
    assert place.run_in_process("drift").returncode == 2
    with place.count_requests() as counts:
        assert place.run_in_process("run", "--once").returncode == (3 if policy == "Correct" else 0)
        assert place.run_in_process("apply", "--yes").returncode == (3 if policy == "Correct" else 0)
    assert count_writes_by_call(counts) == {}
    assert sales_of(place, "ann")["selectedAccountId"] == sales
    assert "account-remapped" in findings_by_code(place.plan(), "ann"), "it is told as long as it stands"


def test_by_name_it_is_the_same(place: Place) -> None:
    place.provision("ann", mapping=sales_by({"name": "Sales"}))
    sales, returns = option(place, "ann", "name", "Sales"), option(place, "ann", "name", "Sales returns")
    books(place, "ann", sales, name="Sales (old)")
    books(place, "ann", returns, name="Sales")
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (3, {})
    assert "account-remapped  mapping.sales.accounts.sales  changed outside merchantctl" in done.stdout


def test_a_person_s_word_follows_it_for_the_merchant_named_alone(place: Place) -> None:
    provisioned(place, "ann", "bob")
    moved = {name: renumbered(place, name) for name in ("ann", "bob")}
    with place.count_requests() as counts:
        place.run_in_process("apply", "--yes", "--allow", "remap=ann")
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert sales_of(place, "ann")["selectedAccountId"] == moved["ann"][1]
    assert sales_of(place, "bob")["selectedAccountId"] == moved["bob"][0]
    assert states_by_merchant(place.plan()) == {"ann": "in-sync", "bob": "blocked"}


@pytest.mark.parametrize(("reference", "which"), [({"code": "4000"}, 0), ({"name": "Sales returns"}, 1)])
def test_the_manifest_s_own_new_reference_ends_it(place: Place, reference: dict[str, str], which: int) -> None:
    provisioned(place, "ann")
    account = renumbered(place, "ann")[which]
    place.merchant("ann", mapping=sales_by(reference))
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert sales_of(place, "ann")["selectedAccountId"] == account
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


def test_another_reference_that_fitted_the_old_account_too_is_a_new_wish(place: Place) -> None:
    """By code until now; by name from now on, which the bookkeeper has given to another account meanwhile."""
    provisioned(place, "ann")
    sales, returns = option(place, "ann", "name", "Sales"), option(place, "ann", "name", "Sales returns")
    books(place, "ann", sales, name="Sales (old)")
    books(place, "ann", returns, name="Sales")
    place.profile()
    place.merchant("ann", mapping=sales_by({"name": "Sales"}))
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert sales_of(place, "ann")["selectedAccountId"] == returns


def test_the_rest_of_that_merchant_is_mended_meanwhile(place: Place) -> None:
    provisioned(place, "ann")
    sales, _ = renumbered(place, "ann")
    place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 9}})
    assert place.run_in_process("apply", "--yes").returncode == 3
    assert place.document("ann")["schedule"]["syncHourUtc"] == 0
    assert sales_of(place, "ann")["selectedAccountId"] == sales
    assert states_by_merchant(place.plan())["ann"] == "blocked"
