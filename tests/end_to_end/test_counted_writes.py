"""A write that was made is counted, whatever came after it; what moved is said whole."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from controller.model.report import Applied, ChangedSincePlan, Failed, FleetReport
from controller.reporting.text import apply_text, count_writes
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import CREATE_COMPANY, CREATE_CONNECTION, SAVE_CONFIGURATION, Place, count_writes_by_call
from tests.proxy import Between, ProxyAnswer, ProxyRequest, unchanged_answer

GARBAGE = ProxyAnswer(200, {"content-type": "application/json"}, b'{"cut sh')
REFUSED = ProxyAnswer(401, {"content-type": "application/json"}, b'{"error": "no"}')
BROKEN = ProxyAnswer(502, {}, b"")


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    place = Place(tmp_path, emulator)
    place.skip_waits()
    return place


def is_configuring(request: ProxyRequest) -> bool:
    return request.method == "POST" and request.path.startswith("/config/")


def lately(place: Place) -> dict[str, int]:
    """What the limits count."""

    async def read() -> dict[str, int]:
        async with open_state(place.settings.state) as store:
            return await store.runs.count_unconfirmed_writes(datetime.fromisoformat("2000-01-01T00:00:00+00:00"))

    return asyncio.run(read())


def applied(place: Place, **how: Any) -> FleetReport:
    report = place.apply(**how)
    assert isinstance(report, FleetReport)
    return report


def switched_off(place: Place) -> None:
    """The manifest says off, which `run` may do once a day."""
    place.provision("acme")
    place.merchant("acme", enabled=False)


def test_after_an_unreadable_answer_that_nobody_can_look_behind(place: Place, between: Between) -> None:
    switched_off(place)
    written: list[str] = []

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if is_configuring(request):
            written.append(request.path)
            return GARBAGE
        return BROKEN if request.path in written else answer

    between.changed = changed
    with place.count_requests() as counts:
        report = applied(place, unattended=True)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    outcome = report.outcomes["acme"]
    assert isinstance(outcome, Failed)
    assert (outcome.writes, count_writes(report)) == (1, 1)
    assert lately(place) == {"disable": 1}


def test_after_a_key_that_is_refused_before_the_read_back(place: Place, between: Between) -> None:
    switched_off(place)
    refusing = False

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        nonlocal refusing
        refused, refusing = refusing, refusing or is_configuring(request)
        return REFUSED if refused else answer

    between.changed = changed
    with place.count_requests() as counts:
        report = applied(place, unattended=True)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert count_writes(report) == 1
    assert lately(place) == {"disable": 1}


@pytest.mark.parametrize("look", [BROKEN, REFUSED], ids=["Codat is broken", "the key is refused"])
def test_a_write_that_may_have_been_made_counts_for_the_limits(
    place: Place, between: Between, look: ProxyAnswer
) -> None:
    """Rather one too few is written unasked than one too many."""
    switched_off(place)
    written: list[str] = []

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer | None:
        if is_configuring(request):
            written.append(request.path)
            return None
        return look if written else answer

    between.changed = changed
    report = applied(place, unattended=True)
    outcome = report.outcomes["acme"]
    assert isinstance(outcome, Failed)
    assert (outcome.writes, outcome.unsure, report.api_unusable) == (0, True, look is REFUSED)
    assert lately(place) == {"disable": 1}
    between.changed = unchanged_answer
    assert place.document("acme")["enabled"] is False


def test_in_both_rounds_of_a_run(place: Place, between: Between) -> None:
    place.profile()
    place.merchant("acme")
    lost: list[str] = []

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method == "POST" and request.path.endswith("/connections") and not lost:
            lost.append(request.path)
            return BROKEN
        return None

    between.forged = forged
    with place.count_requests() as counts:
        report = applied(place)
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 1, CREATE_CONNECTION: 1}
    outcome = report.outcomes["acme"]
    assert isinstance(outcome, Applied)
    assert (outcome.writes, count_writes(report)) == (2, 2)


def test_what_moved_is_said_with_its_field_its_values_and_what_had_been_written(place: Place, between: Between) -> None:
    place.provision("acme")
    place.merchant("acme", company={"name": "Acme Ltd"}, enabled=False)
    moved: list[str] = []

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.method == "PUT" and not moved:
            moved.append(request.path)
            company = request.path.rsplit("/", 1)[1]
            place.emulator.control("PATCH", f"/companies/{company}/configuration", {"schedule": {"syncHourUtc": 17}})
        return answer

    between.changed = changed
    report = applied(place, allow=("disable",))
    outcome = report.outcomes["acme"]
    assert isinstance(outcome, ChangedSincePlan), outcome
    assert (outcome.writes, count_writes(report)) == (1, 1)
    text = " ".join(apply_text(report).split())
    assert "somebody else moved it since the plan was made, so it was not written over: " in text
    assert "schedule" in outcome.what
    assert "17" in outcome.what
    assert "1 of this merchant's changes had been made before that" in text
    assert "nothing was written" not in text
