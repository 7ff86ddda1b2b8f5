"""Plans and drift as one HTML page that needs nothing else: no script, no foreign style, readable printed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from controller.model.plan import Finding, Plan, PlanStatus
from controller.model.report import FleetPlan, Refusal
from controller.model.report_filter import EVERYTHING, Shown, divide_by_label
from controller.model.values import Ref, Value
from controller.reporting.as_json import unmanaged_names
from controller.reporting.data_age import fleet_data_age_text
from controller.reporting.formatting import (
    CHANGE_LABELS,
    clean,
    direction_words,
    finding_label,
    format_count,
    format_value,
)
from controller.reporting.last_syncs import last_syncs_text
from controller.reporting.provenance import provenance_text, shown_text
from controller.reporting.text import limit_exceeded_text, plan_summary
from controller.reporting.text_drift import drift_summary, label_title
from controller.text import is_web_address

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:.5em 0}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
    "body{overflow-wrap:anywhere}h1,h2,td,th,li,a{unicode-bidi:isolate}"
    "th{background:#f4f4f4}.refused{border:2px solid #b00;padding:.5em 1em}"
)


def plan_html(plan: FleetPlan) -> str:
    body = [*_made(plan), _p(plan_summary(plan)), *_general(plan)]
    if plan.refusal:
        body.append(_refusal(plan.refusal))
    body += [_merchant(each) for each in plan.plans if _worth_showing(each)]
    return _page("Plan", body)


def drift_html(plan: FleetPlan, shown: Shown = EVERYTHING, *, unmanaged: bool = False) -> str:
    filtered = [_p(shown_text(shown))] if shown_text(shown) else []
    body = [*_made(plan), *filtered, _p(drift_summary(plan)), *_general(plan, last_syncs_text(plan))]
    parts = divide_by_label(plan, shown.group_by) if shown.group_by else {"": plan}
    for value, part in parts.items():
        body += [f"<h2>{_text(label_title(shown.group_by, value, part))}</h2>"] if shown.group_by else []
        body += [f"<h2>{_text(each.merchant)}</h2>{_findings(each.findings)}" for each in part.plans if each.findings]
    if plan.unmanaged_count:
        body.append(_p(f"{format_count(plan.unmanaged_count, 'company', 'companies')} that no manifest claims."))
    if unmanaged:
        body.append(_list(unmanaged_names(plan)))
    return _page("Drift", body)


def _page(title: str, body: list[str]) -> str:
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    start = f'<!doctype html>\n<html lang="en"><head>{head}</head><body><h1>{title}</h1>'
    return "\n".join([start, *body, "</body></html>"])


def _text(text: str) -> str:
    return escape(clean(text))


def _p(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _list(texts: tuple[str, ...] | list[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>" if texts else ""


def _made(plan: FleetPlan) -> list[str]:
    words = provenance_text(plan)
    return [_p(words)] if words else []


def _general(plan: FleetPlan, syncs: str = "") -> list[str]:
    complaints = [f"Invalid: {each}" for each in plan.diagnostics]
    age = filter(None, [fleet_data_age_text(plan), syncs])
    found = (f"{each.code}: {each.cause} {each.one_line_remedy}" for each in plan.findings)
    return [_list([*complaints, *(f"Not read: {why}" for why in plan.unread_reasons), *found, *plan.notes, *age])]


def _refusal(refusal: Refusal) -> str:
    limits = [f"{limit_exceeded_text(each)}. To allow it: {each.flag}" for each in refusal.exceeded_limits]
    return f'<div class="refused"><b>Refused by a safety limit: nothing is written.</b>{_list(limits)}</div>'


def _worth_showing(plan: Plan) -> bool:
    return plan.status is not PlanStatus.IN_SYNC or bool(plan.findings or plan.renamed_from)


def _merchant(plan: Plan) -> str:
    parts = [f"<h2>{_text(plan.merchant)}: {plan.status.value}</h2>"]
    parts += [f"<p>Renamed from {_text(plan.renamed_from)}.</p>"] if plan.renamed_from else []
    for change in (*plan.changes, *plan.held_changes):
        held = " (held)" if change in plan.held_changes else ""
        parts.append(f"<h3>{CHANGE_LABELS[change.kind][1].capitalize()}{held}</h3>")
        rows = [
            (
                _text(each.field),
                _text(format_value(each.live, each.field)),
                _text(format_value(each.wanted, each.field)),
                direction_words(each),
            )
            for each in change.fields
        ]
        parts.append(_table(("field", "actual", "desired", "changed"), rows))
    return "".join([*parts, _findings(plan.findings)])


def _findings(findings: tuple[Finding, ...]) -> str:
    rows = [
        (
            finding_label(each),
            _text(each.field or ""),
            _value(each, each.live),
            _value(each, each.wanted),
            _text(each.cause),
            _text(each.one_line_remedy) + _link(each.link),
        )
        for each in findings
    ]
    return _table(("finding", "field", "actual", "desired", "cause", "what to do"), rows)


def _value(finding: Finding, value: Value | Ref) -> str:
    """Empty where the finding is about no value at all."""
    return "" if finding.live is None and finding.wanted is None else _text(format_value(value, finding.field))


def _link(link: str | None) -> str:
    if link is None or not is_web_address(link):
        return ""
    return f' <a href="{escape(link, quote=True)}" rel="noreferrer">{_text(link)}</a>'


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """The cells of `rows` are HTML already."""
    if not rows:
        return ""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"
