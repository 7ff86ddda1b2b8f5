"""What happened to a merchant: what runs did, and each time that a finding came and went; with who and from what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from controller.model.field_values import value_from_json
from controller.model.finding_evidence import ENDED_WORDS, Ended
from controller.model.run_policy import Author
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import CHANGE_LABELS, align_columns, clean, format_iso, format_time, format_value
from controller.reporting.report_provenance import SHORT_REVISION_DIGITS


class Event(Protocol):
    """What a run did to a merchant."""

    @property
    def at(self) -> datetime: ...
    @property
    def run_id(self) -> int: ...
    @property
    def what(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...


class HistoryOccurrence(Protocol):
    """One time that a finding came."""

    @property
    def id(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def direction(self) -> str | None: ...
    @property
    def live(self) -> Any: ...
    @property
    def wanted(self) -> Any: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def found_at(self) -> datetime: ...
    @property
    def found_run(self) -> int | None: ...
    @property
    def last_seen(self) -> datetime: ...
    @property
    def gone_at(self) -> datetime | None: ...
    @property
    def gone_run(self) -> int | None: ...
    @property
    def how(self) -> str | None: ...
    @property
    def now_wanted(self) -> Any: ...
    @property
    def moves(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class NumberedRun:
    """A run, as far as it is remembered: who, and from which manifests."""

    number: int
    author: Author | None = None
    revision: str | None = None

    def __str__(self) -> str:
        return str(self.author) if self.author else f"run {self.number}"


@dataclass(frozen=True, slots=True)
class Move:
    """A field that got another value; both are empty where an older line has only its name."""

    field: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.field} {self.before} -> {self.after}" if self.before else self.field


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to a merchant, in words: on one line in `more`, and taken apart in `note` and `moves`."""

    at: datetime
    what: str
    more: str = ""
    by: str = ""
    note: str = ""
    moves: tuple[Move, ...] = ()


def history_lines(
    events: Sequence[Event], findings: Sequence[HistoryOccurrence], runs: Mapping[int, NumberedRun]
) -> list[HistoryLine]:
    """Everything that happened, the oldest first."""
    lines = [_event_line(each, runs) for each in events]
    for each in findings:
        lines += [_found_line(each, runs), *_moved_lines(each, runs)]
        if each.gone_at:
            lines.append(_gone_line(each, each.gone_at, runs))
    return sorted(lines, key=lambda line: line.at)


def _event_line(each: Event, runs: Mapping[int, NumberedRun]) -> HistoryLine:
    changes = _changes(each.detail)
    reason = each.detail.get("reason") if isinstance(each.detail, dict) else None
    note = "; ".join(filter(None, [*map(_kind_words, changes), str(reason) if reason else ""]))
    moves = tuple(move for change in changes for move in _moves(change))
    return HistoryLine(each.at, each.what, event_words(each.detail), _run_text(each.run_id, runs), note, moves)


def _found_line(each: HistoryOccurrence, runs: Mapping[int, NumberedRun]) -> HistoryLine:
    """What it was and what somebody made of it; for what is about no value, why."""
    moves, note = _value_move_if_any(each, each.wanted, each.live), ""
    if not moves:
        note = " ".join(filter(None, (each.field, f"({each.cause})" if each.cause else "")))
    more = str(moves[0]) if moves else note
    return HistoryLine(each.found_at, f"found {each.code}", more, _run_text(each.found_run, runs), note, moves)


def _moved_lines(each: HistoryOccurrence, runs: Mapping[int, NumberedRun]) -> Iterator[HistoryLine]:
    """Each other value that somebody made of it while it was open."""
    before = each.live
    for at, run, live, _ in later_values(each):
        if live != before:
            moves = _value_move_if_any(each, before, live)
            more = str(moves[0]) if moves else each.field
            yield HistoryLine(at, f"moved {each.code}", more, _run_text(run, runs), "", moves)
        before = live


def later_values(each: HistoryOccurrence) -> list[tuple[datetime, int | None, Any, Any]]:
    """When, by which run's look, live and wanted. What is none, as in a state that was imported, is passed over."""
    found = []
    for move in each.moves if isinstance(each.moves, list) else ():
        with suppress(AttributeError, TypeError, ValueError):
            at, run = datetime.fromisoformat(move.get("at")), move.get("run")
            if at.tzinfo:
                found.append((at, run if isinstance(run, int) else None, move.get("live"), move.get("wanted")))
    return found


def _gone_line(each: HistoryOccurrence, at: datetime, runs: Mapping[int, NumberedRun]) -> HistoryLine:
    how = ENDED_WORDS.get(each.how or "", each.how or "")
    live, wanted = next(((live, wanted) for *_, live, wanted in later_values(each)[::-1]), (each.live, each.wanted))
    moves = _value_move_if_any(each, live, wanted if each.now_wanted is None else each.now_wanted)
    more = ": ".join(filter(None, (str(moves[0]) if moves else each.field, how)))
    return HistoryLine(at, f"gone {each.code}", more, _ended_by_text(each, runs), how, moves)


