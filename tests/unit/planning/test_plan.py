"""The plan as a value: its conditions in their order, and the fingerprint that a saved plan rests on."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.field_values import Option, Ref
from controller.model.observed import Absent, Observed
from controller.model.plan import ConditionStatus, Plan, PlanStatus
from controller.planning.plan import CONDITION_ORDER, live_values_of_declared_fields
from tests import build

REFUND = "mapping.sales.accounts.refund"


def conditions(plan: Plan) -> dict[str, ConditionStatus]:
    return {each.type: each.status for each in plan.conditions}


def test_a_merchant_in_sync_meets_every_condition_in_their_order() -> None:
    plan = build.make_usual_plan()
    assert [each.type for each in plan.conditions] == [*CONDITION_ORDER, "Ready", "Syncing"]
    assert {kind for kind, status in conditions(plan).items() if status is not ConditionStatus.TRUE} == {"Syncing"}


def test_what_comes_after_the_first_unmet_condition_is_not_known() -> None:
    plan = build.make_usual_plan(seen=Observed(build.company_with_connection("PendingAuth")))
    statuses = conditions(plan)
    assert statuses["CommerceConnected"] is ConditionStatus.TRUE
    assert statuses["AccountingConnected"] is ConditionStatus.FALSE
    assert {statuses[name] for name in CONDITION_ORDER[3:]} == {ConditionStatus.UNKNOWN}
    assert statuses["Ready"] is ConditionStatus.FALSE
    assert [each.reason for each in plan.conditions[-2:]] == ["AccountingConnected"] * 2


@pytest.mark.parametrize(
    ("patch", "condition"),
    [
        ({"enabled": False}, "Switched"),
        ({"schedule": {"syncHourUtc": 7}}, "Scheduled"),
        ({"configuration": {"sales": {"accounts": {"refund": {"selectedAccountId": "acc-sales"}}}}}, "Mapped"),
    ],
)
def test_each_part_of_the_document_has_its_own_condition(patch: dict[str, Any], condition: str) -> None:
    statuses = conditions(build.make_usual_plan(seen=build.observed(build.usual_configuration(patch))))
    unmet = [name for name in CONDITION_ORDER if statuses[name] is not ConditionStatus.TRUE]
    assert unmet == [condition]


def test_ready_means_that_the_service_synchronises_whatever_has_drifted() -> None:
    drifted = build.observed(build.usual_configuration({"schedule": {"syncHourUtc": 7}}))
    assert conditions(build.make_usual_plan(seen=drifted))["Ready"] is ConditionStatus.TRUE
    off = build.observed(build.usual_configuration({"enabled": False}))
    assert conditions(build.make_usual_plan(seen=off))["Ready"] is ConditionStatus.FALSE
    assert (
        conditions(build.make_usual_plan(build.desired_merchant({"enabled": False}), off))["Ready"]
        is ConditionStatus.FALSE
    )


def renamed_option(name: str) -> Observed:
    options = [{"name": name, "id": "acc-card", "nominalCode": "610"}, {"name": "Bank", "id": "acc-bank"}]
    return build.observed(
        build.usual_configuration({"configuration": {"payments": {"accounts": {"card": {"accountOptions": options}}}}})
    )


def test_the_fingerprint_rests_on_ids_and_not_on_the_options() -> None:
    assert build.make_usual_plan(seen=renamed_option("Card")).fingerprint == build.make_usual_plan().fingerprint


def test_the_fingerprint_minds_no_undeclared_field() -> None:
    gratuity = {"sales": {"accounts": {"gratuity": {"selectedAccountId": "acc-tips-owed"}}}}
    seen = build.observed(build.usual_configuration({"unheardOf": 1, "configuration": gratuity}))
    assert build.make_usual_plan(seen=seen).fingerprint == build.make_usual_plan().fingerprint


@pytest.mark.parametrize(
    "seen",
    [
        build.observed(company=build.usual_company({"name": "Other"})),
        build.observed(company=build.company_with_connection(id="accounting-2")),
        build.observed(company=build.company_with_connection("Unlinked")),
        build.observed(build.usual_configuration({"enabled": False})),
        Observed(Absent()),
    ],
)
def test_the_fingerprint_moves_with_whatever_the_plan_rests_on(seen: Observed) -> None:
    assert build.make_usual_plan(seen=seen).fingerprint != build.make_usual_plan().fingerprint


def test_the_fingerprint_moves_when_a_reference_means_another() -> None:
    assert (
        build.make_usual_plan(build.desired_merchant({REFUND: Ref("name", "Sales")})).fingerprint
        != build.make_usual_plan().fingerprint
    )


def test_seen_is_kept_only_where_the_configuration_is_to_change() -> None:
    assert build.make_usual_plan().observed_values == {}
    plan = build.make_usual_plan(seen=build.observed(build.usual_configuration({"enabled": False})))
    assert plan.observed_values["enabled"] is False
    assert set(plan.observed_values) == set(build.desired_merchant().fields)


def test_declared_values_are_told_by_the_manifest_s_own_paths() -> None:
    values = live_values_of_declared_fields(
        build.desired_merchant({"mapping.fees.accounts.CARD": None}), build.usual_configuration()
    )
    assert values["mapping.fees.accounts.CARD"] == Option("acc-card", "POS card clearing", "610")
    assert values["schedule.time"] == 0


def test_declared_holds_every_resolved_wish_and_nothing_while_one_has_no_answer() -> None:
    assert set(build.make_usual_plan().resolved_values) == set(build.desired_merchant().fields)
    assert build.make_usual_plan(build.desired_merchant({REFUND: Ref("name", "Nothing")})).resolved_values == {}


def test_the_same_situation_gives_the_same_plan() -> None:
    assert build.make_usual_plan() == build.make_usual_plan()
    assert build.make_usual_plan().status is PlanStatus.IN_SYNC
