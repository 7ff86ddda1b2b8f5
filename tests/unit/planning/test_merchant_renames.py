"""Which of the declared renames act, where names are freed, occupied or in a rollout."""

from __future__ import annotations

from controller.planning.merchant_renames import RecordedNames, plan_renames

NAMES = [f"shop-{number}" for number in range(5_000)]
RENUMBERED = dict(zip(NAMES[1:], NAMES[:-1], strict=True))
"""Each has the name of the one before it: five thousand in one chain."""


def test_a_renumbered_fleet_moves_as_one_where_its_last_name_is_free() -> None:
    assert plan_renames(RENUMBERED, RecordedNames(NAMES[:-1], frozenset(NAMES[:-1]))).acting == RENUMBERED


def test_a_chain_whose_end_is_taken_moves_nobody_and_is_decided_in_no_time() -> None:
    names = frozenset(NAMES)
    plan = plan_renames(RENUMBERED, RecordedNames(names, names))
    assert (plan.acting, len(plan.already)) == ({}, len(RENUMBERED))


def test_one_name_in_a_rollout_holds_its_whole_chain_and_no_other() -> None:
    names = frozenset({*NAMES[:-1], "acme"})
    plan = plan_renames({**RENUMBERED, "acme-coffee": "acme"}, RecordedNames(names, names, busy={NAMES[7]: "spring"}))
    assert plan.waiting == dict.fromkeys(RENUMBERED, "spring")
    assert plan.acting == {"acme-coffee": "acme"}
