"""What a manifest would have to say for a merchant to stay exactly as it is: from live to declared values. Pure.

What cannot be declared so that the next plan has nothing to do is left undeclared, with the reason: live keeps it.

live's values ─▶ without what breaks a rule ─▶ declared values ─▶ without what the planner would change ─▶ the result
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Literal

from controller.model.field_values import (
    CUSTOMER_PATH,
    LOCAL_TIME_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    LocalTime,
    Option,
    Ref,
    RefKind,
    ref_kind,
    resolve_live_path,
    split_account_path,
)
from controller.model.local_times import local_date, local_midnight, local_time_problem, utc_hour
from controller.model.observed import Configuration
from controller.model.zones import time_zone
from controller.planning.configuration_rules import find_violations
from controller.planning.diff import compare_fields
from controller.planning.resolve import resolve_fields
from controller.quick_dataclasses import dataclass

_SHAREABLE_KEYS: tuple[Literal["code", "name"], ...] = ("code", "name")
"""In this order: a code is the same in many merchants' books, a name is only easier to read."""


@dataclass(frozen=True, slots=True)
class DeclaredFromLive:
    """One merchant's live configuration as a manifest would declare it.

    fields           by field path; None where nothing is selected and `null` declares that
    zone             of the time and the start date; None = UTC
    reference_names  by field path, the name of what a reference by code or id points at
    undeclared       by field path, why a live value is not declared
    """

    fields: Mapping[str, DeclaredValue]
    zone: str | None
    reference_names: Mapping[str, str]
    undeclared: Mapping[str, str]


def declare_from_live(live: Configuration, now: datetime, zone: str | None = None) -> DeclaredFromLive:
    """The declared values that leave `live` as it is.

    `zone`: declare the UTC hour and the start in this zone, where that means the same.
    """
    schedule, undeclarable = _declare_schedule(live, now, zone), _undeclarable_reasons(live)
    declared = {
        path: value
        for path, value in (*_declare_all_but_hour_and_start(live), *schedule.items())
        if path not in undeclarable
    }
    changed = _planner_change_reasons(declared, live, now)
    fields = {path: value for path, value in declared.items() if path not in changed}
    reasons = {**_undeclared_schedule_reasons(schedule), **undeclarable, **changed}
    undeclared = {path: reason for path, reason in reasons.items() if live.values.get(path) is not None}
    references = (path for path, value in fields.items() if isinstance(value, Ref) and value.by != "name")
    options = ((path, live.values[path]) for path in references)
    reference_names = {path: option.name for path, option in options if isinstance(option, Option) and option.name}
    return DeclaredFromLive(fields, _declared_zone(fields, live), reference_names, undeclared)


def _undeclarable_reasons(live: Configuration) -> dict[str, str]:
    """By live's path, why: its value breaks a rule, or its account key is there a second time in another case."""
    reasons = {
        resolve_live_path(live.values, path) or path: sentence for path, sentence in find_violations(live.values, live)
    }
    path_by_key: dict[str, str] = {}
    for path in live.values:
        account = split_account_path(path)
        if account and (first := path_by_key.setdefault(account[1].lower(), path)) != path:
            reasons[path] = f"it is one account with {first}, which live has, too"
    return reasons


# The mapping and the switch -----------------------------------------------------------------------------


def _declare_all_but_hour_and_start(live: Configuration) -> Iterator[tuple[str, DeclaredValue]]:
    """Everything but the schedule's hour and start."""
    key_counts = _count_records_by_key(live)
    for path, value in live.values.items():
        if isinstance(value, Option):
            yield path, _to_reference(value, ref_kind(path), key_counts)
        elif path not in (START_DATE_PATH, SYNC_HOUR_PATH):
            can_be_null = split_account_path(path) or path in (CUSTOMER_PATH, SUPPLIER_PATH)
            if value is not None or can_be_null:
                yield path, value


_RecordKey = tuple[RefKind | None, Literal["code", "name"], str]


def _count_records_by_key(live: Configuration) -> Counter[_RecordKey]:
    """How many records of each kind in this merchant's books have a code or a name."""
    records = {
        (kind, option) for path, options in live.options.items() if (kind := ref_kind(path)) for option in options
    }
    # With the id: the same record is an option of many fields, and counts once.
    keys = {(kind, by, getattr(record, by), record.id) for kind, record in records for by in _SHAREABLE_KEYS}
    return Counter((kind, by, text) for kind, by, text, _ in keys)


