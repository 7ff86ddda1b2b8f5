"""Plans and drift as Markdown, for pull requests and chats: tables, and the summary first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from controller.model.plan import Finding, Plan, State
from controller.model.report import FleetPlan, Refusal
from controller.reporting.freshness import freshness
from controller.reporting.text import excess_words, plan_summary
from controller.reporting.text_drift import drift_summary
from controller.reporting.words import CHANGES, clean, count, value_words

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")


def plan_markdown(plan: FleetPlan) -> str:
    lines = ["## Plan", "", escaped(plan_summary(plan)), "", *_general(plan)]
    if plan.refusal:
        lines += [*_refusal(plan.refusal), ""]
    for each in plan.plans:
        if each.state is not State.IN_SYNC or each.findings:
            lines += _merchant(each)
    return "\n".join(lines).rstrip()


def drift_markdown(plan: FleetPlan, *, unmanaged: bool = False) -> str:
    lines = ["## Drift", "", escaped(drift_summary(plan)), "", *_general(plan)]
    for each in plan.plans:
        if each.findings:
            lines += [f"### {escaped(each.merchant)}", "", *_findings(each.findings), ""]
    if plan.unmanaged:
        lines.append(f"{count(len(plan.unmanaged), 'company', 'companies')} that no manifest claims.")
    if unmanaged:
        lines += ["", *(f"- {escaped(name)}" for name in plan.unmanaged)]
    return "\n".join(lines).rstrip()


def escaped(text: str) -> str:
    """The text as itself, whatever signs of Markdown are in it; nobody is mentioned."""
    return _SPECIAL.sub(r"\\\1", clean(text)).replace("@", "@<!-- -->")


def _general(plan: FleetPlan) -> list[str]:
    age = freshness(plan)
    unread = [f"- **Not read:** {escaped(why)}" for why in plan.incomplete]
    complaints = [f"- **Invalid:** {escaped(str(each))}" for each in plan.complaints]
    lines = [*complaints, *unread, *(f"- {escaped(note)}" for note in plan.notes)]
    lines += [f"- {age}"] if age else []
    return [*lines, ""] if lines else []


def _refusal(refusal: Refusal) -> list[str]:
    return ["**Refused by a safety limit: nothing is written.**", ""] + [
        f"- {escaped(excess_words(each))}. To allow it: `{each.flag}`" for each in refusal.excesses
    ]


def _merchant(plan: Plan) -> list[str]:
    lines = [f"### {escaped(plan.merchant)}: {plan.state.value}", ""]
    for change in plan.changes:
        lines += [f"**{CHANGES[change.kind][1].capitalize()}**", ""]
        rows = [
            (each.field, value_words(each.live, each.field), value_words(each.wanted, each.field), each.direction.value)
            for each in change.fields
        ]
        lines += [*_table(("field", "live", "wanted", "direction"), rows), ""] if rows else []
    return lines + ([*_findings(plan.findings), ""] if plan.findings else [])


def _findings(findings: tuple[Finding, ...]) -> list[str]:
    rows = [
        (each.code, each.field or "", each.cause, " ".join(filter(None, (each.remedy, each.link)))) for each in findings
    ]
    return _table(("finding", "field", "cause", "what to do"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *(tuple(escaped(cell) for cell in row) for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]
