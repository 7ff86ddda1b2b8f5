"""Is there anything to choose from, and is it of the right books?"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from controller.codat.from_wire import read_configuration
from controller.model.observed import REQUIRED_DATA_TYPES, Configuration, DataTypeStatus, Unread
from controller.model.plan import Actor, Plan, PlanStatus
from controller.planning.reference_data import needs_data_status
from tests import build
from tests.build import change_kinds, data_statuses, finding_codes

NOT_READY = Unread("409: no data yet", failed=False)
FIRST = build.recorded_state(last_configured_at=None)


def waiting(**pulls: Any) -> Plan:
    return build.make_usual_plan(seen=build.observed(NOT_READY, data_status=data_statuses(**pulls)), last=FIRST)


@pytest.mark.parametrize("missing", REQUIRED_DATA_TYPES)
def test_each_of_the_six_types_is_waited_for_by_name(missing: str) -> None:
    plan = waiting(**{missing: None})
    assert finding_codes(plan) == ["data-not-pulled"]
    assert missing in plan.findings[0].cause
    assert plan.status is PlanStatus.WAITING


def test_a_type_that_is_being_pulled_is_not_pulled() -> None:
    plan = waiting(suppliers=DataTypeStatus("suppliers", "Fetching", None))
    assert finding_codes(plan) == ["data-not-pulled"]


@pytest.mark.parametrize("status", ["FetchError", "PrerequisiteNotMet", "InternalError"])
def test_a_failed_pull_is_told_from_one_that_was_never_asked_for(status: str) -> None:
    plan = waiting(suppliers=DataTypeStatus("suppliers", status, None), customers=None)
    assert finding_codes(plan) == ["data-pull-failed", "data-not-pulled"]
    assert f"suppliers ({status})" in plan.findings[0].cause
    assert "suppliers" not in plan.findings[1].cause


def test_a_refused_pull_needs_the_merchant() -> None:
    plan = waiting(suppliers=DataTypeStatus("suppliers", "AuthError", None))
    assert (plan.findings[0].actor, plan.findings[0].link) == (Actor.MERCHANT, "https://link.example/acme-coffee")


def test_an_earlier_success_is_enough_for_a_first_configuration() -> None:
    live = build.usual_configuration({"configured": False})
    failed = DataTypeStatus("suppliers", "FetchError", build.USUAL_NOW - timedelta(days=1))
    plan = build.make_usual_plan(seen=build.observed(live, data_status=data_statuses(suppliers=failed)), last=FIRST)
    assert finding_codes(plan) == ["data-pull-failed", "not-configured"]
    assert change_kinds(plan) == ["set-configuration"]


def test_everything_pulled_and_nothing_offered_is_waited_for_too() -> None:
    assert finding_codes(waiting()) == ["data-not-pulled"]


BANK = {"id": "acc-current", "name": "Current account", "classification": "bank"}
CARD_OPTIONS = [*build.usual_document()["configuration"]["payments"]["accounts"]["card"]["accountOptions"], BANK]
SHOWN = build.usual_document(
    {"configured": False, "configuration": {"payments": {"accounts": {"card": {"accountOptions": CARD_OPTIONS}}}}}
)
"""A document that was never written to, and that has something of each of the six types."""


def shown(lacks: str = "") -> Configuration:
    """That document, without what one data type brings there."""
    sections = {name: each for name, each in SHOWN["configuration"].items() if "accounts" in each}
    without: dict[str, Any] = {
        "taxRates": {"configuration": {"sales": {"taxRates": dict.fromkeys(sections["sales"]["taxRates"])}}},
        "suppliers": {"configuration": {"fees": {"feesSupplier": {"supplierOptions": []}}}},
        "customers": {"configuration": {"sales": {"salesCustomer": {"customerOptions": None}}}},
        "bankAccounts": {"configuration": {"payments": {"accounts": {"card": {"accountOptions": CARD_OPTIONS[:-1]}}}}},
        "chartOfAccounts": {
            "configuration": {
                **{section: {"accounts": dict.fromkeys(sections[section]["accounts"])} for section in sections},
                "payments": {"accounts": {"cash": None, "payout": None, "card": {"accountOptions": [BANK]}}},
            }
        },
        "company": {"accountingSoftwareCompanyName": None},
        "": {},
    }
    return read_configuration(json.dumps(build.merge_patch(SHOWN, without[lacks])).encode(), build.USUAL_NOW)


def test_a_document_that_shows_something_of_every_type_needs_no_data_status() -> None:
    assert not needs_data_status(shown())
    plan = build.make_usual_plan(seen=build.observed(shown()), last=FIRST)
    assert finding_codes(plan) == ["not-configured"]


@pytest.mark.parametrize("lacks", REQUIRED_DATA_TYPES)
def test_a_document_that_shows_nothing_of_one_type_needs_the_data_status(lacks: str) -> None:
    assert needs_data_status(shown(lacks))
    plan = build.make_usual_plan(seen=build.observed(shown(lacks)), last=FIRST)
    assert (plan.status, plan.changes) == (PlanStatus.WAITING, ())


def test_a_data_status_that_was_read_decides_whatever_the_document_shows() -> None:
    statuses = data_statuses(bankAccounts=DataTypeStatus("bankAccounts", "FetchError", None))
    plan = build.make_usual_plan(seen=build.observed(shown(), data_status=statuses), last=FIRST)
    assert finding_codes(plan) == ["data-pull-failed"]
    assert plan.changes == ()


def test_a_configured_merchant_with_options_needs_no_data_status() -> None:
    assert build.make_usual_plan(seen=build.observed(data_status=None)).status is PlanStatus.IN_SYNC


def test_a_failed_pull_does_not_hold_up_a_configured_merchant() -> None:
    live = build.usual_configuration({"enabled": False})
    seen = build.observed(live, data_status=data_statuses(suppliers=DataTypeStatus("suppliers", "FetchError", None)))
    plan = build.make_usual_plan(seen=seen)
    assert finding_codes(plan) == ["data-pull-failed", "sync-disabled"]
    assert change_kinds(plan) == ["set-configuration"]


@pytest.mark.parametrize(("live", "pulls"), [(Unread("503"), None), (NOT_READY, Unread("503"))])
def test_what_could_not_be_read_is_unknown_and_nothing_is_written(live: Unread, pulls: Unread | None) -> None:
    plan = build.make_usual_plan(seen=build.observed(live, data_status=pulls))
    assert finding_codes(plan) == ["unknown"]
    assert plan.changes == ()
    assert plan.status is PlanStatus.UNKNOWN


@pytest.mark.parametrize(("seconds", "expected"), [(0, []), (1, ["data-stale"])])
def test_data_is_stale_after_thirty_days(seconds: int, expected: list[str]) -> None:
    last = (build.USUAL_NOW - timedelta(days=30, seconds=seconds)).isoformat()
    plan = build.make_usual_plan(seen=build.observed(company=build.company_with_connection(lastSync=last)))
    assert finding_codes(plan) == expected
    assert plan.status is PlanStatus.IN_SYNC


OTHERS = build.usual_configuration({"accountingSoftwareCompanyName": "Acme Bakery Ltd", "enabled": True})


def test_in_the_wrong_books_nothing_is_mapped() -> None:
    live = build.usual_configuration({"accountingSoftwareCompanyName": "Acme Bakery Ltd", "enabled": False})
    plan = build.make_usual_plan(build.desired_merchant(books="Acme Coffee Ltd"), build.observed(live))
    assert finding_codes(plan) == ["company-wrong-books"]
    assert plan.changes == ()


def test_in_the_wrong_books_the_switch_can_be_turned_off() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant({"enabled": False}, books="Acme Coffee Ltd"), build.observed(OTHERS)
    )
    assert [field.field for change in plan.changes for field in change.fields] == ["enabled"]


def test_the_books_guard_is_only_for_those_who_ask() -> None:
    assert build.make_usual_plan(seen=build.observed(OTHERS)).status is PlanStatus.IN_SYNC
    assert build.make_usual_plan(build.desired_merchant(books="Acme Coffee Ltd")).status is PlanStatus.IN_SYNC
