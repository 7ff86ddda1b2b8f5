"""Groups of a report as Markdown within a number of characters: a heading, a table, and folded whom it is about.

What fits is shown whole, the first groups first; then a few lines of each, then headings alone, then how many more
there are. Every group's heading is kept room for before another one is shown whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.model.statement_groups import Group
from controller.reporting.formatting import cut_text, format_count
from controller.reporting.group_words import (
    LINE_COLUMNS,
    LONGEST_VALUE,
    SEVERITY_WORDS,
    LineWords,
    group_actor_text,
    group_merchants_text,
    group_title,
    line_words,
)
from controller.reporting.markdown_escape import escape_markdown
from controller.untrusted_text import is_web_address

MAX_LINES_IN_GROUP = 200
FEWER_LINES = (25, 4)
"""Lines of a group's table: all of these where there is room, else so many, else so few."""
NAMES_CHARACTERS = 1_500
"""Of the folded list of names of a group."""
LINKS_CHARACTERS = 6_000
HEADINGS_SHARE = 0.3
"""So much of the room is kept for the headings of the groups still to come."""


def fit_groups(groups: Sequence[Group], room: int, command: str) -> list[str]:
    """The groups in at most `room` characters, line breaks included. `command` shows what is left out."""
    headings = [_heading(group) for group in groups]
    headings_to_come = sum(count_characters([heading, ""]) for heading in headings)
    lines: list[str] = []
    used, shown = 0, 0
    for group, heading in zip(groups, headings, strict=True):
        headings_to_come -= count_characters([heading, ""])
        reserve = min(headings_to_come, int(room * HEADINGS_SHARE)) + _OMISSION_CHARACTERS
        forms = ([heading, "", *form] for form in _forms_longest_first(group, command))
        fitting = next((form for form in forms if used + count_characters(form) + reserve <= room), None)
        if fitting is None and used + count_characters([heading, ""]) + _OMISSION_CHARACTERS <= room:
            fitting = [heading, ""]
        if fitting is None:
            break
        lines += fitting
        used += count_characters(fitting)
        shown += 1
    if shown < len(groups):
        names = {name for group in groups[shown:] for name in group.merchants}
        more = format_count(len(groups) - shown, "more group")
        lines += [f"_{more} about {format_count(len(names), 'merchant')} left out: {command} shows everything._", ""]
    return lines


_OMISSION_CHARACTERS = 600
"""What the sentence about left-out groups may take, its command included."""


def count_characters(lines: Iterable[str]) -> int:
    """Characters of these lines, each with its line break."""
    return sum(len(line) + 1 for line in lines)


def fit_list(words: Sequence[str], room: int, more: str) -> str:
    """`a, b, c`, escaped, as many as fit in `room`; then how many more: `and 12 more` and `more`."""
    shown: list[str] = []
    used = 0
    for number, word in enumerate(words):
        escaped = escape_markdown(cut_text(word, LONGEST_VALUE))
        if used + len(escaped) + 2 > room:
            return f"{', '.join(shown)} and {len(words) - number:,} more{more}" if shown else f"{len(words):,}{more}"
        shown.append(escaped)
        used += len(escaped) + 2
    return ", ".join(shown)


def fit_bullets(items: Iterable[str], total: int, room: int) -> list[str]:
    """A list of texts that are Markdown already, as many as fit; then how many more of all there are."""
    lines: list[str] = []
    for number, item in enumerate(items):
        if count_characters([*lines, f"- {item}"]) > room:
            return [*lines, f"- and {total - number:,} more"]
        lines.append(f"- {item}")
    return lines


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The cells are Markdown already."""
    return ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *rows)]


def _heading(group: Group) -> str:
    severity = SEVERITY_WORDS[group.subject.severity]
    title, about = (
        escape_markdown(cut_text(text, LONGEST_VALUE)) for text in (group_title(group), group_merchants_text(group))
    )
    acts = group_actor_text(group)
    return f"#### {severity}: {title} — {about}" + (f" ({acts})" if acts else "")


def _forms_longest_first(group: Group, command: str) -> Iterable[list[str]]:
    """What stands below the group's heading, from the longest form to the shortest."""
    folded = [*_links(group, command), *_names(group, command)]
    for most in (MAX_LINES_IN_GROUP, *FEWER_LINES):
        yield [*_table(group, most, command), "", *(folded if most not in FEWER_LINES[-1:] else ())]


def _table(group: Group, most: int, command: str) -> list[str]:
    """Only columns in which something stands."""
    words = [line_words(line, group) for line in group.lines[:most]]
    used = [(name, title) for name, title in LINE_COLUMNS if any(getattr(line, name) for line in words)]
    rows = [[_cell(line, name) for name, _ in used] for line in words]
    lines = table([title for _, title in used], rows) if used else []
    left_out = group.lines[most:]
    if left_out:
        names = {name for line in left_out for name in line.merchants}
        more = f"{format_count(len(left_out), 'more line')} about {format_count(len(names), 'merchant')}"
        lines += ["", f"_{more}: {command}_"]
    return lines


def _cell(line: LineWords, name: str) -> str:
    text: str = getattr(line, name)
    return escape_markdown(text)


def _links(group: Group, command: str) -> list[str]:
    links = [f"{escape_markdown(name)}: <{link}>" for name, link in group.links if is_web_address(link)]
    if not links:
        return []
    if len(links) == 1:
        return [f"Link to send: {links[0]}", ""]
    shown = fit_bullets(links, len(links), LINKS_CHARACTERS)
    more = [f"\nAll of them: {command}"] if len(shown) < len(links) or "more" in shown[-1][:14] else []
    return [*_details_block(f"{format_count(len(links), 'link')} to send", [*shown, *more])]


def _names(group: Group, command: str) -> list[str]:
    """Whom it is about, where neither heading nor lines say it already."""
    is_long = len(group.lines) > MAX_LINES_IN_GROUP
    if len(group.merchants) == 1 or not (is_long or any(len(line.merchants) > 3 for line in group.lines)):
        return []
    names = fit_list(group.merchants, NAMES_CHARACTERS, f" ({command} names all)")
    return _details_block(f"The {format_count(len(group.merchants), 'merchant')}", [names])


def _details_block(summary: str, content: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *content, "", "</details>", ""]
