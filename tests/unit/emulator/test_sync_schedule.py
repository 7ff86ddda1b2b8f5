"""When a commerce sync is due, and which time it covers (API notes 4.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.emulator.syncs.sync_schedule import (
    DueSchedule,
    business_day,
    next_due,
    parse_schedule,
    previous_due,
    scheduled_start,
)

START = datetime(2022, 5, 1, tzinfo=UTC)
moments = st.integers(0, 8 * 365 * 86_400).map(lambda seconds: START + timedelta(days=31, seconds=seconds))
schedules = st.builds(
    DueSchedule,
    st.just(START),
    st.integers(0, 23),
    st.sampled_from(sorted(available_timezones())).map(ZoneInfo),
    st.booleans(),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_example_of_the_reference() -> None:
    """Now 13 July 16:00, start 1 May, hour 0, daily: due 14 July, first period from 1 May."""
    schedule = DueSchedule(START, 0, UTC)
    due = next_due(schedule, at("2022-07-13T16:00:00"))
    assert due == at("2022-07-14T00:00:00")
    assert scheduled_start(schedule, due, None) == START
    assert scheduled_start(schedule, at("2022-07-15T00:00:00"), due) == due


@given(schedules, moments)
def test_the_next_due_moment_is_later_and_on_the_hour(schedule: DueSchedule, now: datetime) -> None:
    due = next_due(schedule, now)
    assert due > now
    local = due.astimezone(schedule.zone)
    assert local.minute == local.second == 0 or local.utcoffset() != schedule.zone.utcoffset(now)
    assert not schedule.monthly or (local + timedelta(hours=3)).day in (1, 2)


@given(schedules, moments)
def test_nothing_is_due_between_one_boundary_and_the_next(schedule: DueSchedule, now: datetime) -> None:
    due = next_due(schedule, now)
    following = next_due(schedule, due)
    assert previous_due(schedule, following) == due
    assert next_due(schedule, due + (following - due) / 2) == following
    assert following - due >= timedelta(hours=22 if not schedule.monthly else 27 * 24)


def test_nothing_is_due_before_the_start_date() -> None:
    later = DueSchedule(at("2022-09-01T00:00:00"), 0, UTC)
    assert next_due(later, at("2022-07-13T16:00:00")) == at("2022-09-02T00:00:00")


@pytest.mark.parametrize(
    ("synced_until", "begins"),
    [
        ("2022-07-10T00:00:00", "2022-07-10T00:00:00"),
        ("2022-07-14T09:00:00", "2022-07-14T00:00:00"),
        ("2022-04-01T00:00:00", "2022-05-01T00:00:00"),
    ],
)
def test_a_run_makes_up_for_failed_days_and_repeats_a_manual_run(synced_until: str, begins: str) -> None:
    schedule = DueSchedule(START, 0, UTC)
    assert scheduled_start(schedule, at("2022-07-15T00:00:00"), at(synced_until)) == at(begins)


def test_days_end_at_the_sync_hour() -> None:
    schedule = DueSchedule(START, 5, UTC)
    assert business_day(schedule, at("2022-07-14T04:59:59")).isoformat() == "2022-07-13"
    assert business_day(schedule, at("2022-07-14T05:00:00")).isoformat() == "2022-07-14"


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"startDate": None, "syncHourUtc": 0},
        {"startDate": "soon", "syncHourUtc": 0},
        {"startDate": "2022-05-01", "syncHourUtc": 24},
        {"startDate": "2022-05-01", "syncHourUtc": "0"},
    ],
)
def test_an_incomplete_schedule_is_none(written: dict[str, Any]) -> None:
    assert parse_schedule(written) is None


def test_a_start_without_an_offset_is_local_and_an_unknown_zone_is_utc() -> None:
    written = {"startDate": "2022-07-01T00:00:00", "syncHourUtc": 0, "timeZone": "America/New_York"}
    schedule = parse_schedule(written)
    assert schedule is not None
    assert schedule.start == at("2022-07-01T04:00:00")
    unknown = parse_schedule({**written, "timeZone": "Nowhere/At all"})
    assert unknown is not None
    assert unknown.start == at("2022-07-01T00:00:00")
