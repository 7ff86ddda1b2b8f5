"""References that were looked up: one line for each address, however many merchants share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from controller.model.lookup import FleetLookup, LookedUp, Misfit, TooEarly
from controller.model.observed import Unread
from controller.model.values import Option, to_json
from controller.reporting.words import clean, count, listed

_SAID = {
    "unresolved": "{wish} matches none of the options of {whose}",
    "ambiguous": "{wish} matches several options of {whose}",
    "not-offered": "no such account or tax rate is offered to {whose}",
}
_REMEDY = {
    "unresolved": "the nearest: {near}",
    "ambiguous": "write one of: {near}",
    "not-offered": "un-declare it there: unmanaged: ['{field}']",
}


def lookup_lines(looked: FleetLookup) -> list[str]:
    """What does not resolve, with its address; then what could not be read."""
    lines = [_line(*group) for group in _groups(looked)]
    unread = {name: each.reason for name, each in looked.answers.items() if isinstance(each, Unread)}
    return [*lines, *(f"{clean(name)}: could not be read: {clean(why)}" for name, why in unread.items())]


def lookup_summary(looked: FleetLookup) -> str:
    """`12 merchants: 10 looked up, 1 with references that do not resolve; 2 not yet (waits for consent: 2).`"""
    answers = looked.answers.values()
    done = [each for each in answers if isinstance(each, LookedUp)]
    wrong = sum(bool(each.misfits) for each in done)
    early = Counter(each.why for each in answers if isinstance(each, TooEarly))
    parts = [
        f"{count(len(done), 'merchant')} looked up",
        f"{wrong:,} with references that do not resolve" if wrong else "",
    ]
    parts += [f"{number:,} too early ({why})" for why, number in sorted(early.items())]
    unread = sum(isinstance(each, Unread) for each in answers)
    return ", ".join(part for part in (*parts, f"{unread:,} could not be read" if unread else "") if part) + "."


def lookup_json(looked: FleetLookup) -> dict[str, Any]:
    """`references`, one entry for each address and problem; and whom nothing could be said of, with the reason."""
    groups = [_group_json(misfit, whose) for misfit, whose in _groups(looked)]
    return {
        "references": groups,
        "early": {name: each.why for name, each in looked.answers.items() if isinstance(each, TooEarly)},
        "unread": {name: each.reason for name, each in looked.answers.items() if isinstance(each, Unread)},
    }


Whose = dict[str, tuple[Option, ...]]
"""Merchant → the candidates in its books."""


def _groups(looked: FleetLookup) -> Iterator[tuple[Misfit, Whose]]:
    """Misfits by address, field and kind: a profile's mistake is one, at however many merchants it shows."""
    groups: dict[tuple[str, int, int, str, str], tuple[Misfit, Whose]] = {}
    for name, answer in looked.answers.items():
        for each in answer.misfits if isinstance(answer, LookedUp) else ():
            key = (each.origin.file, each.origin.line, each.origin.column, each.field, each.kind)
            groups.setdefault(key, (each, {}))[1][name] = each.candidates
    for key in sorted(groups):
        yield groups[key]


def _line(misfit: Misfit, whose: Whose) -> str:
    said = _SAID[misfit.kind].format(wish=misfit.wish, whose=listed(list(whose), 3))
    near = "; ".join(_option(each, misfit.kind) for each in misfit.candidates) or "none is offered"
    at = f" at {next(iter(whose))}" if len(whose) > 1 and misfit.kind != "not-offered" else ""
    remedy = _REMEDY[misfit.kind].format(near=near + at, field=misfit.field)
    return clean(f"{misfit.origin}: {misfit.field}: {said} ({remedy})")


def _option(option: Option, kind: str) -> str:
    """Where a name fits several, only their ids tell them apart."""
    name = option.name or option.id
    if kind == "ambiguous":
        return f"{{id: {option.id}}} {name}"
    return f"{name} (code {option.code})" if option.code else name


def _group_json(misfit: Misfit, whose: Whose) -> dict[str, Any]:
    at = misfit.origin
    return {
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "field": misfit.field,
        "wish": misfit.wish,
        "problem": misfit.kind,
        "merchants": [
            {"merchant": name, "candidates": [to_json(each) for each in candidates]}
            for name, candidates in whose.items()
        ],
    }
