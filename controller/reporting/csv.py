"""Findings as CSV, for a spreadsheet: one row a finding."""

from __future__ import annotations

import csv
import io

from controller.model.plan import Finding
from controller.model.report import FleetPlan
from controller.reporting.as_json import findings_of, strangers
from controller.reporting.words import instant, value_words

COLUMNS = ("merchant", "code", "field", "live", "wanted", "direction", "since", "cause", "remedy", "actor", "link")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def drift_csv(plan: FleetPlan, *, unmanaged: bool = False) -> str:
    """A header and one row a finding, without the line end of the last; `unmanaged` adds what no manifest claims."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(finding) for finding in (*findings_of(plan), *(strangers(plan) if unmanaged else ())))
    return sheet.getvalue().rstrip("\n")


def _row(finding: Finding) -> list[str]:
    cells = (
        finding.merchant,
        finding.code,
        finding.field or "",
        "" if finding.live is None else value_words(finding.live, finding.field),
        "" if finding.wanted is None else value_words(finding.wanted, finding.field),
        finding.direction.value if finding.direction else "",
        instant(finding.since) or "",
        finding.cause,
        finding.remedy,
        finding.actor.value,
        finding.link or "",
    )
    return [_harmless(cell) for cell in cells]


def _harmless(cell: str) -> str:
    """A spreadsheet runs what looks like a formula: names come from strangers."""
    return "'" + cell if cell.startswith(_FORMULA) else cell
