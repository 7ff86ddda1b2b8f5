"""The one registry of formats: what `-o` offers for each report, and what renders it.

A new format is one module in `controller/reporting` and one line here for each report that has it: `-o`, its help,
the reference of commands and the tests read this table. Each format's module is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from controller.model.finding_filter import EVERYTHING, Shown
from controller.model.plan import Plan
from controller.model.report import Failed, FleetPlan, FleetReport, Outcome, Skipped
from controller.quick_dataclasses import dataclass
from controller.reporting.paint import Paint

Result = TypeVar("Result", FleetPlan, FleetReport, FleetPlan | FleetReport)


@dataclass(frozen=True, slots=True)
class View:
    """What a report shows beside what every report shows.

    unmanaged  companies that no manifest claims
    data       how old each merchant's reference data is, by type
    in_depth   all that is known of each merchant; of a plan what is set later, too
    shown      by which filter its findings were chosen, and by which label it is divided
    """

    paint: Paint
    unmanaged: bool = False
    data: bool = False
    in_depth: bool = False
    shown: Shown = EVERYTHING


def _plan_text(plan: FleetPlan, view: View) -> str:
    from controller.reporting.text import plan_text

    return plan_text(plan, view.paint, in_depth=view.in_depth)


def _plan_json(plan: FleetPlan, view: View) -> str:
    from controller.reporting.as_json import dumps, plan_json

    return dumps(plan_json(plan))


def _plan_markdown(plan: FleetPlan, view: View) -> str:
    from controller.reporting.markdown import plan_markdown

    return plan_markdown(plan)


def _plan_html(plan: FleetPlan, view: View) -> str:
    from controller.reporting.html import plan_html

    return plan_html(plan)


def _plan_junit(plan: FleetPlan, view: View) -> str:
    from controller.reporting.junit import plan_junit

    return plan_junit(plan)


def _drift_junit(plan: FleetPlan, view: View) -> str:
    from controller.reporting.junit import drift_junit

    return drift_junit(plan)


def _drift_text(plan: FleetPlan, view: View) -> str:
    from controller.reporting.text_drift_and_status import drift_text

    return drift_text(plan, view.paint, view.shown, unmanaged=view.unmanaged, data=view.data)


def _drift_json(plan: FleetPlan, view: View) -> str:
    from controller.reporting.as_json import drift_json, dumps

    return dumps(drift_json(plan, view.shown, unmanaged=view.unmanaged))


def _drift_markdown(plan: FleetPlan, view: View) -> str:
    from controller.reporting.markdown import drift_markdown

    return drift_markdown(plan, view.shown, unmanaged=view.unmanaged)


def _drift_html(plan: FleetPlan, view: View) -> str:
    from controller.reporting.html import drift_html

    return drift_html(plan, view.shown, unmanaged=view.unmanaged)


def _drift_csv(plan: FleetPlan, view: View) -> str:
    from controller.reporting.csv import drift_csv

    # Without the byte order mark a spreadsheet takes UTF-8 for the code page of its own country.
    return "\ufeff" + drift_csv(plan, view.shown, unmanaged=view.unmanaged)


def _status_text(plan: FleetPlan, view: View) -> str:
    from controller.reporting.text_drift_and_status import merchant_detail_text, status_text

    if view.in_depth:
        return "\n\n".join(merchant_detail_text(each, view.paint, plan.made_at) for each in plan.every_plan)
    return status_text(plan, view.paint)


def _status_json(plan: FleetPlan, view: View) -> str:
    from controller.reporting.as_json import dumps, status_json

    return dumps(status_json(plan))


def _apply_text(result: FleetReport | FleetPlan, view: View) -> str:
    """What `apply` did. A plan that came back untouched was shown before it was asked about, or says why not."""
    from controller.reporting.text import apply_text, not_applied_text

    if isinstance(result, FleetReport):
        return apply_text(result, view.paint)
    return not_applied_text(result, view.paint)


def _apply_json(result: FleetReport | FleetPlan, view: View) -> str:
    from controller.reporting.as_json import apply_json, dumps

    return dumps(apply_json(result))


def _apply_markdown(result: FleetReport | FleetPlan, view: View) -> str:
    from controller.reporting.markdown import apply_markdown

    return apply_markdown(result)


def _apply_html(result: FleetReport | FleetPlan, view: View) -> str:
    from controller.reporting.html import apply_html

    return apply_html(result)


def _apply_junit(result: FleetReport | FleetPlan, view: View) -> str:
    from controller.reporting.junit import apply_junit

    return apply_junit(result)


PLAN_FORMATS: Mapping[str, Callable[[FleetPlan, View], str]] = {
    "text": _plan_text,
    "json": _plan_json,
    "markdown": _plan_markdown,
    "html": _plan_html,
    "junit": _plan_junit,
}
DRIFT_FORMATS: Mapping[str, Callable[[FleetPlan, View], str]] = {
    "text": _drift_text,
    "json": _drift_json,
    "markdown": _drift_markdown,
    "html": _drift_html,
    "csv": _drift_csv,
    "junit": _drift_junit,
}
STATUS_FORMATS: Mapping[str, Callable[[FleetPlan, View], str]] = {"text": _status_text, "json": _status_json}
APPLY_FORMATS: Mapping[str, Callable[[FleetReport | FleetPlan, View], str]] = {
    "text": _apply_text,
    "json": _apply_json,
    "markdown": _apply_markdown,
    "html": _apply_html,
    "junit": _apply_junit,
}


def render_isolating_faults(result: Result, render: Callable[[Result, View], str], view: View) -> tuple[str, Result]:
    """The text, and what it shows.

    A merchant that cannot be rendered spoils nobody else's part: in its place stands a plan that says so, which is
    unknown, and the run is incomplete.
    """
    try:
        return render(result, view), result
    except Exception:
        shown = _replace_unrenderable_plans(result, render, view)
    return render(shown, view), shown


def _replace_unrenderable_plans(result: Result, render: Callable[[Result, View], str], view: View) -> Result:
    """Each merchant rendered alone finds those whose own part fails."""
    from controller.reconcile.failure_policy import log_internal_error, log_internal_error_as_plan

    fleet_plan = result.plan if isinstance(result, FleetReport) else result
    plans: list[Plan] = []
    outcomes: dict[str, Outcome] = dict(result.outcomes) if isinstance(result, FleetReport) else {}
    for plan in fleet_plan.plans:
        own = {plan.merchant: outcomes[plan.merchant]} if plan.merchant in outcomes else {}
        try:
            render(_replace_plan_and_outcomes(result, replace(fleet_plan, plans=(plan,), account=None), own), view)
        except Exception as error:
            plans.append(log_internal_error_as_plan(plan.merchant, error))
            if own:
                writes = getattr(outcomes[plan.merchant], "writes", 0)
                reason = log_internal_error(plan.merchant, error)
                outcomes[plan.merchant] = Failed(reason, retryable=True, writes=writes) if writes else Skipped(reason)
        else:
            plans.append(plan)
    account = fleet_plan.account
    if account:
        try:
            render(_replace_plan_and_outcomes(result, replace(fleet_plan, plans=()), {}), view)
        except Exception as error:
            account = log_internal_error_as_plan(account.merchant, error)
    return _replace_plan_and_outcomes(
        result, replace(fleet_plan, plans=tuple(plans), account=account, is_complete=False), outcomes
    )


def _replace_plan_and_outcomes(result: Result, plan: FleetPlan, outcomes: Mapping[str, Outcome]) -> Result:
    return replace(result, plan=plan, outcomes=outcomes) if isinstance(result, FleetReport) else plan
