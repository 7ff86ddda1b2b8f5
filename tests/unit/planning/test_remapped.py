"""The same reference means another entry of the books than when it was applied last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.model.desired import DriftPolicy, MerchantPolicy
from controller.model.field_values import Option, Ref
from controller.model.observed import Observed, RecordedState
from controller.model.plan import Actor, Direction, Finding, Plan, PlanStatus
from controller.planning.plan import make_plan
from tests import build
from tests.narrowing import expect, present

SALES = "mapping.sales.accounts.sales"
RENUMBERED = [
    {"id": "acc-sales", "name": "Sales", "nominalCode": "4000"},
    {"id": "acc-returns", "name": "Sales returns", "nominalCode": "200"},
]


def seen(selected: str = "acc-sales", **more: Any) -> Observed:
    sales = {"accountOptions": RENUMBERED, "selectedAccountId": selected}
    accounts = {"sales": sales, "refund": {"accountOptions": RENUMBERED}}
    return build.observed(build.usual_configuration({"configuration": {"sales": {"accounts": accounts}}, **more}))


def last(option: Option) -> RecordedState:
    return build.recorded_state({SALES: option})


def found(plan: Plan) -> Finding | None:
    return next((each for each in plan.findings if each.code == "account-remapped"), None)


@pytest.mark.parametrize(
    ("remembered", "held"),
    [
        (Option("acc-sales", "Sales", "200"), True),
        (Option("acc-sales", "Sales", "200", matched_by="code"), True),
        (Option("acc-sales"), True),
        (Option("acc-sales", "Sales", "200", matched_by="name"), False),
        (Option("acc-sales", "Sales", "200", matched_by="id"), False),
        (Option("acc-sales", "Sales", "199", matched_by="code"), False),
        (Option("acc-gone", "Sales", "200", matched_by="code"), False),
    ],
)
def test_only_the_reference_that_led_there_is_held_and_one_that_is_not_known_counts_as_the_same(
    remembered: Option, held: bool
) -> None:
    plan = build.make_usual_plan(seen=seen(), last=last(remembered))
    assert bool(found(plan)) is held
    assert bool(plan.changes) is not held


def test_what_was_set_last_stays_remembered_with_the_reference_that_led_there() -> None:
    from controller.planning.resolve import resolve_fields

    resolved = resolve_fields({SALES: Ref("code", "200")}, build.usual_configuration(), build.USUAL_NOW)
    answer = expect(Option, resolved.values[SALES])
    assert (answer.id, answer.matched_by) == ("acc-sales", "code")
    assert answer == Option("acc-sales", "Sales", "200"), "how it was found makes no other selection of it"


def test_a_first_configuration_follows_no_renumbered_reference_either() -> None:
    """The deleted connection took the mapping along; what the sales went to is offered still."""
    looked_at = replace(seen(configured=False, enabled=False), data_status=build.data_statuses())
    plan = build.make_usual_plan(seen=looked_at, last=last(Option("acc-sales", "Sales", "200")))
    assert (plan.status, plan.changes, present(found(plan)).actor) == (PlanStatus.BLOCKED, (), Actor.OPERATOR)


@pytest.mark.parametrize("drift", list(DriftPolicy))
def test_a_person_s_word_follows_it_where_policy_lets_drift_be_corrected(drift: DriftPolicy) -> None:
    wish, memory = build.desired_merchant(policy=MerchantPolicy(drift=drift)), last(Option("acc-sales", "Sales", "200"))
    plan = make_plan(wish, seen(), memory, build.USUAL_NOW, remap=True)
    assert build.change_classes(plan) == (["remap"] if drift is DriftPolicy.CORRECT else [])
    assert present(found(plan)).direction is Direction.DRIFT


def test_whoever_selected_the_new_one_already_has_settled_it() -> None:
    live = seen(selected="acc-returns")
    assert found(build.make_usual_plan(seen=live, last=last(Option("acc-sales", "Sales", "200")))) is None
