"""When a report was made, of which API, from which manifests, and whom it is about: the same in every format."""

from __future__ import annotations

from typing import Any

from controller.model.report import FleetPlan
from controller.model.run import Scope
from controller.reporting.formatting import format_iso, format_list, format_minutes, format_time

SHORT_REVISION_DIGITS = 12
"""Digits of a revision that people are shown."""


def provenance_text(plan: FleetPlan) -> str:
    """`Made 2026-11-22 06:00 UTC at https://api.example from manifests 3f2a9c1d5e0b, about everyone.`

    Empty for a plan that was made of values alone, of no API.
    """
    if not plan.base_url:
        return ""
    environment = f"{plan.environment} " if plan.environment else ""
    made = f"Made {format_time(plan.made_at)} at {environment}{plan.base_url}"
    if plan.oldest_look_at:
        minutes = (plan.made_at - plan.oldest_look_at).total_seconds() / 60
        made = f"As `merchantctl run` saw it within the last {format_minutes(minutes)} at {environment}{plan.base_url}"
    return f"{made} from manifests {plan.revision[:SHORT_REVISION_DIGITS]}, about {_about(plan.scope)}."


def provenance_json(plan: FleetPlan) -> dict[str, Any]:
    return {
        "generatedAt": format_iso(plan.made_at),
        "environment": plan.environment,
        "baseUrl": plan.base_url or None,
        "revision": plan.revision,
        **({"oldestLookAt": format_iso(plan.oldest_look_at)} if plan.oldest_look_at else {}),
    }


def _about(scope: Scope) -> str:
    if scope.name is not None:
        return format_list([scope.name])
    parts = [f"the manifests at {scope.path}"] if scope.path is not None else []
    parts += [format_list(scope.targets)] if scope.targets else []
    parts += [f"-l {scope.selector}"] if scope.selector else []
    parts += [format_list(sorted(scope.names))] if scope.names is not None else []
    return ", ".join(parts) or "everyone"
