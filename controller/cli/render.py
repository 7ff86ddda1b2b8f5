"""A finished plan or report in the format that was asked for. Each format's module is imported when it is used."""

from __future__ import annotations

from controller.model.report import FleetPlan, FleetReport
from controller.reporting.paint import Paint


def plan_as(form: str, plan: FleetPlan, paint: Paint) -> str:
    match form:
        case "json":
            from controller.reporting.as_json import dumps, plan_json

            return dumps(plan_json(plan))
        case "markdown":
            from controller.reporting.markdown import plan_markdown

            return plan_markdown(plan)
        case "html":
            from controller.reporting.html import plan_html

            return plan_html(plan)
    from controller.reporting.text import plan_text

    return plan_text(plan, paint)


def drift_as(form: str, plan: FleetPlan, paint: Paint, *, unmanaged: bool, data: bool) -> str:
    match form:
        case "json":
            from controller.reporting.as_json import drift_json, dumps

            return dumps(drift_json(plan, unmanaged=unmanaged))
        case "markdown":
            from controller.reporting.markdown import drift_markdown

            return drift_markdown(plan, unmanaged=unmanaged)
        case "html":
            from controller.reporting.html import drift_html

            return drift_html(plan, unmanaged=unmanaged)
        case "csv":
            from controller.reporting.csv import drift_csv

            return drift_csv(plan, unmanaged=unmanaged)
    from controller.reporting.text_drift import drift_text

    return drift_text(plan, paint, unmanaged=unmanaged, data=data)


def status_as(form: str, plan: FleetPlan, paint: Paint, *, in_depth: bool) -> str:
    if form == "json":
        from controller.reporting.as_json import dumps, status_json

        return dumps(status_json(plan))
    from controller.reporting.text_drift import merchant_text, status_text

    if in_depth:
        return "\n\n".join(merchant_text(each, paint) for each in plan.plans)
    return status_text(plan, paint)


def report_as(form: str, result: FleetReport | FleetPlan, paint: Paint) -> str:
    """What `apply` did. A plan that came back untouched has been shown already, or says why nothing was done."""
    if form == "json":
        from controller.reporting.as_json import dumps, report_json

        return dumps(report_json(result))
    from controller.reporting.text import report_text, untouched_text

    return report_text(result, paint) if isinstance(result, FleetReport) else untouched_text(result, paint)
