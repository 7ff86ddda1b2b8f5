"""Plans and drift as one HTML page that needs nothing else: no script, no foreign style, readable printed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from controller.model.plan import Finding, Plan, State
from controller.model.report import FleetPlan, Refusal
from controller.model.values import Ref, Value
from controller.reporting.freshness import freshness
from controller.reporting.text import excess_words, plan_summary
from controller.reporting.text_drift import drift_summary
from controller.reporting.words import CHANGES, clean, count, finding_words, value_words

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:.5em 0}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
    "th{background:#f4f4f4}.refused{border:2px solid #b00;padding:.5em 1em}"
)


def plan_html(plan: FleetPlan) -> str:
    body = [_p(plan_summary(plan)), *_general(plan)]
    if plan.refusal:
        body.append(_refusal(plan.refusal))
    body += [_merchant(each) for each in plan.plans if each.state is not State.IN_SYNC or each.findings]
    return _page("Plan", body)


def drift_html(plan: FleetPlan, *, unmanaged: bool = False) -> str:
    body = [_p(drift_summary(plan)), *_general(plan)]
    body += [f"<h2>{_text(each.merchant)}</h2>{_findings(each.findings)}" for each in plan.plans if each.findings]
    if plan.unmanaged:
        body.append(_p(f"{count(len(plan.unmanaged), 'company', 'companies')} that no manifest claims."))
    if unmanaged:
        body.append(_list(plan.unmanaged))
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


def _general(plan: FleetPlan) -> list[str]:
    complaints = [f"Invalid: {each}" for each in plan.complaints]
    age = filter(None, [freshness(plan)])
    return [_list([*complaints, *(f"Not read: {why}" for why in plan.incomplete), *plan.notes, *age])]


def _refusal(refusal: Refusal) -> str:
    limits = [f"{excess_words(each)}. To allow it: {each.flag}" for each in refusal.excesses]
    return f'<div class="refused"><b>Refused by a safety limit: nothing is written.</b>{_list(limits)}</div>'


def _merchant(plan: Plan) -> str:
    parts = [f"<h2>{_text(plan.merchant)}: {plan.state.value}</h2>"]
    for change in plan.changes:
        parts.append(f"<h3>{CHANGES[change.kind][1].capitalize()}</h3>")
        rows = [
            (
                _text(each.field),
                _text(value_words(each.live, each.field)),
                _text(value_words(each.wanted, each.field)),
                each.direction.value,
            )
            for each in change.fields
        ]
        parts.append(_table(("field", "live", "wanted", "direction"), rows))
    return "".join([*parts, _findings(plan.findings)])


def _findings(findings: tuple[Finding, ...]) -> str:
    rows = [
        (
            finding_words(each),
            _text(each.field or ""),
            _value(each, each.live),
            _value(each, each.wanted),
            _text(each.cause),
            _text(each.remedy) + _link(each.link),
        )
        for each in findings
    ]
    return _table(("finding", "field", "live", "wanted", "cause", "what to do"), rows)


def _value(finding: Finding, value: Value | Ref) -> str:
    """Empty where the finding is about no value at all."""
    return "" if finding.live is None and finding.wanted is None else _text(value_words(value, finding.field))


def _link(link: str | None) -> str:
    if not link or not link.startswith(("https://", "http://")):
        return ""
    return f' <a href="{escape(link, quote=True)}" rel="noreferrer">{_text(link)}</a>'


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """The cells of `rows` are HTML already."""
    if not rows:
        return ""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"
