"""Plans and drift as Markdown, for pull requests and chats: tables, and the summary first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from controller.model.plan import Finding, Plan, PlanStatus
from controller.model.report import FleetPlan, Refusal
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
from controller.reporting.provenance import provenance_text
from controller.reporting.text import limit_exceeded_text, plan_summary
from controller.reporting.text_drift import drift_summary
from controller.text import is_web_address

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$])")
_REFERENCES = re.compile(r"@|#(?=\d)|(?<=\bGH)-(?=\d)|:(?=//)|(?<=\bwww)\.|:(?=[a-z0-9_+-]+:)", re.IGNORECASE)
"""What GitHub turns into a mention, the link to an issue, a link or an emoji."""


def plan_markdown(plan: FleetPlan) -> str:
    lines = ["## Plan", "", *_made(plan), escape_markdown(plan_summary(plan)), "", *_general(plan)]
    if plan.refusal:
        lines += [*_refusal(plan.refusal), ""]
    for each in plan.plans:
        if each.status is not PlanStatus.IN_SYNC or each.findings or each.renamed_from:
            lines += _merchant(each)
    return "\n".join(lines).rstrip()


def drift_markdown(plan: FleetPlan, *, unmanaged: bool = False) -> str:
    lines = [
        "## Drift",
        "",
        *_made(plan),
        escape_markdown(drift_summary(plan)),
        "",
        *_general(plan, last_syncs_text(plan)),
    ]
    for each in plan.plans:
        if each.findings:
            lines += [f"### {escape_markdown(each.merchant)}", "", *_findings(each.findings), ""]
    if plan.unmanaged_count:
        lines.append(f"{format_count(plan.unmanaged_count, 'company', 'companies')} that no manifest claims.")
    if unmanaged:
        lines += ["", *(f"- {escape_markdown(name)}" for name in unmanaged_names(plan))]
    return "\n".join(lines).rstrip()


def escape_markdown(text: str) -> str:
    """The text as itself, whatever signs of Markdown are in it: no link, no mention, no entity."""
    plain = _SPECIAL.sub(r"\\\1", clean(text)).replace("&", "&amp;")
    return _REFERENCES.sub(lambda found: f"{found[0]}<!-- -->", plain)


def _made(plan: FleetPlan) -> list[str]:
    words = provenance_text(plan)
    return [f"_{escape_markdown(words)}_", ""] if words else []


def _general(plan: FleetPlan, syncs: str = "") -> list[str]:
    age = fleet_data_age_text(plan)
    unread = [f"- **Not read:** {escape_markdown(why)}" for why in plan.unread_reasons]
    complaints = [f"- **Invalid:** {escape_markdown(str(each))}" for each in plan.diagnostics]
    found = [
        f"- **{each.code}:** {escape_markdown(each.cause)} {escape_markdown(each.one_line_remedy)}"
        for each in plan.findings
    ]
    lines = [*complaints, *unread, *found, *(f"- {escape_markdown(note)}" for note in plan.notes)]
    lines += [f"- {each}" for each in (age, escape_markdown(syncs)) if each]
    return [*lines, ""] if lines else []


def _refusal(refusal: Refusal) -> list[str]:
    return ["**Refused by a safety limit: nothing is written.**", ""] + [
        f"- {escape_markdown(limit_exceeded_text(each))}. To allow it: `{each.flag}`"
        for each in refusal.exceeded_limits
    ]


def _merchant(plan: Plan) -> list[str]:
    lines = [f"### {escape_markdown(plan.merchant)}: {plan.status.value}", ""]
    lines += [f"Renamed from {escape_markdown(plan.renamed_from)}.", ""] if plan.renamed_from else []
    for change in (*plan.changes, *plan.held_changes):
        held = " (held)" if change in plan.held_changes else ""
        lines += [f"**{CHANGE_LABELS[change.kind][1].capitalize()}{held}**", ""]
        rows = [
            (
                each.field,
                format_value(each.live, each.field),
                format_value(each.wanted, each.field),
                direction_words(each),
            )
            for each in change.fields
        ]
        lines += [*_table(("field", "actual", "desired", "changed"), rows), ""] if rows else []
    return lines + ([*_findings(plan.findings), ""] if plan.findings else [])


def _findings(findings: tuple[Finding, ...]) -> list[str]:
    rows = [
        (*map(escape_markdown, _facts(each)), f"{escape_markdown(each.one_line_remedy)}{_link(each.link)}")
        for each in findings
    ]
    return _rows(("finding", "field", "actual", "desired", "cause", "what to do"), rows)


def _facts(finding: Finding) -> tuple[str, str, str, str, str]:
    """Values only where the finding is about one: for a company that is gone, `nothing` would say nothing."""
    about_a_value = finding.live is not None or finding.wanted is not None
    live, wanted = (
        format_value(each, finding.field) if about_a_value else "" for each in (finding.live, finding.wanted)
    )
    return finding_label(finding), finding.field or "", live, wanted, finding.cause


def _link(link: str | None) -> str:
    """As itself: an escaped address leads nowhere."""
    return f" <{link}>" if is_web_address(link) else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return _rows(head, [tuple(map(escape_markdown, row)) for row in rows])


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The cells are Markdown already."""
    return ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *rows)]
