"""References into options: declared references looked up in the merchant's own options. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime

from controller.model.field_values import (
    START_DATE_PATH,
    DeclaredValue,
    LocalTime,
    Option,
    Ref,
    Value,
    ref_kind,
    resolve_live_path,
    values_equal,
)
from controller.model.local_times import utc_hour
from controller.model.name_matching import name_difference, nfc
from controller.model.observed import Absent, BooksRecord, Configuration, Unread
from controller.planning.configuration_rules import without_refused_options
from controller.planning.suggestions import MAX_SUGGESTIONS, suggest_options
from controller.quick_dataclasses import dataclass

RecordsById = Mapping[tuple[str, str], BooksRecord | Absent | Unread]


@dataclass(frozen=True, slots=True)
class KnownReferences:
    """What is known of references beside the options.

    applied  by field, the option that was set last
    records  by (kind, id), what the books have of a record
    """

    applied: Mapping[str, Value] = field(default_factory=dict)
    records: RecordsById = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolutionProblem:
    """A reference that has no single answer, or a key that live does not offer.

    kind            "unresolved" (no option matches), "ambiguous" (several do), "not-offered" (no such row or rate)
    candidates      the options that match, or that resemble it, the best first; none where nothing does
    renamed_option  what it led to last, where that is offered under another name or code now; the first candidate
    """

    field: str
    kind: str
    reference: str
    candidates: tuple[Option, ...] = ()
    renamed_option: Option | None = None


@dataclass(frozen=True, slots=True)
class ResolvedFields:
    """Declared fields with their values, and the problems of those that have none; both by the manifest's own path."""

    values: Mapping[str, Value]
    problems: tuple[ResolutionProblem, ...]


NO_KNOWN_REFERENCES = KnownReferences()


def resolve_fields(
    fields: Mapping[str, DeclaredValue],
    live: Configuration,
    now: datetime,
    known: KnownReferences = NO_KNOWN_REFERENCES,
) -> ResolvedFields:
    """Every declared field as this merchant's document would hold it. `now` decides the UTC hour of a local time."""
    answers = {path: _resolve_field(path, wish, fields, live, now, known) for path, wish in fields.items()}
    values = {path: answer for path, answer in answers.items() if not isinstance(answer, ResolutionProblem)}
    problems = tuple(answer for answer in answers.values() if isinstance(answer, ResolutionProblem))
    return ResolvedFields(values, problems)


def _resolve_field(
    path: str,
    declared: DeclaredValue,
    fields: Mapping[str, DeclaredValue],
    live: Configuration,
    now: datetime,
    known: KnownReferences,
) -> Value | ResolutionProblem:
    live_path = resolve_live_path(live.values, path)
    if live_path is None:
        return ResolutionProblem(path, "not-offered", str(declared))
    if isinstance(declared, Ref):
        return _look_up(path, declared, live_path, live, known)
    if isinstance(declared, LocalTime):
        start = fields.get(START_DATE_PATH)
        return utc_hour(declared, now, start if isinstance(start, datetime) else None)
    # Codat's own spelling of a word that differs by case alone: else the document would differ for nothing.
    offered = {word.casefold(): word for word in live.allowed_words.get(live_path, ())}
    if isinstance(declared, str):
        return offered.get(declared.casefold(), declared)
    if isinstance(declared, tuple):
        return tuple(offered.get(word.casefold(), word) for word in declared)
    return declared


def _look_up(
    path: str, ref: Ref, live_path: str, live: Configuration, known: KnownReferences
) -> Option | ResolutionProblem:
    options = live.options.get(live_path, ())
    matching = tuple(option for option in options if nfc(getattr(option, ref.by) or "") == ref.value)
    if len(matching) == 1:
        return replace(matching[0], matched_by=ref.by)
    if matching:
        return ResolutionProblem(path, "ambiguous", str(ref), matching)
    return _unresolved_problem(path, ref, live_path, live, known)


def describe_near_misses(ref: Ref, options: Iterable[Option]) -> str:
    """`'Tips payable' differs only by case`, of each option that a reader takes for the same; empty where none is."""
    words = [getattr(option, ref.by) or "" for option in options]
    near_misses = {word: difference for word in words if (difference := name_difference(word, ref.value))}
    return "; ".join(f"{word!r} differs only by {difference}" for word, difference in near_misses.items())


def _unresolved_problem(
    path: str, ref: Ref, live_path: str, live: Configuration, known: KnownReferences
) -> ResolutionProblem:
    """With what the reference may have meant: what it led to last, then what resembles it or the name that had."""
    last, selected = known.applied.get(path), live.values.get(live_path)
    if not isinstance(last, Option) or not (
        reference_led_to_option(ref, last) or (ref.by == "id" and ref.value == last.id)
    ):
        last = None
    selected = selected if isinstance(selected, Option) else None
    active = tuple(option for option in live.options.get(live_path, ()) if not _is_retired(path, option, known.records))
    renamed = next((option for option in active if last and values_equal(option, last)), None)
    # Options of another name may resemble the name under which the manifest's author knew it.
    other_names = [last.name] if last and last.name else []
    for option in (last, selected):
        record = known.records.get((str(ref_kind(live_path)), option.id)) if option else None
        if isinstance(record, BooksRecord) and record.name and (option is last or _matches_record(ref, record)):
            other_names.append(record.name)
    possible = without_refused_options(live_path, (option for option in active if option is not renamed), live.values)
    similar = suggest_options(ref, possible, other_names, selected)
    first = (renamed,) if renamed else ()
    return ResolutionProblem(path, "unresolved", str(ref), (*first, *similar)[:MAX_SUGGESTIONS], renamed)


def reference_led_to_option(ref: Ref, last: Option) -> bool:
    """Whether this reference, by code or name, led to the option that was set last.

    An older state did not record by what it was found: then a reference that fits counts as the one.
    """
    if ref.by == "id" or last.matched_by not in (None, ref.by):
        return False
    has_neither_name_nor_code = last.name is None and last.code is None
    return has_neither_name_nor_code or getattr(last, ref.by) == ref.value


def _matches_record(ref: Ref, record: BooksRecord) -> bool:
    return ref.value == {"id": record.id, "code": record.code, "name": record.name}[ref.by]


def _is_retired(path: str, option: Option, records: RecordsById) -> bool:
    """Whether the books have archived or deleted it; the options may be older than that, and still offer it."""
    record = records.get((str(ref_kind(path)), option.id))
    return isinstance(record, BooksRecord) and (record.deleted or record.status == "Archived")