def _to_reference(record: Option, kind: RefKind | None, key_counts: Mapping[_RecordKey, int]) -> Ref:
    """By code or name where only one record has it, so that merchants with other ids can share it; else by id."""
    for by in _SHAREABLE_KEYS:
        text = getattr(record, by)
        if text and key_counts.get((kind, by, text)) == 1:
            return Ref(by, text)
    return Ref("id", record.id)


# The schedule -------------------------------------------------------------------------------------------


def _declare_schedule(live: Configuration, now: datetime, zone: str | None) -> dict[str, DeclaredValue]:
    """The hour and the start: local where live has a zone, or where `zone` can express both, else in UTC."""
    if live.local_time:
        return _declare_local_schedule(live, live.local_time, now)
    local_time = _local_time_in(zone, live, now) if zone else None
    declared = _declare_local_schedule(live, local_time, now) if local_time else {}
    if START_DATE_PATH in declared and LOCAL_TIME_PATH in declared:
        return declared
    hour = live.values.get(SYNC_HOUR_PATH)
    in_utc: dict[str, DeclaredValue] = {SYNC_HOUR_PATH: hour} if isinstance(hour, int) else {}
    return in_utc | _declare_start(live, None)


def _declare_local_schedule(live: Configuration, local_time: LocalTime, now: datetime) -> dict[str, DeclaredValue]:
    """The start and the time of day, each only where it means what live has."""
    declared = _declare_start(live, local_time.zone)
    start = declared.get(START_DATE_PATH)
    hour = utc_hour(local_time, now, start if isinstance(start, datetime) else None)
    if local_time_problem(local_time) is None and hour == live.values.get(SYNC_HOUR_PATH):
        declared[LOCAL_TIME_PATH] = local_time
    return declared


def _declare_start(live: Configuration, zone: str | None) -> dict[str, DeclaredValue]:
    """The start date, where it is a midnight of the zone: a manifest holds dates."""
    start = _live_start(live)
    return {START_DATE_PATH: start} if start and local_midnight(local_date(start, zone), zone) == start else {}


def _live_start(live: Configuration) -> datetime | None:
    """Live's start as an instant; None in the year 9999, which in some zone is the year 10,000 already."""
    start = live.values.get(START_DATE_PATH)
    return start if isinstance(start, datetime) and start.year < MAXYEAR else None


def _local_time_in(zone: str, live: Configuration, now: datetime) -> LocalTime | None:
    """The local time in this zone at live's UTC hour, the next time that it comes; None without a valid hour."""
    hour = live.values.get(SYNC_HOUR_PATH)
    if not isinstance(hour, int) or hour not in range(24):
        return None
    earliest = max(now, _live_start(live) or now)
    today = earliest.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    # Of a zone with summer time the offset of that day counts, which may not be today's.
    due = today if today > earliest else today + timedelta(days=1)
    return LocalTime(f"{due.astimezone(time_zone(zone)):%H:%M}", zone)


def _undeclared_schedule_reasons(declared: Mapping[str, DeclaredValue]) -> dict[str, str]:
    """By path, why the start or the hour is not declared."""
    reasons = {}
    if START_DATE_PATH not in declared:
        reasons[START_DATE_PATH] = "it is no midnight of the zone in which the hour is meant"
    if not {LOCAL_TIME_PATH, SYNC_HOUR_PATH} & set(declared):
        reasons[SYNC_HOUR_PATH] = "it is no whole UTC hour all year"
    return reasons


def _declared_zone(declared: Mapping[str, DeclaredValue], live: Configuration) -> str | None:
    local_time = declared.get(LOCAL_TIME_PATH)
    if isinstance(local_time, LocalTime):
        return local_time.zone
    return live.local_time.zone if live.local_time and START_DATE_PATH in declared else None


# What the planner would make of it ----------------------------------------------------------------------


def _planner_change_reasons(
    declared: Mapping[str, DeclaredValue], live: Configuration, now: datetime
) -> dict[str, str]:
    """By path, why the next plan would not leave it as it is: it is asked itself, so that import and plan agree."""
    resolved = resolve_fields(declared, live, now)
    unresolved = {problem.field: "its reference has no single answer" for problem in resolved.problems}
    differences = compare_fields(resolved.values, live.values, {})
    return unresolved | {change.field: "the plan would change it" for change in differences}
