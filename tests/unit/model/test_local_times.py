"""Local times as UTC hours: every zone of the database, 2026 to 2030."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.field_values import LocalTime
from controller.model.local_times import (
    explain_utc_hour,
    local_midnight,
    local_time_problem,
    time_zone_problem,
    utc_hour,
)
from controller.model.zones import time_zone, time_zone_names

ZONES = sorted(time_zone_names())
instants = st.datetimes(datetime(2026, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
london = LocalTime("00:00", "Europe/London")


@pytest.mark.parametrize(
    ("now", "hour"),
    [
        pytest.param(datetime(2026, 12, 1, 12, tzinfo=UTC), 0, id="winter"),
        pytest.param(datetime(2026, 7, 1, 12, tzinfo=UTC), 23, id="summer"),
        pytest.param(datetime(2027, 3, 27, 12, tzinfo=UTC), 0, id="the night before the clocks go forward"),
        pytest.param(datetime(2027, 3, 28, 12, tzinfo=UTC), 23, id="the night after"),
    ],
)
def test_midnight_in_london_moves_with_the_offset(now: datetime, hour: int) -> None:
    assert utc_hour(london, now, None) == hour


def test_before_the_start_date_the_hour_is_that_of_the_first_occurrence_after_it() -> None:
    summer, winter = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert utc_hour(london, summer, winter) == 0
    assert utc_hour(london, winter, summer) == 0


def test_a_time_that_a_gap_skips_shifts_forward() -> None:
    clock = LocalTime("02:00", "America/New_York")
    assert utc_hour(clock, datetime(2027, 3, 14, 0, tzinfo=UTC), None) == 7  # 03:00 EDT


def test_a_time_that_is_repeated_takes_the_first() -> None:
    clock = LocalTime("01:00", "America/New_York")
    assert utc_hour(clock, datetime(2027, 11, 7, 0, tzinfo=UTC), None) == 5  # 01:00 EDT, not 06:00 for EST


def test_a_time_that_is_accepted_is_a_whole_utc_hour_every_day() -> None:
    """All sixty minutes' residues are tried at 00:xx; whichever is accepted holds on each day of five years."""
    wrong = {zone: problem for zone in ZONES if (problem := _what_is_wrong_in(zone))}
    assert wrong == {}


def _what_is_wrong_in(zone: str) -> str | None:
    accepted = [m for m in range(60) if local_time_problem(LocalTime(f"00:{m:02}", zone)) is None]
    if not accepted:
        told = local_time_problem(LocalTime("00:00", zone))
        return None if "all year" in (told or "") else f"no time is accepted, and it is only told {told!r}"
    for minute in accepted:
        local = datetime(2026, 1, 1, 0, minute, tzinfo=time_zone(zone))
        while local.year < 2031:
            if local.astimezone(UTC).minute:
                return f"{local} is {local.astimezone(UTC)}"
            local += timedelta(days=1)
    return None


@given(zone=st.sampled_from(ZONES), hour=st.integers(0, 23), now=instants)
def test_the_hour_shows_the_wanted_time_on_the_zones_wall_unless_a_gap_skips_it(
    zone: str, hour: int, now: datetime
) -> None:
    minute = (time_zone(zone).utcoffset(now) or timedelta()) // timedelta(minutes=1) % 60
    clock = LocalTime(f"{hour:02}:{minute:02}", zone)
    if local_time_problem(clock):
        return
    found = utc_hour(clock, now, None)
    walls = {
        instant.astimezone(time_zone(zone)).strftime("%H:%M")
        for days in range(3)
        for instant in [now.replace(hour=found, minute=0, second=0, microsecond=0) + timedelta(days=days)]
        if instant > now
    }
    day_before, day_after = time_zone(zone).utcoffset(now), time_zone(zone).utcoffset(now + timedelta(days=2))
    assert clock.time in walls or day_before != day_after


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (LocalTime("00:00", "Asia/Kolkata"), "23:30 or 00:30"),
        (LocalTime("12:10", "Asia/Kathmandu"), "11:45 or 12:45"),
        (LocalTime("00:10", "Europe/London"), "00:00 or 01:00"),
        (LocalTime("00:00", "Australia/Lord_Howe"), "use schedule.syncHourUtc"),
        (LocalTime("00:00", "Europe/Lodnon"), "Europe/London"),
    ],
)
def test_a_time_that_is_no_whole_hour_is_told_the_nearest_that_are(clock: LocalTime, words: str) -> None:
    assert words in (local_time_problem(clock) or "")


def test_half_hour_zones_have_whole_hours_too() -> None:
    clock = LocalTime("05:30", "Asia/Kolkata")
    assert local_time_problem(clock) is None
    assert utc_hour(clock, datetime(2026, 12, 1, tzinfo=UTC), None) == 0


@pytest.mark.parametrize("zone", ["", "Europe", "../../etc/passwd", "/etc/localtime", "localtime", "utc+1", "\0"])
def test_what_is_no_zone_is_told(zone: str) -> None:
    assert time_zone_problem(zone)


def test_a_date_is_its_midnight_in_the_zone() -> None:
    assert local_midnight(date(2026, 12, 1), "America/New_York") == datetime(2026, 12, 1, 5, tzinfo=UTC)
    assert local_midnight(date(2026, 12, 1), None) == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_midnight_that_a_gap_skips_shifts_forward() -> None:
    assert local_midnight(date(2027, 9, 5), "America/Santiago") == datetime(2027, 9, 5, 4, tzinfo=UTC)


def test_the_words_for_a_moved_hour_name_the_offset_and_its_end() -> None:
    words = explain_utc_hour(london, datetime(2027, 4, 1, tzinfo=UTC), None)
    assert "23:00 UTC" in words
    assert "+01:00" in words
    assert "until 2027-11-01" in words


def test_where_the_offset_never_changes_no_end_is_named() -> None:
    assert "until" not in explain_utc_hour(LocalTime("09:00", "Asia/Tokyo"), datetime(2027, 4, 1, tzinfo=UTC), None)


def test_the_rules_are_those_of_the_pinned_package_whatever_the_host_has(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    tokyo = resources.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe" / "London").write_bytes(tokyo)
    zoneinfo.reset_tzpath(to=[tmp_path])
    try:
        time_zone.cache_clear()
        ZoneInfo.clear_cache()
        assert ZoneInfo("Europe/London").utcoffset(datetime(2026, 1, 1, tzinfo=UTC)) == timedelta(hours=9)
        assert utc_hour(LocalTime("00:00", "Europe/London"), datetime(2026, 1, 1, tzinfo=UTC), None) == 0
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()
