"""Small fleets to report on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from controller.model.field_values import Option
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Condition,
    ConditionStatus,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import FleetPlan, FleetReport, Outcome, RequestEstimate

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def finding(code: str = "mapping-changed", merchant: str = "acme", actor: Actor = Actor.APPLY, **more: Any) -> Finding:
    return Finding(code, merchant, "someone changed it", "merchantctl apply", actor, **more)


def remap(live: str = "610", wanted: str = "820") -> Change:
    change = FieldChange(
        "mapping.sales.accounts.gratuity",
        Option("a", "Tips", live),
        Option("b", "Tips payable", wanted),
        Direction.DRIFT,
    )
    return Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.REMAP,), (change,))


def merchant(name: str = "acme", status: PlanStatus = PlanStatus.IN_SYNC, **more: Any) -> Plan:
    return Plan(name, status, **more)


def changing(name: str = "acme") -> Plan:
    return merchant(name, PlanStatus.CHANGE, changes=(remap(),), fingerprint="f" * 64)


def waiting(name: str = "acme") -> Plan:
    found = finding("connection-pending", name, Actor.MERCHANT, link="https://link.example/x")
    unmet = Condition("AccountingConnected", ConditionStatus.FALSE, "connection-pending", NOW)
    return merchant(
        name, PlanStatus.WAITING, findings=(found,), conditions=(Condition("CompanyReady", ConditionStatus.TRUE), unmet)
    )


def fleet(*plans: Plan, **more: Any) -> FleetPlan:
    facts: dict[str, Any] = {
        "fleet_digest": "0" * 64,
        "is_complete": True,
        "unmanaged_names": (),
        "refusal": None,
        "request_estimate": RequestEstimate(3, 1, 0.1),
        "made_at": NOW,
    }
    return FleetPlan(plans=plans, **facts | more)


def report(plan: FleetPlan, outcomes: Mapping[str, Outcome], **more: Any) -> FleetReport:
    return FleetReport(plan, outcomes, NOW, NOW, **more)
