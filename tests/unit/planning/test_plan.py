"""The plan as a value: its conditions in their order, and the fingerprint that a saved plan rests on."""

from __future__ import annotations

import pytest

from controller.model.observed import Absent, Observed
from controller.model.plan import State, Truth
from controller.model.values import Option, Ref
from controller.planning.plan import CONDITIONS, declared_values
from tests import build

REFUND = "mapping.sales.accounts.refund"


def conditions(plan):
    return {each.type: each.status for each in plan.conditions}


def test_a_merchant_in_sync_meets_every_condition_in_their_order():
    plan = build.plan()
    assert [each.type for each in plan.conditions] == [*CONDITIONS, "Ready"]
    assert set(conditions(plan).values()) == {Truth.TRUE}


def test_what_comes_after_the_first_unmet_condition_is_not_known():
    plan = build.plan(seen=Observed(build.connected("PendingAuth")))
    statuses = conditions(plan)
    assert statuses["CommerceConnected"] is Truth.TRUE
    assert statuses["AccountingConnected"] is Truth.FALSE
    assert {statuses[name] for name in CONDITIONS[3:]} == {Truth.UNKNOWN}
    assert statuses["Ready"] is Truth.FALSE
    assert plan.conditions[-1].reason == "AccountingConnected"


@pytest.mark.parametrize(
    ("patch", "condition"),
    [
        ({"enabled": False}, "Switched"),
        ({"schedule": {"syncHourUtc": 7}}, "Scheduled"),
        ({"configuration": {"sales": {"accounts": {"refund": {"selectedAccountId": "acc-sales"}}}}}, "Mapped"),
    ],
)
def test_each_part_of_the_document_has_its_own_condition(patch, condition):
    statuses = conditions(build.plan(seen=build.observed(build.configuration(patch))))
    unmet = [name for name in CONDITIONS if statuses[name] is not Truth.TRUE]
    assert unmet == [condition]


def test_ready_means_that_the_service_synchronises_whatever_has_drifted():
    drifted = build.observed(build.configuration({"schedule": {"syncHourUtc": 7}}))
    assert conditions(build.plan(seen=drifted))["Ready"] is Truth.TRUE
    off = build.observed(build.configuration({"enabled": False}))
    assert conditions(build.plan(seen=off))["Ready"] is Truth.FALSE
    assert conditions(build.plan(build.wanted({"enabled": False}), off))["Ready"] is Truth.FALSE


def renamed_option(name):
    options = [{"name": name, "id": "acc-card", "nominalCode": "610"}, {"name": "Bank", "id": "acc-bank"}]
    return build.observed(
        build.configuration({"configuration": {"payments": {"accounts": {"card": {"accountOptions": options}}}}})
    )


def test_the_fingerprint_rests_on_ids_and_not_on_the_options():
    assert build.plan(seen=renamed_option("Card")).fingerprint == build.plan().fingerprint


def test_the_fingerprint_minds_no_undeclared_field():
    gratuity = {"sales": {"accounts": {"gratuity": {"selectedAccountId": "acc-tips-owed"}}}}
    seen = build.observed(build.configuration({"unheardOf": 1, "configuration": gratuity}))
    assert build.plan(seen=seen).fingerprint == build.plan().fingerprint


@pytest.mark.parametrize(
    "seen",
    [
        build.observed(company=build.company({"name": "Other"})),
        build.observed(company=build.connected(id="accounting-2")),
        build.observed(company=build.connected("Unlinked")),
        build.observed(build.configuration({"enabled": False})),
        Observed(Absent()),
    ],
)
def test_the_fingerprint_moves_with_whatever_the_plan_rests_on(seen):
    assert build.plan(seen=seen).fingerprint != build.plan().fingerprint


def test_the_fingerprint_moves_when_a_reference_means_another():
    assert build.plan(build.wanted({REFUND: Ref("name", "Sales")})).fingerprint != build.plan().fingerprint


def test_seen_is_kept_only_where_the_configuration_is_to_change():
    assert build.plan().seen == {}
    plan = build.plan(seen=build.observed(build.configuration({"enabled": False})))
    assert plan.seen["enabled"] is False
    assert set(plan.seen) == set(build.wanted().fields)


def test_declared_values_are_told_by_the_manifest_s_own_paths():
    values = declared_values(build.wanted({"mapping.fees.accounts.CARD": None}), build.configuration())
    assert values["mapping.fees.accounts.CARD"] == Option("acc-card", "POS card clearing", "610")
    assert values["schedule.time"] == 0


def test_declared_holds_every_resolved_wish_and_nothing_while_one_has_no_answer():
    assert set(build.plan().declared) == set(build.wanted().fields)
    assert build.plan(build.wanted({REFUND: Ref("name", "Nothing")})).declared == {}


def test_the_same_situation_gives_the_same_plan():
    assert build.plan() == build.plan()
    assert build.plan().state is State.IN_SYNC
