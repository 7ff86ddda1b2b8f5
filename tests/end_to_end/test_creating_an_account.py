"""A card account that the books lack: created by name, once, selected when Codat has pulled it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.model.exit_codes import exit_code
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan
from tests.emulator import Emulator
from tests.end_to_end.interfere import interfere
from tests.end_to_end.place import (
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
from tests.end_to_end.test_moving_a_merchant import QUICKBOOKS_PROFILE

CARD = "mapping.payments.accounts.card"
PUSH_ACCOUNT = "POST /companies/{companyId}/connections/{connectionId}/push/accounts"
PULL = "POST /companies/{companyId}/data/queue/{dataType}"
NEW_CARD = {"code": "615", "create": {"name": "Card clearing", "type": "Asset.Current"}}
RELEASED = ("create-record=ann",)


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


@pytest.fixture
def place(place: Place) -> Place:
    """Ann has given consent; her card account is not in her books. Waiting takes no time."""
    place.skip_waits()
    declare(place, NEW_CARD)
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    return place


def declare(place: Place, card: dict[str, Any]) -> None:
    payments = UK_PROFILE["mapping"]["payments"]
    accounts = {**payments["accounts"], "card": card}
    place.profile(mapping={**UK_PROFILE["mapping"], "payments": {**payments, "accounts": accounts}})


def accounts(place: Place, code: str = "615") -> list[dict[str, Any]]:
    """What the pulled books have of that code."""
    rows = place.emulator.api.get(f"/companies/{place.company('ann')['id']}/data/accounts?pageSize=500").json()
    return [each for each in rows["results"] if each.get("nominalCode") == code]


def pulled(place: Place) -> None:
    place.emulator.advance("PT1M")


def test_a_card_account_that_the_books_lack(place: Place) -> None:
    held = place.apply()
    assert exit_code("apply", held) == 3
    assert states_by_merchant(held.plan) == {"ann": "blocked"}
    finding = findings_by_code(held.plan, "ann")["create-record-held"]
    assert finding.remedy.startswith("merchantctl apply --allow create-record=ann")
    assert accounts(place) == []

    # A person releases it by name: one push, and one pull that shows it.
    with place.count_requests() as counts:
        report = place.apply(allow=RELEASED)
    assert outcome_of(report, "ann", Applied).writes == 2
    assert count_writes_by_call(counts) == {PUSH_ACCOUNT: 1, PULL: 1}

    # Until Codat has pulled it nothing more is done; then the mapping is as any other.
    waiting = place.plan()
    assert states_by_merchant(waiting) == {"ann": "waiting"}
    pulled(place)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}
    (made,) = accounts(place)
    assert (made["name"], made["fullyQualifiedCategory"]) == ("Card clearing", "Asset.Current")
    selected = place.document("ann")["configuration"]["payments"]["accounts"]["card"]["selectedAccountId"]
    assert selected == made["id"]


def test_an_account_for_two_fields_is_created_once_and_two_accounts_are_two(place: Place) -> None:
    payments = UK_PROFILE["mapping"]["payments"]
    till = {"name": "Second till", "create": {"code": "616", "type": "Asset.Current"}}
    own = {"card": NEW_CARD, "cash": till, "prepaidPayment": till}
    place.profile(
        mapping={**UK_PROFILE["mapping"], "payments": {**payments, "accounts": {**payments["accounts"], **own}}}
    )
    plan = place.plan()
    assert [each.kind.value for each in plan.plans[0].held_changes] == ["create-account", "create-account"]
    with place.count_requests() as counts:
        place.apply(allow=RELEASED)
    assert counts[PUSH_ACCOUNT] == 2
    pulled(place)
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}
    assert [each["name"] for each in (*accounts(place), *accounts(place, "616"))] == ["Card clearing", "Second till"]


def test_an_account_of_a_merchant_who_synchronises_already(place: Place) -> None:
    declare(place, {"name": "POS card clearing"})
    place.apply()
    declare(place, NEW_CARD)
    assert findings_by_code(place.plan(), "ann").keys() == {"create-record-held", "account-unresolved"}
    place.apply(allow=RELEASED)
    pulled(place)
    assert changes_by_merchant(place.apply().plan) == {"ann": ["set-configuration"]}
    assert len(accounts(place)) == 1


def test_what_it_is_for_is_over_once_the_account_is_there_and_not_when_it_was_asked_for(place: Place) -> None:
    place.apply(allow=RELEASED)
    place.wait(5)
    place.apply()
    place.wait(60)
    place.apply()
    history = json.loads(place.run_in_process("history", "ann", "-o", "json").stdout)
    (found,) = [each for each in history["findings"] if each["code"] == "account-unresolved"]
    (asked,) = [each for each in history["events"] if "create-account" in json.dumps(each)]
    assert (found["gone"]["how"], found["gone"]["run"]) == ("mended", asked["run"])
    assert found["clearedAt"] > asked["at"]
    assert "card code 615 -> " in place.run_in_process("history", "ann").stdout


def test_an_answer_that_is_lost_makes_no_second_account(place: Place) -> None:
    place.set_create_settle(5.01, late=60)
    place.emulator.fault(PUSH_ACCOUNT, "lose-answer")
    assert outcome_of(place.apply(allow=RELEASED), "ann", Applied).writes == 1
    pulled(place)
    place.apply(allow=RELEASED)
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}
    assert len(accounts(place)) == 1


def test_a_pull_that_the_quota_had_no_room_for_is_asked_for_by_the_next_apply(place: Place) -> None:
    place.set_create_settle(5.01, late=60)
    place.emulator.fault(PULL, "status", code=429, retryAfter="7200")
    assert outcome_of(place.apply(allow=RELEASED), "ann", Applied).writes == 1
    place.emulator.control("DELETE", "/faults")
    place.emulator.advance("PT3H")
    with place.count_requests() as counts:
        place.apply(allow=RELEASED)
    assert (counts[PUSH_ACCOUNT], counts[PULL]) == (0, 1)
    pulled(place)
    place.apply(allow=RELEASED)
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}
    assert len(accounts(place)) == 1


def test_a_request_that_never_arrived_is_asked_for_again_by_name(place: Place) -> None:
    place.set_create_settle(5.01, late=60)
    place.emulator.fault(PUSH_ACCOUNT, "drop", times=9)
    outcome_of(place.apply(allow=RELEASED), "ann", Failed)
    place.emulator.control("DELETE", "/faults")
    assert states_by_merchant(place.apply(allow=RELEASED).plan) == {"ann": "change"}
    pulled(place)
    place.apply()
    assert len(accounts(place)) == 1


def test_an_account_that_somebody_adds_by_hand_is_not_created_beside_it(place: Place) -> None:
    """While the plan is looked at."""

    def agree(plan: FleetPlan) -> bool:
        row = {"nominalCode": "615", "name": "Cards", "fullyQualifiedCategory": "Asset.Current"}
        place.emulator.control("POST", f"/companies/{place.company('ann')['id']}/accounts", row)
        return True

    report = place.apply(allow=RELEASED, agree=agree)
    assert "the books have Cards (code 615)" in outcome_of(report, "ann", ChangedSincePlan).what
    assert PUSH_ACCOUNT not in place.emulator.counts()


def test_an_archived_account_is_restored_by_a_person_and_not_made_twice(place: Place) -> None:
    company = place.company("ann")["id"]
    row = {"nominalCode": "615", "name": "Cards", "fullyQualifiedCategory": "Asset.Current", "status": "Archived"}
    place.emulator.control("POST", f"/companies/{company}/accounts", row)
    plan = place.apply(allow=RELEASED).plan
    finding = findings_by_code(plan, "ann")["account-unresolved"]
    assert "the books have Cards (code 615), Archived, and it is not offered here" in finding.cause
    assert PUSH_ACCOUNT not in place.emulator.counts()


def test_on_old_data_nothing_is_created_and_the_remedy_refreshes_first(place: Place) -> None:
    place.emulator.advance("PT2H")
    finding = findings_by_code(place.apply(allow=RELEASED).plan, "ann")["account-unresolved"]
    assert finding.remedy.startswith(
        "merchantctl refresh --target ann --wait && merchantctl apply --allow create-record=ann"
    )
    assert PUSH_ACCOUNT not in place.emulator.counts()


def test_an_operation_that_hangs_is_waited_for_and_then_begun_anew_by_name(place: Place) -> None:
    """The merchant severs the books between our request and its end: Codat gives up after ten minutes."""
    interfere(place, after=once(PUSH_ACCOUNT, lambda: place.unlink_books_in_portal("ann")))
    place.apply(allow=RELEASED)
    assert states_by_merchant(place.apply(allow=RELEASED).plan) == {"ann": "waiting"}
    place.emulator.advance("PT11M")
    connection = f"/companies/{place.company('ann')['id']}/connections/{place.accounting_connection('ann')['id']}"
    place.emulator.control("POST", f"{connection}/authorize")
    pulled(place)
    assert states_by_merchant(place.apply().plan) == {"ann": "blocked"}
    place.apply(allow=RELEASED)
    pulled(place)
    place.apply()
    assert len(accounts(place)) == 1
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


def test_a_type_that_the_books_do_not_take_is_said_before_anything_is_sent(place: Place) -> None:
    mapping = QUICKBOOKS_PROFILE["mapping"]
    card = {"name": "Card clearing", "create": {"type": "Asset.Bank.CashInHand"}}
    place.profile(
        "us", **{**QUICKBOOKS_PROFILE, "mapping": {**mapping, "payments": {"accounts": {"card": card}, "sync": True}}}
    )
    place.merchant("bob", profile="us")
    place.apply("bob")
    place.consent_everyone()
    finding = findings_by_code(place.apply("bob").plan, "bob")["account-unresolved"]
    assert "the books take no account of the type 'Asset.Bank.CashInHand'" in finding.cause
    assert 'card: {name: "Card clearing", create: {type: "Asset.Bank.CashOnHand"}}' in finding.remedy


def test_a_merchant_who_is_to_be_off_waits_for_no_account(place: Place) -> None:
    declare(place, {"name": "POS card clearing"})
    place.apply()
    declare(place, NEW_CARD)
    place.merchant("ann", enabled=False)
    assert changes_by_merchant(place.apply().plan) == {"ann": ["set-configuration"]}
    assert not place.document("ann")["enabled"]


def test_the_plan_says_it_in_json(place: Place) -> None:
    (merchant,) = json.loads(place.run_in_process("plan", "-o", "json").stdout)["merchants"]
    (change,) = merchant["held"]
    assert (change["kind"], change["class"]) == ("create-account", "create-record")
    (field,) = change["fields"]
    assert (field["field"], field["live"]) == (CARD, None)
    assert field["wanted"] == {"id": None, "code": "615", "name": "Card clearing"}
    said = place.run_in_process("explain", "ann", CARD).stdout
    assert '{code: "615", create: {name: "Card clearing", type: "Asset.Current"}}' in said


def test_validate_online_and_impact_say_that_it_is_to_be_created(place: Place) -> None:
    validated = place.run_in_process("validate", "--online")
    assert "the books of ann have no account code '615' yet (it is created by merchantctl apply" in validated.stderr
    said = place.run_in_process("impact", "account", "615").stdout
    assert "its manifest has it created" in said
    assert "--allow create-record=NAME" in said


def test_quickbooks_takes_an_account_by_name_and_a_lost_state_makes_no_second_one(place: Place) -> None:
    mapping = QUICKBOOKS_PROFILE["mapping"]
    accounts = {
        **mapping["payments"]["accounts"],
        "card": {"name": "Card clearing", "create": {"type": "Asset.Bank.CashOnHand"}},
    }
    profile = {**QUICKBOOKS_PROFILE, "mapping": {**mapping, "payments": {"accounts": accounts, "sync": True}}}
    place.profile("us", **profile)
    place.merchant("ann", profile="uk", suspend={"reason": "nothing of hers is the subject"})
    place.merchant("bob", profile="us")
    place.apply()
    place.consent_everyone()
    place.apply(allow=("create-record=bob",))
    place.use_state_file(place.folder / "new.db")
    assert states_by_merchant(place.apply(allow=("create-record=bob",)).plan)["bob"] == "waiting"
    pulled(place)
    place.apply()
    assert states_by_merchant(place.plan())["bob"] == "in-sync"
    assert place.emulator.counts()[PUSH_ACCOUNT] == 1


def test_a_controller_creates_none_by_itself(place: Place) -> None:
    report = place.apply_or_plan(unattended=True)
    plan = report if isinstance(report, FleetPlan) else report.plan
    assert states_by_merchant(plan) == {"ann": "blocked"}
    assert PUSH_ACCOUNT not in place.emulator.counts()
