"""Rate limits: the budget is kept, and a storm is outlived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from controller.model.exit_codes import exit_code
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
)
from tests.proxy import ProxyAnswer, ProxyRequest, proxied

pytestmark = pytest.mark.over_tcp


@pytest.mark.computes
def test_two_hundred_merchants_at_two_thousand_a_minute_draw_no_429(place: Place) -> None:
    """From nothing to in sync and on, until more than one minute's budget is spent."""
    place.emulator.control("POST", "/limits", {"perMinute": 2000})
    place.settings = replace(place.settings, requests_per_minute=1900)
    place.profile()
    for number in range(200):
        place.merchant(f"m-{number:03}")
    with place.count_requests() as counts:
        place.apply()
        place.consent_everyone()
        place.apply()
        while place.emulator.control("GET", "/requests")["total"] <= 2000:
            place.plan()
    log = place.emulator.control("GET", "/requests?log=1")["log"]
    assert [call for call in log if call["status"] == 429] == []
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 200, CREATE_CONNECTION: 200, SAVE_CONFIGURATION: 200}


WAITS: dict[str, Callable[[], dict[str, str]]] = {
    "seconds": lambda: {"retryAfter": "1"},
    "an HTTP date": lambda: {"retryAfter": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)},
    "no word of how long": dict[str, Any],
}


@pytest.mark.usefixtures("hurried_loops")
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_storm_of_429s_is_outlived_without_help_and_without_a_twin(
    place: Place, wait: Callable[[], dict[str, str]]
) -> None:
    place.profile()
    for number in range(10):
        place.merchant(f"m-{number}")
    for match in (LIST_COMPANIES, CREATE_COMPANY, CREATE_CONNECTION):
        place.emulator.fault(match, "status", code=429, times=2, **wait())
    report = place.apply(parallelism=2)
    assert exit_code("apply", report) == 0
    assert [each["name"] for each in place.companies()] == [f"m-{number}" for number in range(10)]
    assert all(len(each["dataConnections"]) == 2 for each in place.companies())
    refused = [call for call in place.emulator.control("GET", "/requests?log=1")["log"] if call["status"] == 429]
    assert len(refused) == 6, "each of the storm was met, and none beside it"


@pytest.mark.usefixtures("hurried_loops")
@pytest.mark.parametrize("retry_after", ["0", "-30", "Mon, 01 Jan 2001 00:00:00 GMT", "9" * 400])
def test_a_service_that_is_busy_and_says_now_is_not_hammered(place: Place, retry_after: str) -> None:
    """Whatever `Retry-After` says: three merchants whose writes are refused make few requests in the two seconds from
    the first refusal on."""
    place.provision("a", "b", "c")
    for name in "abc":
        place.edit_in_portal(name, {"enabled": False})
    posts: list[str] = []

    def busy(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method != "POST":
            return None
        posts.append(request.path)
        return ProxyAnswer(429, {"retry-after": retry_after}, b"")

    with proxied(place.emulator.url, forged=busy) as url:
        place.use_proxy(url)

        async def ends_in_two_seconds() -> bool:
            order = RunRequest(Scope(), RunPolicy(), lambda plan: True)
            applying = asyncio.create_task(plan_and_apply(place.settings, order))
            while not (posts or applying.done()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            ended, _ = await asyncio.wait([applying], timeout=2)
            applying.cancel()
            await asyncio.wait([applying])
            return bool(ended)

        assert not asyncio.run(ends_in_two_seconds())
    assert 1 <= len(posts) <= 15


@pytest.mark.usefixtures("hurried_loops")
def test_a_rename_that_had_to_wait_reads_again_what_it_sends_back(place: Place) -> None:
    """The PUT replaces name, description and tags: what somebody set while it waited is not overwritten."""
    place.provision("a")
    place.merchant("a", company={"name": "b"})
    company = place.company("a")["id"]
    refused: list[str] = []

    def busy_once(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method != "PUT" or refused:
            return None
        refused.append(request.path)
        place.emulator.api.patch(f"/companies/{company}", json={"description": "called on Monday"})
        return ProxyAnswer(429, {"retry-after": "0"}, b"")

    with proxied(place.emulator.url, forged=busy_once) as url:
        place.use_proxy(url)
        assert place.run_in_process("apply", "--yes").returncode == 0
    assert refused
    assert (place.company("b")["id"], place.company("b")["description"]) == (company, "called on Monday")
