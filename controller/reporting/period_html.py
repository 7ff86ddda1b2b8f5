"""A report of a period as a page: the numbers and their pictures, then what is open, then what is over."""

from __future__ import annotations

from collections.abc import Sequence

from controller.model.merchant_status import STATUS_MEANINGS
from controller.model.period_report import PeriodReport
from controller.model.plan import Finding
from controller.model.statement_groups import group_statements
from controller.model.statements import finding_statements
from controller.reporting import period_words as words
from controller.reporting.formatting import format_time
from controller.reporting.html_figures import bar_chart, daily_drift_chart, trends_chart
from controller.reporting.html_groups import groups_html, severity_and_actor_tiles
from controller.reporting.html_page import FILTER, Section, bullets, facts_list, page, paragraph, plain_table
from controller.reporting.report_provenance import SHORT_REVISION_DIGITS, filter_text


def period_report_html(report: PeriodReport) -> str:
    of = f" of {report.environment}" if report.environment else ""
    sections: list[Section] = [("summary", "Summary", _summary(report))]
    sections += _not_booked_section(report)
    sections += _findings_section("new", "New", report.new, FILTER)
    sections += _findings_section("open", "Still open", report.still_open, "" if report.new else FILTER)
    sections += _closed_section(report)
    sections += _table_section(
        "again", "Again and again", ("merchant", "finding", "times", "now"), words.recurrence_rows(report)
    )
    if report.parts:
        head = ("value", "merchants", "status", "new", "still open", "closed")
        sections += _table_section("parts", f"By {report.shown.group_by}", head, words.label_part_rows(report))
    return page(
        f"Fleet report{of}, {report.made_at:%Y-%m-%d}", [_facts(report)], sections, words.provenance_text(report)
    )


def _facts(report: PeriodReport) -> str:
    looks = [format_time(at) for at in (report.oldest_look_at, report.newest_look_at) if at]
    if len(set(looks)) == 1:
        looks = looks[:1]
    return facts_list(
        [
            ("Made", format_time(report.made_at)),
            ("Period", words.period_text(report)),
            ("Environment", report.environment or ""),
            ("API", report.base_url),
            ("Manifests", report.revision[:SHORT_REVISION_DIGITS]),
            ("Looked at", " to ".join(looks)),
            ("Never looked at", f"{report.never_looked_at:,} merchants" if report.never_looked_at else ""),
        ]
    )


def _summary(report: PeriodReport) -> str:
    filtered = paragraph(filter_text(report.shown), "notice") if filter_text(report.shown) else ""
    notes = f'<div class="notice">{bullets(report.notes)}</div>' if report.notes else ""
    groups = group_statements(finding_statements(report.open_findings))
    lead = [
        paragraph(f"{words.status_counts_text(report)}.", "lead"),
        paragraph(f"In the period: {words.finding_counts_text(report)}."),
    ]
    lead += [paragraph(f"{text}.", "notice") for text in [words.not_booked_text(report)] if text]
    return "".join(
        [
            *lead,
            filtered,
            notes,
            severity_and_actor_tiles(groups),
            f'<div class="figures">{"".join(_figures(report))}</div>',
        ]
    )


def _figures(report: PeriodReport) -> list[str]:
    statuses = [(STATUS_MEANINGS[status].label, number) for status, number in report.statuses.items()]
    figures = [bar_chart("Merchants by status", statuses)] if statuses else []
    figures += [trends_chart(report)] if report.trends else []
    figures.append(daily_drift_chart(report.days))
    if any(report.ages):
        figures.append(bar_chart("Age of open drift", list(zip(words.age_range_words(), report.ages, strict=True))))
    if any(report.data_ages):
        figures.append(
            bar_chart("Age of reference data", list(zip(words.age_range_words(), report.data_ages, strict=True)))
        )
    if report.rollout:
        note = f"wave {report.rollout.current_wave} of {report.rollout.wave_count}"
        figures.append(bar_chart(f"Rollout {report.rollout.name}", words.rollout_rows(report.rollout), note))
    figures.append(bar_chart("Onboarding", [(words.FUNNEL_WORDS[step], number) for step, number in report.funnel]))
    syncs = [
        (title, report.sync_outcomes[word]) for word, title in words.SYNC_WORDS.items() if word in report.sync_outcomes
    ]
    return figures + ([bar_chart("Last syncs", syncs, words.sync_read_times_text(report))] if syncs else [])


def _not_booked_section(report: PeriodReport) -> list[Section]:
    """By cause a sentence, what to do, and the merchants."""
    if not report.not_booked:
        return []
    parts = [
        paragraph(words.not_booked_title(group))
        + paragraph(words.not_booked_remedy(group), "notice")
        + plain_table(words.NOT_BOOKED_HEAD, words.not_booked_rows(group))
        for group in report.not_booked
    ]
    return [("not-booked", "Not being booked", "".join(parts))]


def _findings_section(name: str, title: str, findings: Sequence[Finding], html_before: str) -> list[Section]:
    if not findings:
        return []
    return [
        (name, f"{title}: {len(findings):,}", html_before + groups_html(group_statements(finding_statements(findings))))
    ]


def _closed_section(report: PeriodReport) -> list[Section]:
    if not report.closed:
        return []
    groups = group_statements(finding_statements(each.finding for each in report.closed))
    how = plain_table(("how it ended", "findings"), words.ending_rows(report))
    return [("closed", f"Closed: {len(report.closed):,}", how + groups_html(groups))]


def _table_section(name: str, title: str, head: Sequence[str], rows: words.Rows) -> list[Section]:
    return [(name, title, plain_table(head, rows))] if rows else []
