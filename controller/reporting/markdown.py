"""Plans, drift and what an apply did as Markdown, for pull requests and chats: the summary first, then groups.

However many merchants it is about, it is at most MAX_CHARACTERS long: GitHub refuses a comment above 65,536.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.model.finding_filter import EVERYTHING, Shown, divide_by_label
from controller.model.report import FleetPlan, FleetReport, Refusal
from controller.model.statement_groups import Group, group_statements
from controller.model.statements import (
    finding_statements_of_plans,
    later_value_statements,
    plan_statements,
    report_statements,
)
from controller.reporting.as_json import describe_unmanaged_companies
from controller.reporting.data_age import fleet_data_age_text
from controller.reporting.formatting import cut_text, format_count, format_time
from controller.reporting.group_words import actor_sentence, filter_flags, severity_sentence, whole_report_command
from controller.reporting.last_syncs import last_syncs_age_text
from controller.reporting.markdown_escape import code_span, escape_markdown
from controller.reporting.markdown_groups import count_characters, fit_bullets, fit_groups, fit_list
from controller.reporting.report_provenance import filter_text, provenance_text
from controller.reporting.text import apply_summary, limit_exceeded_text, plan_summary
from controller.reporting.text_drift_and_status import drift_summary, label_title

MAX_CHARACTERS = 60_000
_NOTICES_CHARACTERS = 8_000
_UNMANAGED_CHARACTERS = 6_000
_LONGEST_NOTICE = 600
_LONGEST_TITLE = 100
_LEAST_ROOM_OF_PART = 900
_PARTS_LEFT_OUT_CHARACTERS = 2_000


def plan_markdown(plan: FleetPlan) -> str:
    groups = group_statements([*plan_statements(plan), *later_value_statements(plan)])
    head = [
        "## Plan",
        "",
        *_provenance_lines(plan),
        f"**{escape_markdown(plan_summary(plan))}**",
        "",
        *_severity_and_actor_lines(groups),
    ]
    head += [*_fleet_problems_and_notes(plan), *(_refusal_lines(plan.refusal) if plan.refusal else [])]
    return _document(head, groups, [], code_span(whole_report_command("plan", plan.scope)))


def drift_markdown(plan: FleetPlan, shown: Shown = EVERYTHING, *, unmanaged: bool = False) -> str:
    groups = group_statements(finding_statements_of_plans(plan))
    summary = cut_text(drift_summary(plan), _LONGEST_NOTICE)
    head = [
        "## Drift",
        "",
        *_provenance_lines(plan, shown),
        f"**{escape_markdown(summary)}**",
        "",
        *_severity_and_actor_lines(groups),
    ]
    head += _fleet_problems_and_notes(plan, last_syncs_age_text(plan))
    foot = _unmanaged_lines(plan, unmanaged)
    command = code_span(whole_report_command("drift", plan.scope, filter_flags(shown)))
    if shown.group_by is None:
        return _document(head, groups, foot, command)
    room = MAX_CHARACTERS - count_characters(head) - count_characters(foot)
    return "\n".join(
        [*head, *_label_part_lines(divide_by_label(plan, shown.group_by), shown.group_by, room, command), *foot]
    ).rstrip()


def _label_part_lines(parts: Mapping[str, FleetPlan], label: str, room: int, command: str) -> list[str]:
    """The groups of each part; what one does not need of its share of the room the later ones have."""
    lines: list[str] = []
    for number, (value, part) in enumerate(parts.items()):
        left = room - count_characters(lines)
        title = ["", f"### {escape_markdown(cut_text(label_title(label, value, part), _LONGEST_TITLE))}", ""]
        share = (left - _PARTS_LEFT_OUT_CHARACTERS) // (len(parts) - number) - count_characters(title)
        if share < _LEAST_ROOM_OF_PART:
            more = format_count(len(parts) - number, "more value")
            return [*lines, "", f"_{more} of {escape_markdown(cut_text(label, _LONGEST_TITLE))} left out: {command}_"]
        groups = group_statements(finding_statements_of_plans(part))
        lines += [*title, *fit_groups(groups, share, command)]
    return lines


def apply_markdown(result: FleetReport | FleetPlan) -> str:
    """What became of a plan. One that came back untouched says why nothing was done."""
    if isinstance(result, FleetPlan):
        why = "" if result.refusal else "Nothing was done.\n\n"
        return plan_markdown(result).replace("## Plan\n\n", f"## Apply\n\n{why}", 1)
    groups = group_statements(report_statements(result))
    head = [
        "## Apply",
        "",
        *_provenance_lines(result.plan),
        f"**{escape_markdown(apply_summary(result))}**",
        "",
        *_severity_and_actor_lines(groups),
    ]
    ended = "; ".join(filter(None, (result.stop_reason, result.remedy)))
    head += [f"**Ended early:** {escape_markdown(cut_text(ended, _LONGEST_NOTICE))}", ""] if ended else []
    head += [f"Writes may go on after {format_time(result.resume_at)}.", ""] if result.resume_at else []
    head += _fleet_problems_and_notes(result.plan)
    return _document(head, groups, [], "`-o json`")


def _document(head: list[str], groups: Sequence[Group], foot: list[str], command: str) -> str:
    room = MAX_CHARACTERS - count_characters(head) - count_characters(foot)
    return "\n".join([*head, *fit_groups(groups, room, command), *foot]).rstrip()


def _provenance_lines(plan: FleetPlan, shown: Shown = EVERYTHING) -> list[str]:
    words = cut_text(" ".join(filter(None, (provenance_text(plan), filter_text(shown)))), _LONGEST_NOTICE)
    return [f"_{escape_markdown(words)}_", ""] if words else []


def _severity_and_actor_lines(groups: Sequence[Group]) -> list[str]:
    """How severe, and who must act."""
    if not groups:
        return []
    return [escape_markdown(f"{severity_sentence(groups)}. {actor_sentence(groups)}".rstrip()), ""]


def _fleet_problems_and_notes(plan: FleetPlan, syncs: str = "") -> list[str]:
    """What concerns the whole fleet."""
    found = [(f"{each.code}:", f"{each.cause} {each.one_line_remedy}") for each in plan.findings]
    items = [
        *(("Invalid:", str(each)) for each in plan.diagnostics),
        *(("Not read:", why) for why in plan.unread_reasons),
        *found,
        *(("", each) for each in (*plan.notes, fleet_data_age_text(plan), syncs) if each),
    ]
    # One after the other, so that what does not fit is not put together: there may be ten thousand.
    shown = (
        f"{f'**{title}** ' if title else ''}{escape_markdown(cut_text(text, _LONGEST_NOTICE))}" for title, text in items
    )
    return [*fit_bullets(shown, len(items), _NOTICES_CHARACTERS), ""] if items else []


def _refusal_lines(refusal: Refusal) -> list[str]:
    limits = [
        f"{escape_markdown(limit_exceeded_text(each))}. To allow it: `{each.flag}`" for each in refusal.exceeded_limits
    ]
    return [
        "**Refused by a safety limit: nothing is written.**",
        "",
        *fit_bullets(limits, len(limits), _NOTICES_CHARACTERS),
        "",
    ]


def _unmanaged_lines(plan: FleetPlan, every: bool) -> list[str]:
    if not plan.unmanaged_count:
        return []
    counted = f"{format_count(plan.unmanaged_count, 'company', 'companies')} that no manifest claims"
    if not every:
        return [f"{counted}."]
    more = " (merchantctl drift --unmanaged -o csv lists all)"
    return [f"{counted}: {fit_list(describe_unmanaged_companies(plan), _UNMANAGED_CHARACTERS, more)}"]
