"""A report of a period as Markdown, at most as long as a comment may be."""

from __future__ import annotations

from collections.abc import Sequence

from controller.model.period_report import PeriodReport
from controller.model.plan import Finding
from controller.model.statement_groups import group_statements
from controller.model.statements import finding_statements
from controller.reporting import period_words as words
from controller.reporting.formatting import cut_text
from controller.reporting.group_words import actor_sentence, severity_sentence
from controller.reporting.markdown import MAX_CHARACTERS
from controller.reporting.markdown_escape import code_span, escape_markdown
from controller.reporting.markdown_groups import count_characters, fit_groups, table

MAX_ROWS = 30
"""Of a table of numbers; the JSON has all."""
_LONGEST_CELL = 100
_LONGEST_NOTE = 600
_COMMAND = code_span("merchantctl report -o html > report.html")


def period_report_markdown(report: PeriodReport) -> str:
    """The numbers first, then what is open as groups, the most severe first."""
    groups = group_statements(finding_statements(report.open_findings))
    head = [
        "## Fleet report",
        "",
        f"_{_cut_and_escape(words.provenance_text(report), _LONGEST_NOTE)}_",
        "",
        *(f"- {_cut_and_escape(note, _LONGEST_NOTE)}" for note in report.notes[:MAX_ROWS]),
        f"**{_cut_and_escape(words.status_counts_text(report))}.**",
        "",
        f"{_cut_and_escape(words.period_text(report))}: {_cut_and_escape(words.finding_counts_text(report))}.",
        "",
        _cut_and_escape(
            " ".join(filter(None, [f"{severity_sentence(groups)}." if groups else "", actor_sentence(groups)]))
        ),
        "",
    ]
    if not_booked := words.not_booked_text(report):
        head += [f"**{_cut_and_escape(not_booked)}.**", ""]
    tables = [
        *_not_booked_tables(report),
        *_table("Findings by code", ("code", "new", "still open", "closed"), words.findings_by_code_rows(report)),
        *_table("How findings ended", ("how", "findings"), words.ending_rows(report)),
        *_table("Again and again", ("merchant", "finding", "times", ""), words.recurrence_rows(report)),
        *_table("Age of open drift", ("age", "findings"), words.drift_age_rows(report) if any(report.ages) else []),
        *_table("Merchants by status over 30 days", words.TREND_HEAD, words.trend_rows(report)),
        *_table("Onboarding", ("step", "merchants", ""), words.funnel_rows(report)),
        *_table("Last syncs", ("outcome", "merchants"), words.sync_rows(report)),
        *_label_parts_table(report),
    ]
    room = MAX_CHARACTERS - count_characters(head) - count_characters(tables)
    new = _groups("New", report.new, room // 2)
    still_open = _groups("Still open", report.still_open, room - count_characters(new))
    return "\n".join([*head, *new, *still_open, *tables]).rstrip()


def _not_booked_tables(report: PeriodReport) -> list[str]:
    """A row a cause, then the merchants."""
    causes: words.Rows = [
        (words.not_booked_title(group), words.not_booked_remedy(group)) for group in report.not_booked
    ]
    rows = [row for group in report.not_booked for row in words.not_booked_rows(group)]
    return [
        *_table("Not being booked", ("cause", "what to do"), causes, _LONGEST_NOTE),
        *_table("Who is not being booked", words.NOT_BOOKED_HEAD, rows),
    ]


def _groups(title: str, findings: Sequence[Finding], room: int) -> list[str]:
    if not findings:
        return []
    head = [f"### {title}: {len(findings):,}", ""]
    return [
        *head,
        *fit_groups(group_statements(finding_statements(findings)), room - count_characters(head), _COMMAND),
    ]


def _table(title: str, head: Sequence[str], rows: words.Rows, longest_cell: int = _LONGEST_CELL) -> list[str]:
    if not rows:
        return []
    more = [f"_{len(rows) - MAX_ROWS:,} more: `merchantctl report -o json`_", ""] if len(rows) > MAX_ROWS else []
    cells = [[_cut_and_escape(cell, longest_cell) for cell in row] for row in rows[:MAX_ROWS]]
    return [f"### {title}", "", *table(head, cells), "", *more]


def _label_parts_table(report: PeriodReport) -> list[str]:
    title = f"By {_cut_and_escape(report.shown.group_by or '', _LONGEST_CELL)}"
    head = ("value", "merchants", "status", "new", "still open", "closed")
    return _table(title, head, words.label_part_rows(report)) if report.parts else []


def _cut_and_escape(text: str, most: int = 400) -> str:
    return escape_markdown(cut_text(text, most))
