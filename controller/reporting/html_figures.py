"""Pictures in a page: inline SVG with the numbers beside it as text, so that nothing is told by the picture alone."""

from __future__ import annotations

from collections.abc import Sequence

from controller.model.period_report import DayCount, PeriodReport, StatusTrend
from controller.reporting.html_page import escape_text
from controller.reporting.period_words import trend_rows

_HEIGHT = 60
"""Of each half of the chart of days, in units of its viewBox; a day is 10 wide."""


def bar_chart(caption: str, rows: Sequence[tuple[str, int]], note: str = "") -> str:
    """A table with a bar in each row: the words and numbers are text, the bar is decoration."""
    most = max((number for _, number in rows), default=0)
    lines = "".join(
        f'<tr><th scope="row">{escape_text(words)}</th><td class="number">{number:,}</td>'
        f'<td class="bar">{_bar(number, most)}</td></tr>'
        for words, number in rows
    )
    quiet = f'<p class="quiet">{escape_text(note)}</p>' if note else ""
    return (
        f"<figure><figcaption>{escape_text(caption)}</figcaption><table><tbody>{lines}</tbody></table>{quiet}</figure>"
    )


def _bar(number: int, most: int) -> str:
    width = round(100 * number / most, 1) if most else 0
    return (
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" height="14" aria-hidden="true" focusable="false">'
        f'<rect width="{width}" height="10" fill="var(--bar)"/></svg>'
    )


def daily_drift_chart(days: Sequence[DayCount]) -> str:
    """What was found and ended day by day: found stands above the line, ended hangs below it, hatched."""
    most = max((max(day.opened, day.closed) for day in days), default=0)
    opened, closed = sum(day.opened for day in days), sum(day.closed for day in days)
    if not most:
        return ""
    shapes = "".join(_day_bars(place, day, most) for place, day in enumerate(days))
    told = f"Between {days[0].day} and {days[-1].day} {opened:,} drifts were found and {closed:,} ended."
    svg = (
        f'<svg viewBox="0 0 {10 * len(days)} {2 * _HEIGHT}" preserveAspectRatio="none" height="150" role="img" '
        f'aria-label="{escape_text(told)} The numbers follow as a table.">'
        '<defs><pattern id="hatch" width="3" height="3" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="1.5" height="3" fill="var(--other)"/></pattern></defs>'
        f'{shapes}<line x1="0" x2="{10 * len(days)}" y1="{_HEIGHT}" y2="{_HEIGHT}" stroke="var(--quiet)" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
    legend = (
        f'<div class="legend"><span>above the line: found ({opened:,})</span>'
        f"<span>below, hatched: ended ({closed:,})</span><span>longest bar: {most:,}</span></div>"
    )
    ends = f'<div class="ends"><span>{days[0].day}</span><span>{days[-1].day}</span></div>'
    return (
        f"<figure><figcaption>Drift found and ended, a day</figcaption>{legend}{svg}{ends}"
        f"<details><summary>The numbers</summary>{_day_counts_table(days)}</details></figure>"
    )


def trends_chart(report: PeriodReport) -> str:
    """A row a status: its trend as bars, a day each, and in numbers how many there were at first, and are at last."""
    lines = "".join(
        f'<tr><th scope="row">{escape_text(status)}</th><td class="number">{first}</td>'
        f'<td class="bar">{_trend_bars(trend)}</td><td class="number">{last}</td></tr>'
        for trend, (status, first, *_, last) in zip(report.trends, trend_rows(report), strict=True)
    )
    days = f"{report.days[0].day} to {report.days[-1].day}"
    head = '<tr><th scope="col">status</th><th scope="col" class="number">at first</th><th scope="col">'
    head += 'by day</th><th scope="col" class="number">at last</th></tr>'
    table = f"<table><thead>{head}</thead><tbody>{lines}</tbody></table>"
    note = "Each row is drawn to its own highest day. A day without a bar is one of which nothing is known, or none."
    return (
        f"<figure><figcaption>Merchants by status, {days}</figcaption>{table}"
        f'<p class="quiet">{note}</p>'
        f"<details><summary>The numbers</summary>{_trend_table(report)}</details></figure>"
    )


def _trend_bars(trend: StatusTrend) -> str:
    most = max(trend.known_counts, default=0)
    shapes = "".join(
        f'<rect x="{10 * place + 1}" y="{40 - height}" width="8" height="{height}" fill="var(--bar)"/>'
        for place, count in enumerate(trend.counts)
        if count and (height := round(38 * count / most, 1))
    )
    size = f'viewBox="0 0 {10 * len(trend.counts)} 40" preserveAspectRatio="none" height="28"'
    return f'<svg {size} aria-hidden="true" focusable="false">{shapes}</svg>'


def _trend_table(report: PeriodReport) -> str:
    """Days of which nothing is known are left out."""
    top = "".join(f'<th scope="col" class="number">{escape_text(row[0])}</th>' for row in trend_rows(report))
    days = zip(report.days, *(trend.counts for trend in report.trends), strict=True)
    cell = '<td class="number">{:,}</td>'
    lines = "".join(
        f'<tr><th scope="row">{day.day}</th>{"".join(map(cell.format, counts))}</tr>'
        for day, *counts in days
        if None not in counts
    )
    return f'<table><thead><tr><th scope="col">day</th>{top}</tr></thead><tbody>{lines}</tbody></table>'


def _day_bars(place: int, day: DayCount, most: int) -> str:
    up, down = (round((_HEIGHT - 2) * number / most, 1) for number in (day.opened, day.closed))
    shapes = ""
    if up:
        shapes += f'<rect x="{10 * place + 1}" y="{_HEIGHT - up}" width="8" height="{up}" fill="var(--bar)"/>'
    if down:
        shapes += (
            f'<rect x="{10 * place + 1}" y="{_HEIGHT}" width="8" height="{down}" fill="url(#hatch)" '
            'stroke="var(--other)" vector-effect="non-scaling-stroke"/>'
        )
    return shapes


def _day_counts_table(days: Sequence[DayCount]) -> str:
    """Days on which nothing happened are left out."""
    lines = "".join(
        f'<tr><th scope="row">{day.day}</th><td class="number">{day.opened:,}</td>'
        f'<td class="number">{day.closed:,}</td></tr>'
        for day in days
        if day.opened or day.closed
    )
    head = (
        '<tr><th scope="col">day</th><th scope="col" class="number">found</th><th scope="col" class="number">ended</th>'
    )
    return f"<table><thead>{head}</tr></thead><tbody>{lines}</tbody></table>"
