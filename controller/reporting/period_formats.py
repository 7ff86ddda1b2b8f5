"""What renders a report of a period, by format: for `report -o`, and for what is sent by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.model.period_report import PeriodReport


def _text(report: PeriodReport) -> str:
    from controller.reporting.period_text import period_report_text

    return period_report_text(report)


def _json(report: PeriodReport) -> str:
    from controller.reporting.as_json import dumps
    from controller.reporting.period_json import period_report_json

    return dumps(period_report_json(report))


def _markdown(report: PeriodReport) -> str:
    from controller.reporting.period_markdown import period_report_markdown

    return period_report_markdown(report)


def _html(report: PeriodReport) -> str:
    from controller.reporting.period_html import period_report_html

    return period_report_html(report)


def _csv(report: PeriodReport) -> str:
    from controller.reporting.csv import period_report_csv

    # Without the byte order mark a spreadsheet takes UTF-8 for the code page of its own country.
    return "\ufeff" + period_report_csv(report)


PERIOD_FORMATS: Mapping[str, Callable[[PeriodReport], str]] = {
    "text": _text,
    "json": _json,
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
}
FILES: Mapping[str, tuple[str, str]] = {
    "text": ("txt", "text/plain"),
    "json": ("json", "application/json"),
    "markdown": ("md", "text/markdown"),
    "html": ("html", "text/html"),
    "csv": ("csv", "text/csv"),
}
"""How a file of each format ends, and its media type."""
