"""What a manifest would have to say for a merchant to stay exactly as it is: the way back, from live to wishes. Pure.

Whatever cannot be said so that the next plan has nothing to do is left undeclared, and told: live keeps it.

live's values ─▶ what the service would refuse ─▶ wishes ─▶ what the planner would change or not find ─▶ Adopted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from controller.model.observed import Configuration
from controller.model.schedule import complaint_about, local_date, midnight_utc, utc_hour
from controller.model.values import (
    CUSTOMER,
    LOCAL_TIME,
    START_DATE,
    SUPPLIER,
    SYNC_HOUR,
    Clock,
    Declared,
    Option,
    Ref,
    RefKind,
    account_key,
    locate,
    ref_kind,
)
from controller.planning.diff import compare
from controller.planning.resolve import resolve
from controller.planning.rules import violations

_DAY = timedelta(days=1)
_BY: tuple[Literal["code", "name"], ...] = ("code", "name")
"""In this order: what is the same in many merchants' books before what is read more easily."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """One merchant's live configuration as wishes.

    fields  by field path; None where nothing is selected and `null` would say so
    zone    in which the time and the start date are meant; None = UTC
    called  by field path the name of what a reference by code or id points at
    left    by field path why a live value is not declared
    """

    fields: Mapping[str, Declared]
    zone: str | None
    called: Mapping[str, str]
    left: Mapping[str, str]


def adopt(live: Configuration, now: datetime, zone: str | None = None) -> Adopted:
    """The wishes that leave `live` as it is. `zone`: say UTC hours in this zone, where that means the same."""
    schedule, refused = _schedule(live, now, zone), _refused(live)
    wishes = {path: wish for path, wish in (*_mapping(live), *schedule.items()) if path not in refused}
    lost = _not_kept(wishes, live, now)
    kept = {path: wish for path, wish in wishes.items() if path not in lost}
    left = {**_unsaid_schedule(schedule), **refused, **lost}
    told = {path: why for path, why in left.items() if live.values.get(path) is not None}
    return Adopted(kept, _zone_of(kept, live), _called(kept, live), told)


def _refused(live: Configuration) -> dict[str, str]:
    """What the service would not take again as it stands, and account keys that live has a second time."""
    found = {locate(live.values, path) or path: why for path, why in violations(live.values, live)}
    keys: dict[str, str] = {}
    for path in live.values:
        key = account_key(path)
        if key and keys.setdefault(key[1].lower(), path) != path:
            found[path] = f"it is one account with {keys[key[1].lower()]}, which live has, too"
    return found


# The mapping and the switch -----------------------------------------------------------------------------


def _mapping(live: Configuration) -> Iterator[tuple[str, Declared]]:
    """Everything but the schedule's hour and start."""
    words = _words(live)
    for path, value in live.values.items():
        if isinstance(value, Option):
            yield path, _reference(value, ref_kind(path), words)
        elif path not in (START_DATE, SYNC_HOUR) and (value is not None or _can_be_null(path)):
            yield path, value


_Word = tuple[RefKind | None, Literal["code", "name"], str]


def _words(live: Configuration) -> Counter[_Word]:
    """How many records of each kind in this merchant's books bear a code or a name."""
    records = {
        (kind, option) for path, options in live.options.items() if (kind := ref_kind(path)) for option in options
    }
    found = {(kind, by, getattr(record, by), record.id) for kind, record in records for by in _BY}
    return Counter((kind, by, word) for kind, by, word, _ in found)


def _reference(record: Option, kind: RefKind | None, words: Mapping[_Word, int]) -> Ref:
    """By code or name where only one record bears it, so that merchants with other ids can share it; else by id."""
    for by in _BY:
        word = getattr(record, by)
        if word and words.get((kind, by, word)) == 1:
            return Ref(by, word)
    return Ref("id", record.id)


def _can_be_null(path: str) -> bool:
    return bool(account_key(path)) or path in (CUSTOMER, SUPPLIER)


def _called(wishes: Mapping[str, Declared], live: Configuration) -> dict[str, str]:
    references = (path for path, wish in wishes.items() if isinstance(wish, Ref) and wish.by != "name")
    options = ((path, live.values[path]) for path in references)
    return {path: option.name for path, option in options if isinstance(option, Option) and option.name}


# The schedule -------------------------------------------------------------------------------------------


def _schedule(live: Configuration, now: datetime, zone: str | None) -> dict[str, Declared]:
    """The hour as live means it: a wall clock where live keeps a zone, or where `zone` says all of it, else UTC."""
    if live.clock:
        return _on_the_wall(live, live.clock, now)
    local = _clock_in(zone, live, now) if zone else None
    said = _on_the_wall(live, local, now) if local else {}
    return said if len(said) == 2 else _in_utc(live)


def _in_utc(live: Configuration) -> dict[str, Declared]:
    hour = live.values.get(SYNC_HOUR)
    said: dict[str, Declared] = {SYNC_HOUR: hour} if isinstance(hour, int) else {}
    return said | _start(live, None)


def _on_the_wall(live: Configuration, clock: Clock, now: datetime) -> dict[str, Declared]:
    start = _start(live, clock.zone)
    begins = start.get(START_DATE)
    hour = utc_hour(clock, now, begins if isinstance(begins, datetime) else None)
    fits = complaint_about(clock) is None and hour == live.values.get(SYNC_HOUR)
    return start | ({LOCAL_TIME: clock} if fits else {})


def _start(live: Configuration, zone: str | None) -> dict[str, Declared]:
    """The start date, where it is a midnight of the zone: a manifest says dates."""
    start = _start_of(live)
    return {START_DATE: start} if start and midnight_utc(local_date(start, zone), zone) == start else {}


def _start_of(live: Configuration) -> datetime | None:
    """Live's start as an instant; none in the last year that there is, where a zone may be in the next one already."""
    start = live.values.get(START_DATE)
    return start if isinstance(start, datetime) and start.year < MAXYEAR else None


def _clock_in(zone: str, live: Configuration, now: datetime) -> Clock | None:
    """What a clock in this zone shows at live's UTC hour, the next time that it comes."""
    hour = live.values.get(SYNC_HOUR)
    if not isinstance(hour, int) or hour not in range(24):
        return None
    after = max(now, _start_of(live) or now)
    today = after.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    due = today if today > after else today + _DAY
    return Clock(f"{due.astimezone(ZoneInfo(zone)):%H:%M}", zone)


def _unsaid_schedule(said: Mapping[str, Declared]) -> dict[str, str]:
    left = {}
    if START_DATE not in said:
        left[START_DATE] = "it is no midnight of the zone in which the hour is meant"
    if not {LOCAL_TIME, SYNC_HOUR} & set(said):
        left[SYNC_HOUR] = "it is no whole UTC hour all year"
    return left


def _zone_of(wishes: Mapping[str, Declared], live: Configuration) -> str | None:
    clock = wishes.get(LOCAL_TIME)
    if isinstance(clock, Clock):
        return clock.zone
    return live.clock.zone if live.clock and START_DATE in wishes else None


# Asking the planner -------------------------------------------------------------------------------------


def _not_kept(wishes: Mapping[str, Declared], live: Configuration, now: datetime) -> dict[str, str]:
    """What the planner would not find, or would change: it is the one who judges."""
    resolved = resolve(wishes, live, now)
    lost = {problem.field: "its reference has no single answer" for problem in resolved.problems}
    moved = {each.field: "the plan would change it" for each in compare(resolved.values, live.values, {})}
    return lost | moved
