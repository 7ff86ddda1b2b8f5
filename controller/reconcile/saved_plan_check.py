"""A saved plan, held against what is seen now: done is what the file says and what a plan of this moment says, too.

The digest of a file only shows a slip; whoever wants to can compute another. So nothing of the file is carried out:
it chooses among the changes that were planned anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.plan import Plan
from controller.model.report import FleetPlan, Outcome, Skipped
from controller.reporting.as_json import canonical_changes, changes_json


def drop_stale_plans(plan: FleetPlan, saved: Mapping[str, Any] | None) -> tuple[FleetPlan, dict[str, Outcome]]:
    """The plans that were saved and still hold; the merchants that moved since are skipped by name."""
    if saved is None:
        return plan, {}
    written = {each["merchant"]: each for each in saved["merchants"]}
    told = tuple(each for each in plan.plans if each.merchant in written)
    holding = tuple(each for each in told if _is_as_saved(each, written[each.merchant]))
    gone = set(written) - {each.merchant for each in holding}
    why = "moved since the plan was saved; make a new plan"
    moved: dict[str, Outcome] = {name: Skipped(why) for name in sorted(gone)}
    account = plan.account
    if account and not (saved.get("account") and _is_as_saved(account, saved["account"])):
        moved |= {ACCOUNT_NAME: Skipped(why)} if account.changes or saved.get("account") else {}
        account = None
    return replace(plan, plans=holding, account=account), moved


def _is_as_saved(plan: Plan, written: Mapping[str, Any]) -> bool:
    """Whoever neither plan would touch may move as they like; whoever could not be read has not been seen to move.

    What the file shows as held may be written once this run releases it (`--allow re-create=NAME`).
    """
    if not plan.changes and (plan.has_unread or not written["changes"]):
        return True
    shown = [canonical_changes(each) for each in (written["changes"], written.get("held")) if each is not None]
    return canonical_changes(changes_json(plan)) in shown and plan.fingerprint == written["fingerprint"]
