"""A saved plan, held against what is seen now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.model.plan import Plan
from controller.model.report import FleetPlan, Outcome, Skipped


def still_holding(plan: FleetPlan, saved: Mapping[str, Any] | None) -> tuple[FleetPlan, dict[str, Outcome]]:
    """The plans that were saved and still hold; the merchants that moved since are skipped by name."""
    if saved is None:
        return plan, {}
    written = {each["merchant"]: each for each in saved["merchants"]}
    told = tuple(each for each in plan.plans if each.merchant in written)
    holding = tuple(each for each in told if _as_saved(each, written[each.merchant]))
    gone = set(written) - {each.merchant for each in holding}
    why = "moved since the plan was saved; make a new plan"
    moved: dict[str, Outcome] = {name: Skipped(why) for name in sorted(gone)}
    return replace(plan, plans=holding), moved


def _as_saved(plan: Plan, written: Mapping[str, Any]) -> bool:
    """Whoever neither plan would touch may move as they like; whoever could not be read has not been seen to move."""
    untouched = not plan.changes and (plan.unread or not written["changes"])
    return untouched or plan.fingerprint == written["fingerprint"]
