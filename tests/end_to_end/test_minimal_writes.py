"""What a fleet costs, counted at the server."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.report import Applied, FleetReport
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_COMPANY,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)

NAMES = ("ann", "bob", "cat")


def test_new_merchants_cost_one_create_of_each_kind_then_one_post_then_nothing(place: Place) -> None:
    place.profile()
    for name in NAMES:
        place.merchant(name)
    with place.count_requests() as first:
        report = place.apply()
    assert {name: links(report, name) for name in NAMES} == {
        name: [place.accounting_connection(name)["linkUrl"]] for name in NAMES
    }
    assert not [call for call in first if "{connectionId}" in call], "the create's own answer has the link"
    place.consent_everyone()
    with place.count_requests() as second:
        place.apply()
    with place.count_requests() as third:
        place.apply()
    assert count_writes_by_call(first) == {CREATE_COMPANY: 3, CREATE_CONNECTION: 3}
    assert count_writes_by_call(second) == {SAVE_CONFIGURATION: 3}
    assert count_writes_by_call(third) == {}
    assert states_by_merchant(place.plan()) == dict.fromkeys(NAMES, "in-sync")


def links(report: FleetReport, name: str) -> list[str | None]:
    return [finding.link for finding in outcome_of(report, name, Applied).findings]


def test_the_link_of_a_connection_whose_create_lost_its_answer_is_shown_too(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.emulator.fault(CREATE_CONNECTION, "lose-answer")
    report = place.apply()
    assert links(report, "ann") == [place.accounting_connection("ann")["linkUrl"]]
    assert outcome_of(report, "ann", Applied).writes == 2


def test_a_whole_fleet_of_one_is_told_of_namesakes_and_strangers_a_target_alone_is_not(place: Place) -> None:
    place.provision("ann")
    for name in ("ann", "stranger"):
        place.emulator.api.post("/meta/companies/sync", json={"name": name})
    with place.count_requests() as whole:
        plan = place.plan()
    with place.count_requests() as target:
        place.plan("ann")
    assert list(findings_by_code(plan, "ann")) == ["company-duplicate"]
    assert sorted(plan.unmanaged_names) == ["ann", "stranger"]
    assert whole == {LIST_COMPANIES: 1, GET_CONFIGURATION: 1}
    assert target == {GET_COMPANY: 1, GET_CONFIGURATION: 1}


def test_a_profile_edit_costs_one_post_for_each_merchant_that_it_touches(place: Place) -> None:
    place.profile("other")
    place.merchant("dan", profile="other")
    place.provision(*NAMES)
    mapping = UK_PROFILE["mapping"] | {
        "sales": UK_PROFILE["mapping"]["sales"] | {"customer": {"name": "Walk-in customers"}}
    }
    place.profile(mapping=mapping)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 3}


def test_ten_fields_out_in_one_merchant_are_put_right_by_one_post(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", ten_fields_out(place.document("ann")))
    (plan,) = place.plan().plans
    assert len(plan.changes) == 1
    assert len(plan.changes[0].fields) >= 10
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


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
        place.provision(*NAMES)
    else:
        place.profile()
        for name in NAMES:
            place.merchant(name)
        place.apply()
    with place.count_requests() as counts:
        place.plan()
    assert counts == ({LIST_COMPANIES: 1, GET_CONFIGURATION: 3} if linked else {LIST_COMPANIES: 1})


def test_one_bound_merchant_is_read_in_two_requests_and_written_in_six(place: Place) -> None:
    place.provision(*NAMES)
    with place.count_requests() as in_sync:
        place.plan("bob")
    assert in_sync == {GET_COMPANY: 1, GET_CONFIGURATION: 1}
    place.edit_in_portal("bob", {"enabled": False})
    with place.count_requests() as mended:
        place.apply("bob")
    assert count_writes_by_call(mended) == {SAVE_CONFIGURATION: 1}
    assert mended.total() <= 6


def test_one_profile_maps_merchants_whose_ids_all_differ(place: Place) -> None:
    place.provision(*NAMES)
    ann, bob, cat = (_selected_accounts(place.document(name)) for name in NAMES)
    assert len(ann) == len(bob) == len(cat) == 8
    assert not ann & bob
    assert not bob & cat
    assert states_by_merchant(place.plan()) == dict.fromkeys(NAMES, "in-sync")


def _selected_accounts(document: dict[str, Any]) -> set[str]:
    sections = (document["configuration"][section]["accounts"] for section in ("sales", "payments"))
    return {row["selectedAccountId"] for accounts in sections for row in accounts.values()}


def test_a_name_that_is_missing_or_ambiguous_blocks_its_merchant_alone_and_names_candidates(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.merchant("bob", mapping={"sales": {"accounts": {"gratuity": {"name": "Tips payabel"}}}})
    place.merchant("cat")
    place.apply()
    place.consent_everyone()
    company = place.company("cat")["id"]
    place.emulator.control("POST", f"/companies/{company}/customers", {"customerName": "POS daily takings"})
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert "Tips payable" in findings_by_code(report.plan, "bob")["account-unresolved"].remedy
    assert "customer-ambiguous" in findings_by_code(report.plan, "cat")
    assert states_by_merchant(place.plan()) == {"ann": "in-sync", "bob": "blocked", "cat": "blocked"}


def test_what_nobody_declared_and_what_nobody_knows_stays_as_it_was(place: Place) -> None:
    place.profile(mapping={"sales": {"customer": {"name": "POS daily takings"}}}, schedule={"frequency": "Daily"})
    (seeded,) = place.emulator.seed(1, "configured", prefix="m-")
    place.merchant(seeded["name"])
    strange = {"colour": "blue", "nested": {"deep": [1, {"two": None}]}, "big": 12345678901234567890}
    place.edit_in_portal(seeded["name"], {"enabled": False, "somethingNew": strange})
    before = place.document(seeded["name"])
    place.apply()
    after = place.document(seeded["name"])
    assert after["enabled"] is True
    assert after["somethingNew"] == strange
    assert after | {"enabled": False} == before


def test_with_the_state_gone_everybody_is_adopted_and_nobody_created(place: Place) -> None:
    place.provision(*NAMES)
    place.database.unlink()
    plan = place.plan()
    assert changes_by_merchant(plan) == {}
    assert all(each.adopts for each in plan.plans)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}
    with place.count_requests() as bound:
        place.plan("ann")
    assert LIST_COMPANIES not in bound


def test_plan_and_drift_make_no_request_but_get(place: Place) -> None:
    place.profile()
    place.merchant("new")
    place.provision("ann", "bob")
    place.merchant("newer")
    place.edit_in_portal("ann", {"enabled": False})
    with place.count_requests() as counts:
        place.plan()
        for verb in ("plan", "drift", "status"):
            place.run_in_process(verb)
    assert count_writes_by_call(counts) == {}
    assert counts.total() > 0


def test_a_merchant_who_waits_for_consent_is_shown_with_the_link_and_nothing_is_written(place: Place) -> None:
    place.provision("ann", "bob")
    place.emulator.control("POST", _connection(place, "ann") + "/deauthorize")
    place.emulator.api.patch("/meta" + _connection(place, "bob"), json={"status": "Unlinked"})
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    for name, code in (("ann", "connection-deauthorized"), ("bob", "connection-unlinked")):
        finding = findings_by_code(report.plan, name)[code]
        assert finding.link == place.accounting_connection(name)["linkUrl"]
        assert finding.actor.value == "merchant"


def _connection(place: Place, name: str) -> str:
    return f"/companies/{place.company(name)['id']}/connections/{place.accounting_connection(name)['id']}"
