"""The ledger of findings: since when each is seen. Best effort: a state that cannot be written never ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.plan import Condition, Finding, Plan
from controller.model.report import FleetPlan
from controller.reconcile.survey import now
from state import FindingRow, Store
from state.errors import StateProblem


async def told(plan: FleetPlan, store: Store) -> FleetPlan:
    """The plan with each finding's first sight, and since when a condition is not met."""
    seen = [FindingRow(each.merchant, each.code, each.field or "") for one in plan.plans for each in one.findings]
    try:
        since = await store.note_findings(seen, judged=[each.merchant for each in plan.plans], at=now())
    except StateProblem:
        return plan
    return replace(plan, plans=tuple(_dated(each, since) for each in plan.plans))


def _dated(plan: Plan, since: Mapping[tuple[str, str, str], datetime]) -> Plan:
    if not plan.findings:
        return plan
    findings = tuple(replace(each, since=since.get(each.key)) for each in plan.findings)
    return replace(plan, findings=findings, conditions=_conditions_since(plan.conditions, findings))


def _conditions_since(conditions: tuple[Condition, ...], findings: tuple[Finding, ...]) -> tuple[Condition, ...]:
    """Not met since the finding that is its reason was first seen, and Ready as long as what it waits for."""
    dated = [(each.code, each.since) for each in findings if each.since]
    first = dict(sorted(dated, key=lambda one: one[1], reverse=True))
    told = tuple(replace(each, since=first.get(each.reason)) for each in conditions)
    by_type = {each.type: each.since for each in told}
    return tuple(replace(each, since=each.since or by_type.get(each.reason)) for each in told)
