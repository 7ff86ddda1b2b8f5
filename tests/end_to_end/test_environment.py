"""What a run takes from the world around it comes through one seam: time, waiting, and the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.environment import Environment
from tests.emulator import Emulator
from tests.end_to_end.place import CREATE_COMPANY, Place, states_by_merchant

SOCKETLESS = "http://127.0.0.1"


def test_a_fleet_is_provisioned_without_a_socket(tmp_path: Path, emulator_in_process: Emulator) -> None:
    place = Place(tmp_path, emulator_in_process)
    assert place.settings.base_url == SOCKETLESS
    with place.count_requests() as counts:
        place.provision("ann", "bob")
    assert states_by_merchant(place.plan()) == {"ann": "in-sync", "bob": "in-sync"}
    assert counts[CREATE_COMPANY] == 2


def test_a_lost_answer_is_a_lost_answer_without_a_socket_too(tmp_path: Path, emulator_in_process: Emulator) -> None:
    place = Place(tmp_path, emulator_in_process)
    place.profile()
    place.merchant("ann")
    emulator_in_process.fault(CREATE_COMPANY, "lose-answer")
    place.apply()
    assert [each["name"] for each in place.companies()] == ["ann"]
    assert states_by_merchant(place.plan()) == {"ann": "waiting"}


def test_one_clock_dates_the_plan_the_report_and_the_state(place: Place) -> None:
    then = datetime(2027, 3, 1, 12, tzinfo=UTC)
    place.environment = replace(place.environment, clock=lambda: then)
    place.profile()
    place.merchant("ann")
    before = datetime.now(UTC)
    assert abs(place.plan().made_at - before) < timedelta(days=1), "how old a plan is, is told by Codat's clock"
    report = place.apply()
    assert (report.started_at, report.ended_at) == (then, then)
    assert {each.since for each in place.plan().plans[0].findings} == {then}


def test_a_wait_is_the_environments(place: Place) -> None:
    """The two looks for a lost create are five seconds apart by the clock that the run was given."""
    place.profile()
    place.merchant("ann")
    place.set_create_settle(5)
    place.skip_waits()
    before = place.environment.clock()
    place.emulator.fault(CREATE_COMPANY, "lose-answer")
    place.emulator.fault("GET /meta/companies", "stale", times=3)
    place.apply()
    assert place.environment.clock() - before > timedelta(seconds=5)


def test_the_real_one_is_what_nobody_has_to_ask_for() -> None:
    assert abs(Environment().clock() - datetime.now(UTC)) < timedelta(seconds=5)
