"""A report of a period for a terminal: how the fleet stands, what came, what is still open, what went."""

from __future__ import annotations

from collections.abc import Sequence

from controller.model.period_report import PeriodReport
from controller.model.plan import Finding
from controller.model.severity import Severity
from controller.model.statement_groups import group_statements
from controller.model.statements import finding_statements
from controller.reporting import period_words as words
from controller.reporting.formatting import align_columns, clean, cut_text, format_list, format_time
from controller.reporting.group_words import SEVERITY_WORDS, actor_sentence, group_merchants_text
from controller.reporting.paint import WITHOUT_COLOUR, Paint

_STYLE_BY_SEVERITY = {Severity.CRITICAL: "bad", Severity.WARNING: "change", Severity.INFO: "quiet"}
_LONGEST_CAUSE = 100
_LONGEST_NOT_BOOKED_TITLE = 300


def period_report_text(report: PeriodReport, paint: Paint = WITHOUT_COLOUR) -> str:
    """In parts; one about which there is nothing to say is left out."""
    not_booked = clean(words.not_booked_text(report).removeprefix("Not being booked: "))
    lines = [
        *(paint("change", "Note: ") + clean(note) for note in report.notes),
        *_findings("New", report.new, paint),
        *_findings("Still open", report.still_open, paint),
        *_not_booked_lines(report, paint),
        *_table("Closed", words.ending_rows(report), paint, words.closed_findings_merchants_text(report.closed)),
        *_table("Again and again", words.recurrence_rows(report), paint),
        *_table("Age of open drift", words.drift_age_rows(report) if any(report.ages) else [], paint),
        *_table("Onboarding", words.funnel_rows(report), paint),
        *_table("Last syncs", words.sync_rows(report), paint, words.sync_read_times_text(report)),
        *_label_parts_table(report, paint),
        paint("quiet", clean(words.provenance_text(report))),
        f"From {words.period_text(report)}: {words.finding_counts_text(report)}.",
        *filter(None, [actor_sentence(group_statements(finding_statements(report.open_findings)))]),
        *([paint("bad", "Not being booked: ") + not_booked + "."] if not_booked else []),
        paint("strong", "Fleet: ") + words.status_counts_text(report) + ".",
    ]
    return "\n".join(lines)


def _findings(title: str, findings: Sequence[Finding], paint: Paint) -> list[str]:
    """A line a group, the most severe first: how bad, code, whom it is about, since when."""
    if not findings:
        return []
    rows = []
    for group in group_statements(finding_statements(findings)):
        severity = group.subject.severity
        since = min((line.since for line in group.lines if line.since), default=None)
        rows.append(
            (
                paint(_STYLE_BY_SEVERITY[severity], SEVERITY_WORDS[severity].lower()),
                group.subject.code,
                clean(group.lines[0].example.field or ""),
                f"{group_merchants_text(group) if len(group.merchants) > 1 else ''}",
                format_list(group.merchants, words.MAX_NAMES if len(group.merchants) > 1 else 1),
                cut_text(clean(group.lines[0].example.cause), _LONGEST_CAUSE),
                f"since {format_time(since)}" if since else "",
            )
        )
    return [paint("strong", f"{title}: {len(findings):,}"), *align_columns(rows, "  ", width=paint.width), ""]


def _not_booked_lines(report: PeriodReport, paint: Paint) -> list[str]:
    """By cause: of how many, since when and who must act; what to do; some of the merchants."""
    lines = []
    for group in report.not_booked:
        rows, more = words.not_booked_rows(group)[: words.MAX_NAMES], len(group.merchants) - words.MAX_NAMES
        table = [(name, since, f"last success: {success}", f"next: {due}") for name, since, success, due, _ in rows]
        remedy = words.not_booked_remedy(group)
        lines += [
            "  " + cut_text(words.not_booked_title(group), _LONGEST_NOT_BOOKED_TITLE),
            *([f"    > {remedy}"] if remedy else []),
        ]
        lines += [*align_columns(table, "    "), *([f"    and {more:,} more: -o json has all"] if more > 0 else [])]
    return [paint("bad", "Not being booked"), *lines, ""] if lines else []


def _table(title: str, rows: words.Rows, paint: Paint, note: str = "") -> list[str]:
    if not rows:
        return []
    about = paint("quiet", f"  {clean(note)}") if note else ""
    return [paint("strong", title) + about, *align_columns(rows, "  ", width=paint.width), ""]


def _label_parts_table(report: PeriodReport, paint: Paint) -> list[str]:
    if not report.parts:
        return []
    head = ("", "merchants", "", "new", "still open", "closed")
    return _table(f"By {clean(report.shown.group_by or '')}", [head, *words.label_part_rows(report)], paint)
