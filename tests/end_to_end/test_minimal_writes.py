"""What a fleet costs, counted at the server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.place import (
    COMPANIES,
    COMPANY,
    CONFIGURATION,
    CONFIGURE,
    CREATE_COMPANY,
    CREATE_CONNECTION,
    PROFILE,
    Place,
    changes,
    findings,
    states,
    writes,
)

NAMES = ("ann", "bob", "cat")


def test_new_merchants_cost_one_create_of_each_kind_then_one_post_then_nothing(place: Place) -> None:
    place.profile()
    for name in NAMES:
        place.merchant(name)
    with place.counted() as first:
        report = place.apply()
    assert {name: links(report, name) for name in NAMES} == {
        name: [place.accounting(name)["linkUrl"]] for name in NAMES
    }
    assert not [call for call in first if "{connectionId}" in call], "the create's own answer has the link"
    place.consent()
    with place.counted() as second:
        place.apply()
    with place.counted() as third:
        place.apply()
    assert writes(first) == {CREATE_COMPANY: 3, CREATE_CONNECTION: 3}
    assert writes(second) == {CONFIGURE: 3}
    assert writes(third) == {}
    assert states(place.plan()) == dict.fromkeys(NAMES, "in-sync")


def links(report: Any, name: str) -> list[str]:
    return [finding.link for finding in report.outcomes[name].findings]


def test_the_link_of_a_connection_whose_create_lost_its_answer_is_shown_too(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.emulator.fault(CREATE_CONNECTION, "lose-answer")
    report = place.apply()
    assert links(report, "ann") == [place.accounting("ann")["linkUrl"]]
    assert report.outcomes["ann"].writes == 2


def test_a_whole_fleet_of_one_is_told_of_namesakes_and_strangers_a_target_alone_is_not(place: Place) -> None:
    place.provisioned("ann")
    for name in ("ann", "stranger"):
        place.emulator.api.post("/meta/companies/sync", json={"name": name})
    with place.counted() as whole:
        plan = place.plan()
    with place.counted() as target:
        place.plan("ann")
    assert list(findings(plan, "ann")) == ["company-duplicate"]
    assert sorted(plan.unmanaged) == ["ann", "stranger"]
    assert whole == {COMPANIES: 1, CONFIGURATION: 1}
    assert target == {COMPANY: 1, CONFIGURATION: 1}


def test_a_profile_edit_costs_one_post_for_each_merchant_that_it_touches(place: Place) -> None:
    place.profile("other")
    place.merchant("dan", profile="other")
    place.provisioned(*NAMES)
    mapping = PROFILE["mapping"] | {"sales": PROFILE["mapping"]["sales"] | {"customer": {"name": "Walk-in customers"}}}
    place.profile(mapping=mapping)
    with place.counted() as counts:
        place.apply()
    assert writes(counts) == {CONFIGURE: 3}


def test_ten_fields_out_in_one_merchant_are_put_right_by_one_post(place: Place) -> None:
    place.provisioned("ann")
    place.edit("ann", ten_fields_out(place.document("ann")))
    (plan,) = place.plan().plans
    assert len(plan.changes) == 1
    assert len(plan.changes[0].fields) >= 10
    with place.counted() as counts:
        place.apply()
    assert writes(counts) == {CONFIGURE: 1}
    assert states(place.plan()) == {"ann": "in-sync"}


def ten_fields_out(live: dict[str, Any]) -> dict[str, Any]:
    """A portal edit that leaves ten declared fields otherwise."""
    sales, payments = live["configuration"]["sales"], live["configuration"]["payments"]
    return {
        "enabled": False,
        "schedule": {"selectedFrequency": "Monthly", "syncHourUtc": 7},
        "configuration": {
            "sales": {
                "salesCustomer": {"selectedCustomerId": sales["salesCustomer"]["customerOptions"][1]["id"]},
                "accounts": {key: _another_account(sales, key) for key in ("sales", "refund", "gratuity", "prepaid")},
            },
            "payments": {"accounts": {key: _another_account(payments, key) for key in ("cash", "payout")}},
        },
    }


def _another_account(section: dict[str, Any], key: str) -> dict[str, str]:
    row = section["accounts"][key]
    return {"selectedAccountId": next(o["id"] for o in row["accountOptions"] if o["id"] != row["selectedAccountId"])}


@pytest.mark.parametrize("linked", [True, False])
def test_a_plan_in_sync_reads_one_list_and_at_most_one_configuration_each(place: Place, linked: bool) -> None:
    if linked:
        place.provisioned(*NAMES)
    else:
        place.profile()
        for name in NAMES:
            place.merchant(name)
        place.apply()
    with place.counted() as counts:
        place.plan()
    assert counts == ({COMPANIES: 1, CONFIGURATION: 3} if linked else {COMPANIES: 1})


def test_one_bound_merchant_is_read_in_two_requests_and_written_in_six(place: Place) -> None:
    place.provisioned(*NAMES)
    with place.counted() as in_sync:
        place.plan("bob")
    assert in_sync == {COMPANY: 1, CONFIGURATION: 1}
    place.edit("bob", {"enabled": False})
    with place.counted() as mended:
        place.apply("bob")
    assert writes(mended) == {CONFIGURE: 1}
    assert mended.total() <= 6


def test_one_profile_maps_merchants_whose_ids_all_differ(place: Place) -> None:
    place.provisioned(*NAMES)
    ann, bob, cat = (_selected_accounts(place.document(name)) for name in NAMES)
    assert len(ann) == len(bob) == len(cat) == 8
    assert not ann & bob
    assert not bob & cat
    assert states(place.plan()) == dict.fromkeys(NAMES, "in-sync")


def _selected_accounts(document: dict[str, Any]) -> set[str]:
    sections = (document["configuration"][section]["accounts"] for section in ("sales", "payments"))
    return {row["selectedAccountId"] for accounts in sections for row in accounts.values()}


def test_a_name_that_is_missing_or_ambiguous_blocks_its_merchant_alone_and_names_candidates(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.merchant("bob", mapping={"sales": {"accounts": {"gratuity": {"name": "Tips payabel"}}}})
    place.merchant("cat")
    place.apply()
    place.consent()
    company = place.company("cat")["id"]
    place.emulator.control("POST", f"/companies/{company}/customers", {"customerName": "POS daily takings"})
    with place.counted() as counts:
        report = place.apply()
    assert writes(counts) == {CONFIGURE: 1}
    assert "Tips payable" in findings(report.plan, "bob")["account-unresolved"].remedy
    assert "customer-ambiguous" in findings(report.plan, "cat")
    assert states(place.plan()) == {"ann": "in-sync", "bob": "blocked", "cat": "blocked"}


def test_what_nobody_declared_and_what_nobody_knows_stays_as_it_was(place: Place) -> None:
    place.profile(mapping={"sales": {"customer": {"name": "POS daily takings"}}}, schedule={"frequency": "Daily"})
    (seeded,) = place.emulator.seed(1, "configured", prefix="m-")
    place.merchant(seeded["name"])
    strange = {"colour": "blue", "nested": {"deep": [1, {"two": None}]}, "big": 12345678901234567890}
    place.edit(seeded["name"], {"enabled": False, "somethingNew": strange})
    before = place.document(seeded["name"])
    place.apply()
    after = place.document(seeded["name"])
    assert after["enabled"] is True
    assert after["somethingNew"] == strange
    assert after | {"enabled": False} == before


def test_with_the_state_gone_everybody_is_adopted_and_nobody_created(place: Place) -> None:
    place.provisioned(*NAMES)
    place.database.unlink()
    plan = place.plan()
    assert changes(plan) == {}
    assert all(each.adopts for each in plan.plans)
    with place.counted() as counts:
        place.apply()
    assert writes(counts) == {}
    with place.counted() as bound:
        place.plan("ann")
    assert COMPANIES not in bound


def test_plan_and_drift_make_no_request_but_get(place: Place) -> None:
    place.profile()
    place.merchant("new")
    place.provisioned("ann", "bob")
    place.merchant("newer")
    place.edit("ann", {"enabled": False})
    with place.counted() as counts:
        place.plan()
        for verb in ("plan", "drift", "status"):
            place.run(verb)
    assert writes(counts) == {}
    assert counts.total() > 0


def test_a_merchant_who_waits_for_consent_is_shown_with_the_link_and_nothing_is_written(place: Place) -> None:
    place.provisioned("ann", "bob")
    place.emulator.control("POST", _connection(place, "ann") + "/deauthorize")
    place.emulator.api.patch("/meta" + _connection(place, "bob"), json={"status": "Unlinked"})
    with place.counted() as counts:
        report = place.apply()
    assert writes(counts) == {}
    for name, code in (("ann", "connection-deauthorized"), ("bob", "connection-unlinked")):
        finding = findings(report.plan, name)[code]
        assert finding.link == place.accounting(name)["linkUrl"]
        assert finding.actor.value == "merchant"


def _connection(place: Place, name: str) -> str:
    return f"/companies/{place.company(name)['id']}/connections/{place.accounting(name)['id']}"
