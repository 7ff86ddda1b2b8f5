"""Rate limits: the budget is kept, and a storm is outlived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from controller.reporting.verdict import exit_code
from tests.end_to_end.place import COMPANIES, CONFIGURE, CREATE_COMPANY, CREATE_CONNECTION, Place, writes


def test_two_hundred_merchants_at_two_thousand_a_minute_draw_no_429(place: Place) -> None:
    """From nothing to in sync and on, until more than one minute's budget is spent."""
    place.emulator.control("POST", "/limits", {"perMinute": 2000})
    place.settings = replace(place.settings, requests_per_minute=1900)
    place.profile()
    for number in range(200):
        place.merchant(f"m-{number:03}")
    with place.counted() as counts:
        place.apply()
        place.consent()
        place.apply()
        while place.emulator.control("GET", "/requests")["total"] <= 2000:
            place.plan()
    log = place.emulator.control("GET", "/requests?log=1")["log"]
    assert [call for call in log if call["status"] == 429] == []
    assert writes(counts) == {CREATE_COMPANY: 200, CREATE_CONNECTION: 200, CONFIGURE: 200}


WAITS: dict[str, Callable[[], dict[str, str]]] = {
    "seconds": lambda: {"retryAfter": "1"},
    "an HTTP date": lambda: {"retryAfter": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)},
    "no word of how long": dict,
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_storm_of_429s_is_outlived_without_help_and_without_a_twin(
    place: Place, wait: Callable[[], dict[str, str]]
) -> None:
    place.profile()
    for number in range(10):
        place.merchant(f"m-{number}")
    for match in (COMPANIES, CREATE_COMPANY, CREATE_CONNECTION):
        place.emulator.fault(match, "status", code=429, times=2, **wait())
    report = place.apply(parallelism=2)
    assert exit_code("apply", report) == 0
    assert [each["name"] for each in place.companies()] == [f"m-{number}" for number in range(10)]
    assert all(len(each["dataConnections"]) == 2 for each in place.companies())
    refused = [call for call in place.emulator.control("GET", "/requests?log=1")["log"] if call["status"] == 429]
    assert len(refused) == 6, "each of the storm was met, and none beside it"
