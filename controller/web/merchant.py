"""One merchant's page: its conditions, findings, planned changes and history."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant
from controller.model.field_values import PLATFORM_PATH, Value
from controller.model.merchant_status import merchant_status, open_findings
from controller.model.plan import Actor, ConditionStatus, Plan
from controller.model.report import Applied
from controller.quick_dataclasses import dataclass
from controller.reconcile.condition_ages import add_condition_ages
from controller.reconcile.persist import load_run_authors
from controller.reporting.explanation import explain_fields
from controller.reporting.formatting import DIRECTIONS, format_value
from controller.reporting.history import HistoryLine, history_lines
from controller.reporting.last_syncs import last_sync_text, next_sync_text
from controller.web.context import WebContext
from controller.web.health import running_version
from controller.web.outside_links import OutsideLinks
from controller.web.rendering import render_page
from state import Store
from state.errors import StateProblem

MAX_HISTORY_LINES = 100
"""Lines of history shown, the newest first; `merchantctl history` shows all."""

MAX_MOVES_UNFOLDED = 4
"""So many fields of one line of the history are shown at once; more are folded."""

ACTOR_LABELS = {
    Actor.OPERATOR: "our side must act",
    Actor.MERCHANT: "the merchant must act",
    Actor.CODAT: "Codat must act",
    Actor.APPLY: "the next apply mends it",
    Actor.NOBODY: "",
}
"""Who must act on a finding."""

STEP_WORDS = {
    ConditionStatus.TRUE: "✓ met",
    ConditionStatus.FALSE: "✗ not met",
    ConditionStatus.UNKNOWN: "not known yet",
}
"""How far a step is, in words and a sign: a colour alone says nothing to many."""


@dataclass(frozen=True, slots=True)
class _ShownValue:
    """A field as the manifests have it. `origins`: text and link of each layer that has it, the winning one first."""

    path: str
    desired: str
    origins: tuple[tuple[str, str], ...]


async def show(request: Request) -> Response:
    """GET /merchants/{name}."""
    context: WebContext = request.app.state.web_context
    name, latest = request.path_params["name"], context.latest()
    plan = find_plan(latest, name)
    desired = latest.fleet.merchants.get(name) if latest.fleet else None
    history, history_error = await _load_history_or_error(context.store, name)
    # A page with what is known is worth more than none: where the state cannot be read now, conditions have no dates.
    with suppress(StateProblem):
        if plan:
            (plan,) = await add_condition_ages([plan], context.store)
    if not (plan or desired or history):
        return not_found_page(f"No merchant is called {name}.")
    outcome = latest.outcomes.get(name)
    return render_page(
        "merchant.html",
        name=name,
        plan=plan,
        desired=desired,
        platform=format_value(desired.platform, PLATFORM_PATH) if desired else "",
        outcome=outcome,
        written=isinstance(outcome, Applied),
        findings=open_findings(plan, outcome) if plan else (),
        status=merchant_status(plan, outcome) if plan else None,
        values=_shown_values(desired, plan, latest.fleet.commit if latest.fleet else None, context.links)
        if desired
        else (),
        portal=context.links.to_portal(plan.company_id) if plan else "",
        STEP_WORDS=STEP_WORDS,
        FOLDED_FROM=MAX_MOVES_UNFOLDED,
        history=history,
        history_error=history_error,
        now=context.now(),
        ACTOR_LABELS=ACTOR_LABELS,
        DIRECTIONS=DIRECTIONS,
        last_sync=last_sync_text(plan, context.now()) if plan else "",
        next_sync=next_sync_text(plan, context.now()) if plan else "",
        environment=latest.plan.environment if latest.plan else None,
        version=running_version(),
    )


def _shown_values(
    desired: DesiredMerchant, plan: Plan | None, commit: str | None, links: OutsideLinks
) -> tuple[_ShownValue, ...]:
    """Every declared value, resolved as far as the last look could; sections that hold only others are left out."""
    resolved: Mapping[str, Value] = plan.resolved_values if plan else {}
    shown = []
    for each in explain_fields(desired):
        if each.value is None and each.path not in desired.fields:
            continue
        value = format_value(resolved.get(each.path, each.value), each.path)
        origins = tuple((str(origin), links.to_line(origin, commit)) for origin in each.origins)
        shown.append(_ShownValue(each.path, value, origins))
    return tuple(shown)


def not_found_page(text: str) -> Response:
    """A page with status 404 that says this."""
    return render_page("message.html", 404, title="Not found", text=text, version=running_version())


def find_plan(latest: ControllerStatus, name: str) -> Plan | None:
    """The merchant's plan in the last pass; None where that did not cover it."""
    plans = latest.plan.plans if latest.plan else ()
    return next((plan for plan in plans if plan.merchant == name), None)


async def _load_history_or_error(store: Store, name: str) -> tuple[list[HistoryLine], str]:
    """The history, the newest first, and an error message where it cannot be read."""
    try:
        events, findings = await store.runs.load_events(name), await store.findings.load_occurrences(name)
        lines = history_lines(events, findings, await load_run_authors(store, events, findings))
    except StateProblem as problem:
        return [], str(problem)
    return lines[::-1][:MAX_HISTORY_LINES], ""
