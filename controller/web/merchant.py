"""One merchant's page: its conditions, findings, planned changes and history."""

from __future__ import annotations

from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from controller.model.controller_status import ControllerStatus
from controller.model.merchant_status import merchant_status, open_findings
from controller.model.plan import Actor, Plan
from controller.model.report import Applied
from controller.model.values import PLATFORM_PATH
from controller.reconcile.conditions import dated
from controller.reconcile.persist import load_run_authors
from controller.reporting.formatting import DIRECTIONS, format_value
from controller.reporting.history import Past, past
from controller.reporting.last_syncs import last_sync_text, next_sync_text
from controller.web.context import WebContext
from controller.web.health import running_version
from controller.web.pages import render_page
from state import Store
from state.errors import StateProblem

MAX_HISTORY_LINES = 100
"""Lines of history shown, the newest first; `merchantctl history` shows all."""

ACTOR_LABELS = {
    Actor.OPERATOR: "our side must act",
    Actor.MERCHANT: "the merchant must act",
    Actor.CODAT: "Codat must act",
    Actor.APPLY: "the next apply mends it",
    Actor.NOBODY: "",
}
"""Who must act on a finding."""


async def show(request: Request) -> Response:
    """GET /merchants/{name}."""
    context: WebContext = request.app.state.web_context
    name, latest = request.path_params["name"], context.latest()
    plan = find_plan(latest, name)
    desired = latest.fleet.merchants.get(name) if latest.fleet else None
    history, history_error = await _load_history(context.store, name)
    # A page with what is known is worth more than none: where the state cannot be read now, conditions have no dates.
    with suppress(StateProblem):
        if plan:
            (plan,) = await dated([plan], context.store)
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


def not_found_page(text: str) -> Response:
    """A page with status 404 that says this."""
    return render_page("message.html", 404, title="Not found", text=text, version=running_version())


def find_plan(latest: ControllerStatus, name: str) -> Plan | None:
    """The merchant's plan in the last pass; None where that did not cover it."""
    plans = latest.plan.plans if latest.plan else ()
    return next((plan for plan in plans if plan.merchant == name), None)


async def _load_history(store: Store, name: str) -> tuple[list[Past], str]:
    """The history, the newest first, and an error message where it cannot be read."""
    try:
        events, findings = await store.runs.load_events(name), await store.findings.load_occurrences(name)
        lines = past(events, findings, await load_run_authors(store, events, findings))
    except StateProblem as problem:
        return [], str(problem)
    return lines[::-1][:MAX_HISTORY_LINES], ""
