"""The ledger of findings: since when each is seen. Best effort: a state that cannot be written never ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.plan import Plan
from controller.model.report import FleetPlan
from controller.reconcile.survey import now
from state import FindingRow, Store
from state.errors import StateProblem


async def told(plan: FleetPlan, store: Store) -> FleetPlan:
    """The plan with each finding's first sight."""
    seen = [FindingRow(each.merchant, each.code, each.field or "") for one in plan.plans for each in one.findings]
    try:
        since = await store.note_findings(seen, judged=[each.merchant for each in plan.plans], at=now())
    except StateProblem:
        return plan
    return replace(plan, plans=tuple(_dated(each, since) for each in plan.plans))


def _dated(plan: Plan, since: Mapping[tuple[str, str, str], datetime]) -> Plan:
    if not plan.findings:
        return plan
    return replace(plan, findings=tuple(replace(each, since=since.get(each.key)) for each in plan.findings))
