"""The words of a grouped report, the same in Markdown and HTML: headings, cells, who must act, the command for more."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from controller.model.finding_filter import Shown
from controller.model.plan import Actor
from controller.model.run_policy import Scope
from controller.model.severity import Severity
from controller.model.statement_groups import Group, Line, count_merchants_by_actor, count_merchants_by_severity
from controller.model.statements import ADOPTED, RENAMED_IN_MANIFESTS, SET_LATER, Statement
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import (
    ACTOR_WORDS,
    CHANGE_LABELS,
    DIRECTIONS,
    cut_text,
    format_count,
    format_iso,
    format_time,
    format_value,
)

LONGEST_VALUE = 200
LONGEST_SENTENCE = 700
"""Characters of a value and of a cause or remedy that a table shows; JSON has the whole of it."""

LINE_COLUMNS = (
    ("field", "field"),
    ("live", "actual"),
    ("wanted", "desired"),
    ("changed", "changed"),
    ("merchants", "merchants"),
    ("cause", "about"),
    ("remedy", "what to do"),
)
"""What a table has of a line of a group, with its heading."""

_NOTE_TITLES = {
    ADOPTED: "adopt the existing company of that name",
    SET_LATER: "set later, by the first configuration: once the books are linked and read",
    RENAMED_IN_MANIFESTS: "go by another name in the manifests",
}
SEVERITY_WORDS = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFO: "Info"}
OUTCOME_WORDS = {"done": "done", "failed": "failed", "moved": "moved since the plan", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class LineWords:
    """One line of a group in words, plain text that no format has escaped yet."""

    field: str
    live: str
    wanted: str
    changed: str
    merchants: str
    cause: str
    remedy: str


def group_title(group: Group) -> str:
    """`set the configuration`, `create the company (held)`, `connection-pending`."""
    subject = group.subject
    if subject.kind:
        held = " (held)" if subject.held else ""
        title = f"{CHANGE_LABELS[subject.kind][1]}{held}"
        title = f"{title}, {subject.code}" if subject.code else title
    else:
        title = _NOTE_TITLES.get(subject.code, subject.code)
    return ": ".join(filter(None, (title, OUTCOME_WORDS.get(subject.outcome, ""))))


def group_merchants_text(group: Group) -> str:
    """`1,200 merchants`, `acme`"""
    if group.merchants == ("",):
        return "the whole fleet"
    return group.merchants[0] if len(group.merchants) == 1 else format_count(len(group.merchants), "merchant")


def group_actor_text(group: Group) -> str:
    """`merchantctl apply does it`, `waits for the merchant`; empty where nobody has to."""
    if group.subject.actor is Actor.NOBODY:
        return ""
    if group.subject.actor is Actor.APPLY:
        return "merchantctl apply does it"
    return f"waits for {ACTOR_WORDS[group.subject.actor]}"


def line_words(line: Line, group: Group) -> LineWords:
    said = line.example
    live, wanted = (
        cut_text(format_value(value, said.field), LONGEST_VALUE) if said.has_values else ""
        for value in (said.live, said.wanted)
    )
    live = "" if said.subject.code == SET_LATER else live  # there is no document yet in which it could be unset
    return LineWords(
        cut_text(said.field or "", LONGEST_VALUE),
        live,
        wanted,
        _direction_words(said),
        _merchants_text(line, group),
        cut_text("; ".join(filter(None, (said.cause, *_place_and_age_texts(line)))), LONGEST_SENTENCE),
        cut_text(said.remedy.replace("\n", "; "), LONGEST_SENTENCE),
    )


def _direction_words(said: Statement) -> str:
    """Who changed it; nothing for a value that is set for the first time, where it goes without saying."""
    is_first = said.subject.kind is not None and said.live is None and said.direction == "pending"
    return "" if is_first or said.direction is None else DIRECTIONS[said.direction]


def _merchants_text(line: Line, group: Group) -> str:
    """Names of a few, else how many, with the one that the sentences are about."""
    names = line.merchants
    if len(names) == len(group.merchants):  # the heading says how many
        example = line.example
        speaks_of_one = len(names) > 1 and example.merchant in f"{example.cause} {example.remedy}"
        return f"such as {cut_text(example.merchant, LONGEST_VALUE // 2)}" if speaks_of_one else ""
    if len(names) <= 3:
        return cut_text(", ".join(names), LONGEST_VALUE)
    # The sentences of the line are about this one.
    return f"{len(names):,}, such as {cut_text(line.example.merchant, LONGEST_VALUE // 2)}"


def _place_and_age_texts(line: Line) -> list[str]:
    words = []
    if line.places:
        (place, _), *others = line.places
        words.append(f"at {place}" + (f" and {format_count(len(others), 'other place')}" if others else ""))
    if line.since:
        words.append(f"since {format_time(line.since)}")
    if line.most_often and line.most_often > 1:
        words.append(f"{line.most_often} times in 30 days")
    return words


def severity_sentence(groups: Sequence[Group]) -> str:
    """`3 merchants critical, 57 merchants with a warning, 1,200 merchants for information`, each at its worst."""
    counts = count_merchants_by_severity(groups)
    words = {Severity.CRITICAL: "critical", Severity.WARNING: "with a warning", Severity.INFO: "for information"}
    return ", ".join(f"{format_count(number, 'merchant')} {words[each]}" for each, number in counts.items())


def actor_sentence(groups: Sequence[Group]) -> str:
    """`Who must act: our side for 12 merchants, the merchant for 300.` Empty where nobody must."""
    counts = count_merchants_by_actor(groups)
    words = [f"{ACTOR_WORDS[actor]} for {format_count(number, 'merchant')}" for actor, number in counts.items()]
    return f"Who must act: {', '.join(words)}." if words else ""


def whole_report_command(verb: str, scope: Scope, options: Sequence[str] = ()) -> str:
    """The command that shows everything of this report, in a file without a limit."""
    words = ["merchantctl", verb]
    words += [quote(str(scope.path))] if scope.path is not None else []
    words += [f"--target {quote(name)}" for name in scope.targets]
    words += [f"-l {quote(scope.selector)}"] if scope.selector else []
    command = " ".join([*words, *options])
    return f"{command if len(command) <= LONGEST_VALUE else f'merchantctl {verb}'} -o html > {verb}.html"


_ACTOR_OPTIONS = {Actor.OPERATOR: "operator", Actor.CODAT: "codat"}
"""The words of `--actor`, where they are others than those of JSON."""


def filter_flags(shown: Shown) -> list[str]:
    """The options of a command line that show the same findings."""
    wanted = shown.filter
    words = [f"--only {wanted.only.value}"] if wanted.only else []
    words += [f"--code {code}" for code in sorted(wanted.codes)]
    words += [f"--actor {_ACTOR_OPTIONS.get(actor, actor.value)}" for actor in sorted(wanted.actors)]
    words += [f"--since {format_iso(wanted.since)}"] if wanted.since else []
    return words + ([f"--group-by {quote(shown.group_by)}"] if shown.group_by else [])
