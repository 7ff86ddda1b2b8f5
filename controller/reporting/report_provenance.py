"""When a report was made, of which API, from which manifests, and whom it is about: the same in every format."""

from __future__ import annotations

from typing import Any

from controller.model.finding_filter import Shown
from controller.model.report import FleetPlan
from controller.model.run_policy import Scope
from controller.reporting.formatting import (
    ACTOR_WORDS,
    format_count,
    format_iso,
    format_list,
    format_minutes,
    format_time,
)

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
        looked = f"the oldest look {format_minutes(minutes)} ago"
        made = f"As `merchantctl run` saw it at {environment}{plan.base_url}, {looked},"
    manifests = f"{'commit' if plan.commit else 'manifests'} {plan.revision[:SHORT_REVISION_DIGITS]}"
    return f"{made} from {manifests}, about {scope_text(plan.scope)}."


def filter_text(shown: Shown) -> str:
    """`Shown: only drift; code sync-disabled. 34 other findings are left out.` Empty where everything is shown."""
    wanted = shown.filter
    if wanted.shows_everything:
        return ""
    parts = [f"only {wanted.only.value}"] if wanted.only else []
    parts += [f"code {format_list(sorted(wanted.codes))}"] if wanted.codes else []
    parts += (
        [f"waiting for {' or '.join(sorted(ACTOR_WORDS[each] for each in wanted.actors))}"] if wanted.actors else []
    )
    parts += [f"first seen after {format_time(wanted.since)}"] if wanted.since else []
    others = format_count(shown.left_out, "other finding is", "other findings are")
    return f"Shown: {'; '.join(parts) or 'everything'}. {others} left out."


def filter_json(shown: Shown) -> dict[str, Any]:
    """What a filtered report says of its filter; nothing where everything is shown."""
    wanted = shown.filter
    if wanted.shows_everything:
        return {}
    told = {
        "only": wanted.only.value if wanted.only else None,
        "codes": sorted(wanted.codes),
        "actors": sorted(wanted.actors),
        "since": format_iso(wanted.since),
    }
    return {"filter": told, "leftOut": shown.left_out}


def provenance_json(plan: FleetPlan) -> dict[str, Any]:
    return {
        "generatedAt": format_iso(plan.made_at),
        "environment": plan.environment,
        "baseUrl": plan.base_url or None,
        "revision": plan.revision,
        **({"oldestLookAt": format_iso(plan.oldest_look_at)} if plan.oldest_look_at else {}),
    }


def scope_text(scope: Scope) -> str:
    """`everyone`, `-l tier=gold`"""
    if scope.name is not None:
        return format_list([scope.name])
    parts = [f"the manifests at {scope.path}"] if scope.path is not None else []
    parts += [format_list(scope.targets)] if scope.targets else []
    parts += [f"-l {scope.selector}"] if scope.selector else []
    parts += [format_list(sorted(scope.names))] if scope.names is not None else []
    return ", ".join(parts) or "everyone"