def _value_move_if_any(each: HistoryOccurrence, before: Any, after: Any) -> tuple[Move, ...]:
    """None of a finding that is about no value."""
    if each.live is None and each.wanted is None:
        return ()
    return (Move(each.field, stored_value_text(each.field, before), stored_value_text(each.field, after)),)


def history_text_lines(lines: Sequence[HistoryLine]) -> list[str]:
    return align_columns([(format_time(each.at), *map(clean, (each.what, each.by, each.more))) for each in lines], "")


def history_json(
    events: Sequence[Event], findings: Sequence[HistoryOccurrence], runs: Mapping[int, NumberedRun]
) -> dict[str, list[dict[str, Any]]]:
    return {
        "events": [
            {
                "at": format_iso(each.at),
                "run": each.run_id,
                **_author_json(each.run_id, runs),
                "what": each.what,
                "detail": each.detail,
            }
            for each in events
        ],
        "findings": [_occurrence_json(each, runs) for each in findings],
    }


def _occurrence_json(each: HistoryOccurrence, runs: Mapping[int, NumberedRun]) -> dict[str, Any]:
    gone = {
        "how": each.how,
        "run": each.gone_run,
        **_author_json(each.gone_run, runs),
        "wanted": each.now_wanted,
    }
    return {
        "occurrence": each.id,
        "code": each.code,
        "field": each.field or None,
        "direction": each.direction,
        "live": each.live,
        "wanted": each.wanted,
        "cause": each.cause,
        "firstSeen": format_iso(each.found_at),
        "found": {"run": each.found_run, **_author_json(each.found_run, runs)},
        "lastSeen": format_iso(each.last_seen),
        "moves": [
            {"at": format_iso(at), "run": run, **_author_json(run, runs), "live": live, "wanted": wanted}
            for at, run, live, wanted in later_values(each)
        ],
        "clearedAt": format_iso(each.gone_at),
        "gone": gone if each.gone_at else None,
    }


def _author_json(number: int | None, runs: Mapping[int, NumberedRun]) -> dict[str, Any]:
    by = runs.get(number or 0)
    return {"by": str(by.author) if by and by.author else None, "revision": by.revision if by else None}


def event_words(detail: Mapping[str, Any]) -> str:
    """`set the configuration: enabled false -> true, schedule.time`, and why it went no further.

    An imported state may hold anything there: what is no change is passed over.
    """
    told = [
        ": ".join(filter(None, (_kind_words(each), ", ".join(map(str, _moves(each)))))) for each in _changes(detail)
    ]
    reason = detail.get("reason") if isinstance(detail, dict) else None
    return "; ".join(filter(None, [*told, str(reason) if reason else ""]))


def _changes(detail: Any) -> list[dict[str, Any]]:
    return [each for each in _list_or_empty(detail, "changes") if isinstance(each, dict)]


def _list_or_empty(holder: Any, name: str) -> list[Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []


def _kind_words(change: Mapping[str, Any]) -> str:
    kind = str(change.get("kind"))
    return next((words for known, (_, words) in CHANGE_LABELS.items() if known == kind), kind)


def _moves(change: Mapping[str, Any]) -> list[Move]:
    """Before and after, where that was noted: older lines have the names alone."""
    values = {str(each.get("field")): each for each in _list_or_empty(change, "values") if isinstance(each, dict)}
    return [
        Move(field, *(stored_value_text(field, values[field].get(side)) for side in ("live", "wanted")))
        if field in values
        else Move(field)
        for field in map(str, _list_or_empty(change, "fields"))
    ]


def stored_value_text(field: str, value: Any) -> str:
    """A value as the state keeps it. A reference that found nothing has no id: it is shown as it was written."""
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key != "create"}
    if not _is_field_value(value):
        return json.dumps(value)
    if isinstance(value, dict) and value["id"] is None:
        return next((f"{by} {value[by]}" for by in ("code", "name") if value.get(by)), "nothing")
    return format_value(value_from_json(field, value), field)


def _is_field_value(value: Any) -> bool:
    """Whether a field can have it: what was imported may be anything."""
    if isinstance(value, dict):
        return "id" in value and all(each is None or isinstance(each, str) for each in value.values())
    return not isinstance(value, list) or all(isinstance(each, str) for each in value)


def _ended_by_text(each: HistoryOccurrence, runs: Mapping[int, NumberedRun]) -> str:
    """Who put it right; of the rest, who saw that it was over."""
    by = _run_text(each.gone_run, runs)
    return by if each.how in (None, Ended.MENDED) or not by else f"seen by {by}"


def _run_text(number: int | None, runs: Mapping[int, NumberedRun]) -> str:
    if number is None:
        return ""
    by = runs.get(number, NumberedRun(number))
    revision = f" ({by.revision[:SHORT_REVISION_DIGITS]})" if by.revision else ""
    return f"run {number}, {by}{revision}" if by.author else str(by)
