"""One merchant's page: how far it has come, what was found and who must act, what is to change, what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from controller.model.latest import Latest
from controller.model.plan import Actor, Plan
from controller.model.report import Done
from controller.reporting.standing import standing, still_open
from controller.web.health import running_version
from controller.web.pages import page
from controller.web.ports import Window
from state import Event, Noted, Store
from state.errors import StateProblem

LINES = 100
"""So much of the past is shown, the newest first; `merchantctl history` has all of it."""

ACTS = {
    Actor.US: "our side must act",
    Actor.MERCHANT: "the merchant must act",
    Actor.SERVICE: "the service must act",
    Actor.APPLY: "the next apply mends it",
    Actor.NOBODY: "",
}
"""Who must act, of one finding."""


@dataclass(frozen=True, slots=True)
class Past:
    """One thing that happened to a merchant."""

    at: datetime
    what: str
    more: str = ""


async def show(request: Request) -> Response:
    """GET /merchants/{name}."""
    window: Window = request.app.state.window
    name, latest = request.path_params["name"], window.latest()
    plan = plan_of(latest, name)
    wanted = latest.fleet.merchants.get(name) if latest.fleet else None
    past, complaint = await _past(window.store, name)
    if not (plan or wanted or past):
        return missing(f"No merchant is called {name}.")
    outcome = latest.outcomes.get(name)
    return page(
        "merchant.html",
        name=name,
        plan=plan,
        wanted=wanted,
        outcome=outcome,
        written=isinstance(outcome, Done),
        findings=still_open(plan, outcome) if plan else (),
        standing=standing(plan, outcome) if plan else None,
        past=past,
        complaint=complaint,
        now=window.now(),
        ACTS=ACTS,
        version=running_version(),
    )


def missing(what: str) -> Response:
    return page("message.html", 404, title="Not found", text=what, version=running_version())


def plan_of(latest: Latest, name: str) -> Plan | None:
    plans = latest.plan.plans if latest.plan else ()
    return next((each for each in plans if each.merchant == name), None)


async def _past(store: Store, name: str) -> tuple[list[Past], str]:
    """What happened, the newest first, and why that is not known."""
    try:
        happened = [_event(each) for each in await store.history(name)]
        found = [line for each in await store.findings_of(name) for line in _ledger(each)]
    except StateProblem as problem:
        return [], str(problem)
    return sorted(happened + found, key=lambda each: each.at, reverse=True)[:LINES], ""


def _event(event: Event) -> Past:
    kinds = ", ".join(change["kind"] for change in event.detail.get("changes", ()))
    return Past(event.at, event.what, ": ".join(filter(None, (kinds, event.detail.get("reason", "")))))


def _ledger(noted: Noted) -> list[Past]:
    lines = [Past(noted.first_seen, f"found {noted.code}", noted.field)]
    return lines + ([Past(noted.cleared_at, f"gone {noted.code}", noted.field)] if noted.cleared_at else [])
