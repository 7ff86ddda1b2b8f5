"""When a schedule is due, in local time, across changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.cron import parse_cron
from controller.model.errors import UsageError
from controller.model.zones import time_zone

LONDON, BERLIN = time_zone("Europe/London"), time_zone("Europe/Berlin")


def last(cron: str, now: str, zone: str = "UTC") -> str | None:
    due = parse_cron(cron, time_zone(zone)).last_at_or_before(datetime.fromisoformat(now).replace(tzinfo=UTC))
    return f"{due:%Y-%m-%d %H:%M}" if due else None


@pytest.mark.parametrize(
    ("cron", "now", "due"),
    [
        ("0 7 * * *", "2026-11-22 07:00", "2026-11-22 07:00"),
        ("0 7 * * *", "2026-11-22 06:59", "2026-11-21 07:00"),
        ("0 7 * * mon", "2026-11-22 12:00", "2026-11-16 07:00"),
        ("0 7 * * 7", "2026-11-22 12:00", "2026-11-22 07:00"),
        ("0 7 * * 0", "2026-11-22 12:00", "2026-11-22 07:00"),
        ("0 7 * * mon-fri", "2026-11-22 12:00", "2026-11-20 07:00"),
        ("*/15 8-18/2 * * *", "2026-11-22 11:07", "2026-11-22 10:45"),
        ("0 0 1 * *", "2026-11-22 12:00", "2026-11-01 00:00"),
        ("0 0 1,15 jan,jul *", "2026-11-22 12:00", "2026-07-15 00:00"),
        ("0 0 29 feb *", "2026-11-22 12:00", "2024-02-29 00:00"),
        ("0 0 30 feb *", "2026-11-22 12:00", None),
        ("0 7 13 * fri", "2026-11-22 12:00", "2026-11-20 07:00"),
    ],
)
def test_the_last_time_that_was_due(cron: str, now: str, due: str | None) -> None:
    assert last(cron, now) == due


def test_a_time_is_that_of_the_zone_in_summer_and_in_winter() -> None:
    assert last("0 7 * * *", "2026-07-01 12:00", "Europe/London") == "2026-07-01 06:00"
    assert last("0 7 * * *", "2026-12-01 12:00", "Europe/London") == "2026-12-01 07:00"


def times(cron: str, start: datetime, hours: int) -> list[datetime]:
    """Everything that comes due, asked every ten minutes."""
    parsed = parse_cron(cron, BERLIN)
    asked = (parsed.last_at_or_before(start + timedelta(minutes=10 * step)) for step in range(6 * hours + 1))
    return sorted({due for due in asked if due and due > start})


def test_a_time_that_a_change_of_clocks_leaves_out_comes_once_all_the_same() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)  # at 01:00 UTC the next morning 02:00 becomes 03:00 in Berlin
    assert times("30 2 * * *", start, 24) == [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]


def test_a_time_that_a_change_of_clocks_brings_twice_counts_once() -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)  # at 01:00 UTC the next morning 03:00 becomes 02:00 in Berlin
    assert times("30 2 * * *", start, 24) == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    "cron",
    ["", "0 7 * *", "60 7 * * *", "0 24 * * *", "0 7 0 * *", "0 7 * * mondays", "0 7 5-1 * *", "*/0 * * * *", "-"],
)
def test_what_is_no_schedule_is_wrong_usage(cron: str) -> None:
    with pytest.raises(UsageError, match="cron"):
        parse_cron(cron, LONDON)


@given(st.integers(0, 10 * 366 * 24 * 60), st.integers(0, 23), st.integers(0, 59))
def test_a_daily_time_is_never_more_than_a_day_and_an_hour_ago(minutes: int, hour: int, minute: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    due = parse_cron(f"{minute} {hour} * * *", BERLIN).last_at_or_before(at)
    assert due is not None
    assert timedelta(0) <= at - due <= timedelta(hours=25)
