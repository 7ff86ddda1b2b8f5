"""Groups of a report in HTML: a table of what is the same, and folded whom it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from controller.model.severity import Severity
from controller.model.statement_groups import Group, Line, count_merchants_by_actor, count_merchants_by_severity
from controller.reporting.formatting import ACTOR_WORDS, format_count
from controller.reporting.group_words import (
    LINE_COLUMNS,
    SEVERITY_WORDS,
    LineWords,
    group_actor_text,
    group_merchants_text,
    group_title,
    line_words,
)
from controller.reporting.html_page import escape_text, folding_table, link

NAMED_IN_CELL = 3

_BEST_BREAKS = re.compile(r"(?<=\w)([./])(?=\w)")
"""Where paths of fields and of files break best."""


def groups_html(groups: Sequence[Group]) -> str:
    return "".join(map(_group, groups))


def severity_and_actor_tiles(groups: Sequence[Group]) -> str:
    """How many merchants are how badly off, and who must act for how many: numbers with their words."""
    words = {Severity.CRITICAL: "critical", Severity.WARNING: "with a warning", Severity.INFO: "for information"}
    shown = [
        f'<li class="{severity.value}"><b>{number:,}</b>merchant{"s" * (number != 1)} {words[severity]}</li>'
        for severity, number in count_merchants_by_severity(groups).items()
    ]
    actors = "".join(
        f"<li>{escape_text(ACTOR_WORDS[actor])}: {format_count(number, 'merchant')}</li>"
        for actor, number in count_merchants_by_actor(groups).items()
    )
    who = f"<h3>Who must act</h3><ul>{actors}</ul>" if actors else ""
    return (f'<ul class="tiles">{"".join(shown)}</ul>' if shown else "") + who


def _group(group: Group) -> str:
    severity = group.subject.severity
    badge = f'<span class="badge {severity.value}">{SEVERITY_WORDS[severity]}</span>'
    heading = f"<h3>{badge} {escape_text(group_title(group))}, {escape_text(group_merchants_text(group))}</h3>"
    acts = f'<p class="quiet">{escape_text(group_actor_text(group))}</p>' if group_actor_text(group) else ""
    whose = _folded_names(group.merchants, are_all=True) if any(len(each.merchants) > 1 for each in group.lines) else ""
    body = "".join([heading, acts, _table(group), _links(group), whose])
    return f'<article class="group {severity.value}">{body}</article>'


def _table(group: Group) -> str:
    """Only columns in which something stands; many lines are folded."""
    told = [(line, line_words(line, group)) for line in group.lines]
    used = [
        (name, title)
        for name, title in LINE_COLUMNS
        if name != "merchants" and any(getattr(words, name) for _, words in told)
    ]
    with_names = any(len(line.merchants) < len(group.merchants) for line in group.lines)
    heads = [title for _, title in used] + (["merchants"] if with_names else [])
    rows = [_row(line, words, used, with_names) for line, words in told]
    return folding_table(heads, rows, "more line") if heads else ""


def _row(line: Line, words: LineWords, used: Sequence[tuple[str, str]], with_names: bool) -> str:
    told = {name: _BEST_BREAKS.sub(r"\1<wbr>", escape_text(getattr(words, name))) for name, _ in used}
    cells = [f'<td data-of="{title}">{told[name]}</td>' if told[name] else "<td></td>" for name, title in used]
    if with_names:
        few = len(line.merchants) <= NAMED_IN_CELL
        names = escape_text(", ".join(line.merchants)) if few else _folded_names(line.merchants)
        cells.append(f'<td data-of="merchants">{names}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _folded_names(names: Sequence[str], *, are_all: bool = False) -> str:
    """Empty for one name. `are_all`: they are everyone whom the group is about."""
    if len(names) <= 1:
        return ""
    summary = f"The {format_count(len(names), 'merchant')}" if are_all else format_count(len(names), "merchant")
    items = "".join(f"<li>{escape_text(name)}</li>" for name in names)
    return f'<details><summary>{summary}</summary><ul class="names">{items}</ul></details>'


def _links(group: Group) -> str:
    links = [(name, link(address)) for name, address in group.links]
    items = [f"<li>{escape_text(name)}: {address}</li>" for name, address in links if address]
    if len(items) <= 1:
        return f"<p>Link to send: {links[0][1]}</p>" if items else ""
    return f"<details><summary>{format_count(len(items), 'link')} to send</summary><ul>{''.join(items)}</ul></details>"
