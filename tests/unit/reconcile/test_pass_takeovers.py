"""Whom a shorter pass took over, the long one leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from controller.model.plan import Plan, PlanStatus
from controller.model.report import Outcome, Skipped, Unchanged
from controller.reconcile.pass_takeovers import Takeovers
from controller.reconcile.snapshot import RunSnapshot


async def test_who_was_taken_over_before_its_turn_is_not_carried_out_by_the_long_pass() -> None:
    carried_out, takeovers, snapshot = list[str](), Takeovers(), cast(RunSnapshot, None)

    async def carry_out(plan: Plan, snapshot: RunSnapshot) -> Outcome:
        carried_out.append(plan.merchant)
        return Unchanged()

    async def record(outcomes: Mapping[str, Outcome]) -> None:
        assert not outcomes, "nothing was mended before"

    guarded = takeovers.guard(carry_out, record)
    takeovers.allow()
    await takeovers.take(["ann"])
    ann, bob = [await guarded(Plan(name, PlanStatus.CHANGE), snapshot) for name in ("ann", "bob")]
    assert carried_out == ["bob"]
    assert isinstance(ann, Skipped)
    assert isinstance(bob, Unchanged)
    assert takeovers.looked_at_by_others == {"ann"}
