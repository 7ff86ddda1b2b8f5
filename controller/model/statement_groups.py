"""A report grouped by what is the same: this line of this profile -> 1,200 merchants, the most severe first. Pure.

statements  ─▶ Line   one field with its values, or one finding, of everybody of whom the same is to be said
lines       ─▶ Group  lines about the same merchants: a change of twenty fields for 1,200 merchants is one group

Two values are the same when people read the same: an account «Tips (610)» has another id in everybody's books.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.field_values import Option, Ref, Value
from controller.model.plan import Actor, Direction
from controller.model.severity import Severity
from controller.model.statements import Statement, Subject
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """What is the same for some merchants of a group.

    example    the statement about the first of them: its sentences may hold that merchant's name
    since      when it was seen first, of any of them
    most_often how often it came within 30 days, of the one to whom it came most often
    places     where the value is declared, and for how many of them; the place of most of them first
    """

    example: Statement
    merchants: tuple[str, ...]
    since: datetime | None
    most_often: int | None
    places: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What one block of a report says; its lines are about most merchants first. `links`: by merchant what to send."""

    subject: Subject
    merchants: tuple[str, ...]
    lines: tuple[Line, ...]
    links: tuple[tuple[str, str], ...] = ()


def group_statements(statements: Iterable[Statement]) -> tuple[Group, ...]:
    """The statements as groups: the most severe first, then those about most merchants."""
    by_field: dict[Hashable, list[Statement]] = defaultdict(list)
    for statement in statements:
        by_field[statement.subject, statement.field].append(statement)
    alike: dict[Hashable, list[tuple[tuple[str, ...], list[Statement]]]] = defaultdict(list)
    for said in by_field.values():
        merchants = tuple(sorted({statement.merchant for statement in said}))
        alike[said[0].subject, merchants].append((merchants, said))
    groups = [
        Group(
            fields[0][1][0].subject,
            fields[0][0],
            tuple(line for _, said in fields for line in _lines(said)),
            tuple(sorted({(each.merchant, each.link) for _, said in fields for each in said if each.link})),
        )
        for fields in alike.values()
    ]
    return tuple(sorted(groups, key=_urgency))


def count_merchants_by_actor(groups: Iterable[Group]) -> Mapping[Actor, int]:
    """How many merchants wait for whom; for nobody is not among them, and the account is no merchant."""
    names: dict[Actor, set[str]] = defaultdict(set)
    for group in groups:
        names[group.subject.actor].update({*group.merchants} - {ACCOUNT_NAME})
    return {actor: len(names[actor]) for actor in ACTORS_BY_URGENCY if names.get(actor)}


ACTORS_BY_URGENCY = (Actor.OPERATOR, Actor.MERCHANT, Actor.CODAT, Actor.APPLY)
"""Who can be waited for; those who must be asked first."""


def count_merchants_by_severity(groups: Iterable[Group]) -> Mapping[Severity, int]:
    """How many merchants have something of each severity; a merchant counts once, at its worst."""
    worst: dict[str, Severity] = {}
    for group in sorted(groups, key=lambda group: group.subject.severity.rank):
        for name in {*group.merchants} - {ACCOUNT_NAME}:
            worst.setdefault(name, group.subject.severity)
    counts = Counter(worst.values())
    return {severity: counts[severity] for severity in Severity if counts[severity]}


_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


def without_name_and_ids(text: str, merchant: str) -> str:
    """A sentence but for the merchant's name and ids: sentences that differ in nothing else say the same."""
    if merchant and merchant in text:
        text = _without_word(text, merchant)
    return _ID.sub("", text) if "-" in text else text


def _without_word(text: str, word: str) -> str:
    """A pattern for each merchant's name would take longer to compile than all sentences to read."""
    kept, begin, at = list[str](), 0, text.find(word)
    while at >= 0:
        end = at + len(word)
        if _may_be_in_name(text[at - 1 : at]) or _may_be_in_name(text[end : end + 1]):
            at = text.find(word, at + 1)
        else:
            kept.append(text[begin:at])
            begin, at = end, text.find(word, end)
    return "".join((*kept, text[begin:]))


def _may_be_in_name(sign: str) -> bool:
    return sign.isalnum() or sign in ("_", "-")


def _urgency(group: Group) -> tuple[int, int, int, str]:
    actors = (*ACTORS_BY_URGENCY, Actor.NOBODY)
    return (group.subject.severity.rank, -len(group.merchants), actors.index(group.subject.actor), group.merchants[0])


def _lines(said: Sequence[Statement]) -> list[Line]:
    """One field's, by what people read the same; for most merchants first."""
    same: dict[Hashable, list[Statement]] = defaultdict(list)
    for statement in said:
        same[_what_people_read(statement)].append(statement)
    lines = [_line(statements) for statements in same.values()]
    return sorted(lines, key=lambda line: (-len(line.merchants), line.merchants[0]))


def _line(statements: Sequence[Statement]) -> Line:
    places = Counter(statement.manifest for statement in statements if statement.manifest)
    seen = [statement.since for statement in statements if statement.since]
    return Line(
        min(statements, key=lambda statement: statement.merchant),
        tuple(sorted({statement.merchant for statement in statements})),
        min(seen, default=None),
        max((statement.occurrences or 0 for statement in statements), default=0) or None,
        tuple(sorted(places.items(), key=lambda place: (-place[1], place[0]))),
    )


def _what_people_read(statement: Statement) -> tuple[str, str, Direction | None, str, str]:
    live, wanted = (_displayed_value(value) for value in (statement.live, statement.wanted))
    cause, remedy = (without_name_and_ids(text, statement.merchant) for text in (statement.cause, statement.remedy))
    return live, wanted, statement.direction, cause, remedy


def _displayed_value(value: Value | Ref) -> str:
    """Selections by code and name; ids differ from merchant to merchant."""
    if isinstance(value, Option) and value.name:
        return f"{value.name} {value.code}"
    return repr(value)
