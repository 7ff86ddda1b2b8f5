"""Findings as CSV, for a spreadsheet: one row a finding, of a look or of a period."""

from __future__ import annotations

import csv
import io

from controller.model.finding_filter import EVERYTHING, Shown
from controller.model.period_report import PeriodReport
from controller.model.plan import Finding
from controller.model.report import FleetPlan
from controller.model.severity import finding_severity
from controller.reporting.as_json import all_findings, unmanaged_findings
from controller.reporting.formatting import clean, format_iso, format_value
from controller.reporting.report_provenance import provenance_json

FINDING_COLUMNS = (
    "merchant",
    "code",
    "field",
    "live",
    "wanted",
    "direction",
    "since",
    "cause",
    "remedy",
    "actor",
    "link",
)
PROVENANCE_COLUMNS = ("generatedAt", "environment", "baseUrl", "revision")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def drift_csv(plan: FleetPlan, shown: Shown = EVERYTHING, *, unmanaged: bool = False) -> str:
    """A header and one row a finding, without the line end of the last; `unmanaged` adds what no manifest claims.

    A label that the report is divided by is a column more, the last.
    """
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    label = shown.group_by
    writer.writerow((*FINDING_COLUMNS, *PROVENANCE_COLUMNS, *([f"label {label}"] if label else [])))
    made = provenance_json(plan)
    made_cells = [_defuse_formula(str(made[name] or "")) for name in PROVENANCE_COLUMNS]
    writer.writerows(
        [*_row(finding), *made_cells, *([_label_cell(plan, finding, label)] if label else [])]
        for finding in (*all_findings(plan), *(unmanaged_findings(plan) if unmanaged else ()))
    )
    return sheet.getvalue().rstrip("\n")


PERIOD_COLUMNS = ("state", "severity", *FINDING_COLUMNS, "closedAt", "how", *PROVENANCE_COLUMNS)


def period_report_csv(report: PeriodReport) -> str:
    """A header and one row a finding: `new`, `open` since before the period, or `closed` in it."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(PERIOD_COLUMNS)
    made = [format_iso(report.made_at) or "", report.environment or "", report.base_url, report.revision]
    made_cells = [_defuse_formula(cell) for cell in made]
    for state, findings in (("new", report.new), ("open", report.still_open)):
        writer.writerows([state, _severity(each), *_row(each), "", "", *made_cells] for each in findings)
    writer.writerows(
        ["closed", _severity(each.finding), *_row(each.finding), format_iso(each.closed_at), each.how, *made_cells]
        for each in report.closed
    )
    return sheet.getvalue().rstrip("\n")


def _severity(finding: Finding) -> str:
    return finding_severity(finding.code, finding.direction, finding.actor).value


def _label_cell(plan: FleetPlan, finding: Finding, label: str) -> str:
    return _defuse_formula(plan.labels.get(finding.merchant, {}).get(label, ""))


def _row(finding: Finding) -> list[str]:
    cells = (
        finding.merchant,
        finding.code,
        finding.field or "",
        "" if finding.live is None else format_value(finding.live, finding.field),
        "" if finding.wanted is None else format_value(finding.wanted, finding.field),
        finding.direction.value if finding.direction else "",
        format_iso(finding.since) or "",
        finding.cause,
        finding.one_line_remedy,
        finding.actor.value,
        finding.link or "",
    )
    return [_defuse_formula(cell) for cell in cells]


def _defuse_formula(cell: str) -> str:
    """A spreadsheet runs what looks like a formula: names come from strangers."""
    shown = clean(cell)
    return "'" + shown if shown.startswith(_FORMULA) else shown
