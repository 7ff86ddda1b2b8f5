"""Names into ids: a merchant's declared references looked up in that merchant's own options. Nothing is guessed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.model.observed import Configuration
from controller.model.schedule import utc_hour
from controller.model.values import START_DATE, Clock, Declared, Option, Ref, Value, locate

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """A reference that has no single answer, or a key that live does not offer.

    kind        "unresolved" (no option matches), "ambiguous" (several do), "not-offered" (no such row or rate)
    candidates  the nearest options, or those that match
    """

    field: str
    kind: str
    wish: str
    candidates: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """Declared fields with one answer each, and the problems of the rest; both by the manifest's own path."""

    values: Mapping[str, Value]
    problems: tuple[Problem, ...]


def resolve(fields: Mapping[str, Declared], live: Configuration, now: datetime) -> Resolved:
    """Every declared field as this merchant's document would hold it."""
    answers = {path: _answer(path, wish, fields, live, now) for path, wish in fields.items()}
    values = {path: answer for path, answer in answers.items() if not isinstance(answer, Problem)}
    problems = tuple(answer for answer in answers.values() if isinstance(answer, Problem))
    return Resolved(values, problems)


def _answer(
    path: str, wish: Declared, fields: Mapping[str, Declared], live: Configuration, now: datetime
) -> Value | Problem:
    place = locate(live.values, path)
    if place is None:
        return Problem(path, "not-offered", str(wish))
    if isinstance(wish, Ref):
        return _look_up(path, wish, live.options.get(place, ()))
    if isinstance(wish, Clock):
        start = fields.get(START_DATE)
        return utc_hour(wish, now, start if isinstance(start, datetime) else None)
    return wish


def _look_up(path: str, ref: Ref, options: tuple[Option, ...]) -> Option | Problem:
    matching = tuple(option for option in options if getattr(option, ref.by) == ref.value)
    if len(matching) == 1:
        return matching[0]
    if matching:
        return Problem(path, "ambiguous", str(ref), matching[: SHOWN + 2])
    return Problem(path, "unresolved", str(ref), nearest(ref, options))


def nearest(ref: Ref, options: tuple[Option, ...]) -> tuple[Option, ...]:
    """The options that resemble a reference most, by the word it uses; some of them where none does."""
    by_word = {str(getattr(option, ref.by) or ""): option for option in options}
    close = difflib.get_close_matches(ref.value, by_word, n=SHOWN, cutoff=0.5)
    return tuple(by_word[word] for word in close) or options[:SHOWN]
