"""References that were looked up: one line for each address, however many merchants share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from controller.model.field_values import value_to_json
from controller.model.observed import Unread
from controller.model.reference_check import (
    CheckedReferences,
    FleetReferenceCheck,
    NotYetCheckable,
    UnresolvedReference,
)
from controller.reporting.formatting import clean, format_count, format_list

_SAID = {
    "unresolved": "{wish} matches none of the options of {whose}",
    "ambiguous": "{wish} matches several options of {whose}",
    "not-offered": "no such account or tax rate is offered to {whose}",
    "refused": "Codat would refuse it for {whose}: {wish}",
    "to-create": "the books of {whose} have no account {wish} yet",
}
_REMEDY = {
    "unresolved": "write {near}",
    "ambiguous": "write {near}",
    "not-offered": "un-declare it there: unmanaged: ['{field}']",
    "refused": "name another",
    "to-create": "it is created by merchantctl apply --allow create-record=NAME",
}

_WITHOUT = ("not-offered", "refused", "to-create")
"""For these there is nothing to choose from."""
_BOOKS = 5
"""So many different answers to one mistake are told, each with the merchants whose books give it."""


def reference_check_lines(check: FleetReferenceCheck) -> list[str]:
    """What does not resolve, with its address; then what could not be read."""
    lines = [_line(*group) for group in _groups(check)]
    unread = {name: each.reason for name, each in check.checks.items() if isinstance(each, Unread)}
    return [*lines, *(f"{clean(name)}: could not be read: {clean(why)}" for name, why in unread.items())]


def reference_check_summary(check: FleetReferenceCheck) -> str:
    """`12 merchants: 10 looked up, 1 with references that do not resolve; 2 not yet (waits for consent: 2).`"""
    answers = check.checks.values()
    done = [each for each in answers if isinstance(each, CheckedReferences)]
    wrong = sum(bool(each.unresolved) for each in done)
    early = Counter(each.why for each in answers if isinstance(each, NotYetCheckable))
    parts = [
        f"{format_count(len(done), 'merchant')} looked up",
        f"{wrong:,} with references that do not resolve" if wrong else "",
    ]
    parts += [f"{number:,} too early ({why})" for why, number in sorted(early.items())]
    unread = sum(isinstance(each, Unread) for each in answers)
    return ", ".join(part for part in (*parts, f"{unread:,} could not be read" if unread else "") if part) + "."


def reference_check_json(check: FleetReferenceCheck) -> dict[str, Any]:
    """`references`, one entry for each address and problem; and whom nothing could be said of, with the reason."""
    groups = [_group_json(misfit, whose) for misfit, whose in _groups(check)]
    return {
        "references": groups,
        "early": {name: each.why for name, each in check.checks.items() if isinstance(each, NotYetCheckable)},
        "unread": {name: each.reason for name, each in check.checks.items() if isinstance(each, Unread)},
    }


ReferencesByMerchant = dict[str, UnresolvedReference]
"""Merchant → what its own books say of it."""


def _groups(check: FleetReferenceCheck) -> Iterator[tuple[UnresolvedReference, ReferencesByMerchant]]:
    """Misfits by address, field and kind: a profile's mistake is one, at however many merchants it shows."""
    groups: dict[tuple[str, int, int, str, str], tuple[UnresolvedReference, ReferencesByMerchant]] = {}
    for name, answer in check.checks.items():
        for each in answer.unresolved if isinstance(answer, CheckedReferences) else ():
            key = (each.origin.file, each.origin.line, each.origin.column, each.field, each.kind)
            groups.setdefault(key, (each, {}))[1][name] = each
    for key in sorted(groups):
        yield groups[key]


def _line(misfit: UnresolvedReference, whose: ReferencesByMerchant) -> str:
    said = _SAID[misfit.kind].format(wish=misfit.reference, whose=format_list(list(whose), 3))
    near = _candidates_text(whose)
    remedy = _REMEDY[misfit.kind].format(near=near, field=misfit.field) if near else "nothing similar is offered"
    alike = f"; {misfit.name_difference}" if misfit.name_difference else ""
    return clean(f"{misfit.origin}: {misfit.field}: {said}{alike} ({remedy})")


def _candidates_text(whose: ReferencesByMerchant) -> str:
    """What could be written, and at whom: each merchant has books of its own."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, each in whose.items():
        alike.setdefault(each.candidate_texts, []).append(name)
    said = [("; or ".join(written) or "nothing similar is offered", names) for written, names in alike.items()]
    if len(said) == 1:
        return said[0][0] if next(iter(alike)) or next(iter(whose.values())).kind in _WITHOUT else ""
    shown = [f"at {format_list(names, 3)}: {words}" for words, names in said[:_BOOKS]]
    more = sum(len(names) for _, names in said[_BOOKS:])
    return "; ".join(shown) + (f"; and otherwise at {format_count(more, 'other merchant')}" if more else "")


def _group_json(misfit: UnresolvedReference, whose: ReferencesByMerchant) -> dict[str, Any]:
    at = misfit.origin
    return {
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "field": misfit.field,
        "wish": misfit.reference,
        "problem": misfit.kind,
        "merchants": [
            {"merchant": name, "candidates": [value_to_json(option) for option in each.candidates]}
            for name, each in whose.items()
        ],
    }
