"""A merchant moves from Xero to QuickBooks: the old connection goes on until the new one is linked, then it is deleted.

`policy.replaceConnection: {to: quickbooks-online}` beside the new platform; released by name, like all that is lost.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.model.exit_codes import exit_code
from controller.model.report import ChangedSincePlan, FleetPlan, FleetReport
from tests.end_to_end.interfere import interfere
from tests.end_to_end.place import (
    CREATE_CONNECTION,
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)
from tests.end_to_end.test_creates import once

DELETE_CONNECTION = "DELETE /companies/{companyId}/connections/{connectionId}"
QUICKBOOKS_PROFILE: dict[str, Any] = {
    **UK_PROFILE,
    "connection": {"platform": "quickbooks-online"},
    "schedule": {**UK_PROFILE["schedule"], "startDate": "2027-03-01"},
    "mapping": {
        "sales": {
            **UK_PROFILE["mapping"]["sales"],
            "accounts": {"sales": {"name": "Sales of Product Income"}, "refund": {"name": "Refunds and allowances"}},
            "taxRates": {"0": {"name": "0% Z"}, "8.875": {"name": "8.875% NY"}},
        },
        "payments": {
            "sync": True,
            "accounts": {"card": {"name": "POS card clearing"}, "payout": {"name": "Checking"}},
        },
        "fees": {**UK_PROFILE["mapping"]["fees"], "accounts": {"paymentFee": {"name": "Merchant fees"}}},
    },
}
MOVE = {"replaceConnection": {"to": "quickbooks-online"}}
RELEASED = ("re-create=ann",)


@pytest.fixture
def place(place: Place) -> Place:
    """Ann is on Xero and synchronises; her manifest has just been moved to the QuickBooks profile."""
    place.provision("ann")
    place.profile("us", **QUICKBOOKS_PROFILE)
    place.merchant("ann", profile="us", policy=MOVE)
    return place


def accounting(place: Place) -> dict[str, str]:
    """The status by platform, of which there is never more than one connection."""
    found = [each for each in place.company("ann")["dataConnections"] if each["sourceType"] == "Accounting"]
    by_platform = {each["integrationKey"]: str(each["status"]) for each in found}
    assert len(by_platform) == len(found)
    return by_platform


def connection_id(place: Place, platform: str) -> str:
    (found,) = [each["id"] for each in place.company("ann")["dataConnections"] if each["integrationKey"] == platform]
    return str(found)


def linked_beside_xero(place: Place) -> None:
    place.apply()
    place.consent_everyone()


def test_a_merchant_moves_from_xero_to_quickbooks(place: Place) -> None:
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {CREATE_CONNECTION: 1}
    assert accounting(place) == {"gbol": "Linked", "qhyg": "PendingAuth"}

    # The merchant takes a week to answer. Xero goes on, and nobody touches its mapping.
    before = place.document("ann")
    waiting = findings_by_code(place.apply().plan, "ann")["connection-pending"]
    assert waiting.link == place.run_in_process("link", "ann").stdout.strip()
    assert "until then the connection to xero goes on" in waiting.cause
    assert place.document("ann") == before
    assert before["enabled"]

    # Both are linked now. What cannot be undone waits for a person, who is told the whole way.
    place.consent_everyone()
    held = place.apply()
    assert exit_code("apply", held) == 3
    assert states_by_merchant(held.plan) == {"ann": "blocked"}
    assert "apply --allow re-create=ann" in findings_by_code(held.plan, "ann")["re-create-held"].remedy
    assert accounting(place) == {"gbol": "Linked", "qhyg": "Linked"}
    with place.count_requests() as counts:
        place.apply(allow=RELEASED)
    assert count_writes_by_call(counts) == {DELETE_CONNECTION: 1}
    assert accounting(place) == {"qhyg": "Linked"}

    # The mapping went with the old connection: a first configuration, from a start that books nothing twice.
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    done = place.plan()
    assert states_by_merchant(done) == {"ann": "in-sync"}
    assert "delete policy.replaceConnection" in findings_by_code(done, "ann")["replaced-already"].remedy
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}


def test_a_till_that_goes_on_pushing_the_same_export_has_it_in_the_new_books_too(place: Place) -> None:
    """Codat drops what was pushed with the connection that the move deletes."""
    sale = {"id": "o1", "createdDate": "2027-03-02T10:00:00Z", "totalAmount": 12.5}
    (place.folder / "orders.json").write_text(json.dumps({"orders": [sale]}))

    def push() -> tuple[int, int]:
        done = place.run_in_process("push", "ann", "orders.json", "-o", "json")
        assert done.returncode == 0, done.stderr
        counts = json.loads(done.stdout)["records"]["commerce-orders"]
        return counts["new"], counts["unchanged"]

    assert push() == (1, 0)
    linked_beside_xero(place)
    assert push() == (0, 1), "the old connection is there still"
    place.apply(allow=RELEASED)
    place.apply()
    assert (push(), push()) == ((1, 0), (0, 1))


def test_what_was_booked_before_is_not_booked_again(place: Place) -> None:
    place.merchant("ann", profile="us", policy=MOVE, schedule={"startDate": "2026-01-01"})
    assert (
        "what was before is booked already" in findings_by_code(place.plan(), "ann")["connection-wrong-platform"].remedy
    )
    linked_beside_xero(place)
    place.apply(allow=RELEASED)
    plan = place.apply().plan
    assert states_by_merchant(plan) == {"ann": "blocked"}
    assert "would replay books" in findings_by_code(plan, "ann")["not-configured"].cause


def test_without_a_word_of_it_nothing_is_created_and_the_remedy_names_the_word(place: Place) -> None:
    place.merchant("ann", profile="us")
    finding = findings_by_code(place.apply().plan, "ann")["connection-wrong-platform"]
    assert "write policy.replaceConnection: {to: quickbooks-online}; then merchantctl apply" in finding.remedy
    assert accounting(place) == {"gbol": "Linked"}


def test_a_profile_may_move_all_who_build_on_it(place: Place) -> None:
    place.profile("us", **QUICKBOOKS_PROFILE, policy=MOVE)
    place.merchant("ann", profile="us")
    linked_beside_xero(place)
    place.apply(allow=RELEASED)
    place.apply()
    assert findings_by_code(place.plan(), "ann")["replaced-already"].remedy.endswith("from profile us")


def test_the_books_that_were_revoked_before_the_move_go_too(place: Place) -> None:
    place.unlink_books_in_portal("ann")
    linked_beside_xero(place)
    place.emulator.control(
        "POST", f"/companies/{place.company('ann')['id']}/connections/{connection_id(place, 'gbol')}/fail"
    )
    assert changes_by_merchant(place.apply(allow=RELEASED).plan) == {"ann": ["delete-connection"]}
    assert accounting(place) == {"qhyg": "Linked"}


def test_the_old_one_stays_where_the_new_one_is_not_linked_any_more(place: Place) -> None:
    """Between the plan and its delete."""
    linked_beside_xero(place)

    def agree(plan: FleetPlan) -> bool:
        path = f"/companies/{place.company('ann')['id']}/connections/{connection_id(place, 'qhyg')}/deauthorize"
        place.emulator.control("POST", path)
        return True

    report = place.apply(allow=RELEASED, agree=agree)
    assert "is Deauthorized by now" in outcome_of(report, "ann", ChangedSincePlan).what
    assert accounting(place) == {"gbol": "Linked", "qhyg": "Deauthorized"}


def test_a_move_that_is_called_off_leaves_xero_as_it_was(place: Place) -> None:
    before = place.document("ann")
    place.apply()
    place.merchant("ann")
    plan = place.apply().plan
    assert states_by_merchant(plan) == {"ann": "in-sync"}
    assert list(findings_by_code(plan, "ann")) == ["connection-duplicate"]
    assert place.document("ann") == before


def test_another_connection_that_somebody_begins_later_is_nobody_s_to_delete(place: Place) -> None:
    linked_beside_xero(place)
    place.apply(allow=RELEASED)
    place.apply()
    place.emulator.api.post(f"/meta/companies/{place.company('ann')['id']}/connections", json="gbol")
    plan = place.apply(allow=RELEASED).plan
    assert states_by_merchant(plan) == {"ann": "in-sync"}
    assert accounting(place) == {"qhyg": "Linked", "gbol": "PendingAuth"}


def test_a_plan_says_it_all_in_json_and_can_be_saved(place: Place) -> None:
    linked_beside_xero(place)
    saved = place.folder / "plan.json"
    assert place.run_in_process("plan", "--out", str(saved)).returncode == 0
    (merchant,) = json.loads(saved.read_text())["merchants"]
    (change,) = merchant["held"]
    assert (change["kind"], change["class"]) == ("delete-connection", "re-create")
    assert [(each["field"], each["live"], each["wanted"]) for each in change["fields"]] == [
        ("connection.id", connection_id(place, "gbol"), None),
        ("connection.platform", "gbol", "qhyg"),
    ]
    done = place.run_in_process("apply", "--yes", "--allow", "re-create=ann", str(saved))
    assert done.returncode == 0, done.stdout + done.stderr
    assert accounting(place) == {"qhyg": "Linked"}


def test_explain_says_where_it_is_declared(place: Place) -> None:
    said = place.run_in_process("explain", "ann", "policy.replaceConnection").stdout
    assert said.startswith("policy.replaceConnection.to: quickbooks-online\n")
    assert "merchant-ann.yaml:" in said


def test_somebody_else_s_delete_at_the_same_moment_is_as_good(place: Place) -> None:
    linked_beside_xero(place)
    path = f"/companies/{place.company('ann')['id']}/connections/{connection_id(place, 'gbol')}"
    interfere(place, after=once("GET /companies/{companyId}", lambda: place.emulator.api.delete(path)))
    place.apply(allow=RELEASED)
    assert accounting(place) == {"qhyg": "Linked"}
    assert states_by_merchant(place.apply().plan)["ann"] == "change"


def test_a_controller_moves_her_too_and_leaves_the_deletion_to_a_person(place: Place) -> None:
    place.apply_or_plan(unattended=True)
    assert accounting(place) == {"gbol": "Linked", "qhyg": "PendingAuth"}
    place.consent_everyone()
    held = place.apply_or_plan(unattended=True)
    plan = held.plan if isinstance(held, FleetReport) else held
    assert "re-create-held" in findings_by_code(plan, "ann")
    assert accounting(place) == {"gbol": "Linked", "qhyg": "Linked"}


def test_a_state_that_is_lost_on_the_way_costs_no_second_connection(place: Place) -> None:
    place.apply()
    place.use_state_file(place.folder / "new.db")
    place.apply()
    assert accounting(place) == {"gbol": "Linked", "qhyg": "PendingAuth"}
    place.consent_everyone()
    place.use_state_file(place.folder / "newer.db")
    place.apply(allow=RELEASED)
    assert accounting(place) == {"qhyg": "Linked"}


def test_under_report_and_while_suspended_the_manifest_is_followed_as_ever(place: Place) -> None:
    suspended = {"reason": "an audit"}
    place.merchant("ann", profile="us", policy=MOVE, suspend=suspended)
    place.apply()
    assert accounting(place) == {"gbol": "Linked"}
    place.merchant("ann", profile="us", policy={**MOVE, "drift": "Report"})
    place.apply()
    assert accounting(place) == {"gbol": "Linked", "qhyg": "PendingAuth"}
