"""Plans and drift as Markdown, for pull requests and chats: tables, and the summary first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from controller.model.plan import Finding, Plan, State
from controller.model.report import FleetPlan, Refusal
from controller.reporting.freshness import freshness
from controller.reporting.text import excess_words, plan_summary
from controller.reporting.text_drift import drift_summary
from controller.reporting.words import CHANGES, clean, count, finding_words, value_words

_ADDRESS = re.compile(r"https?://[^\s<>|\\]+")
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
    rows = [(*map(escaped, _facts(each)), f"{escaped(each.remedy)}{_link(each.link)}") for each in findings]
    return _rows(("finding", "field", "live", "wanted", "cause", "what to do"), rows)


def _facts(finding: Finding) -> tuple[str, str, str, str, str]:
    """Values only where the finding is about one: for a company that is gone, `nothing` would say nothing."""
    about_a_value = finding.live is not None or finding.wanted is not None
    live, wanted = (
        value_words(each, finding.field) if about_a_value else "" for each in (finding.live, finding.wanted)
    )
    return finding_words(finding), finding.field or "", live, wanted, finding.cause


def _link(link: str | None) -> str:
    """As itself: an escaped address leads nowhere."""
    return f" <{link}>" if link and _ADDRESS.fullmatch(link) else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return _rows(head, [tuple(map(escaped, row)) for row in rows])


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The cells are Markdown already."""
    return ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *rows)]
