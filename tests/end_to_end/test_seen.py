"""What one process saw, every other shows: `status` without a request, and a dashboard that is full from the start."""

from __future__ import annotations

import json
import signal

import httpx
import pytest

from tests.end_to_end.place import LIST_COMPANIES, Place
from tests.end_to_end.run_process import running_controller

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]


def test_status_asks_nothing_while_a_controller_keeps_it_up_to_date(place: Place) -> None:
    place.provision("ann", "bob")
    with running_controller(place, "--resync", "1h") as watch:
        watch.wait_until(lambda: watch.passes)
        with place.count_requests() as counts:
            fleet = place.run_in_process("status")
            one = json.loads(place.run_in_process("status", "ann", "-o", "json").stdout)
        assert counts.total() == 0
        assert "As `merchantctl run` saw it" in fleet.stdout
        assert ", the oldest look under a minute ago, from manifests" in fleet.stdout
        assert "2 of 2 merchants ready" in fleet.stdout
        assert [each["merchant"] for each in one["merchants"]] == ["ann"]
        assert one["oldestLookAt"]
        with place.count_requests() as counts:
            assert "As `merchantctl run`" not in place.run_in_process("status", "--refresh").stdout
        assert counts.total() > 0
        watch.end_by_signal(signal.SIGTERM)
    with place.count_requests() as counts:
        place.run_in_process("status")
    assert counts.total() > 0, "a controller that has ended keeps nothing up to date"


def test_whoever_no_controller_has_looked_at_yet_is_looked_at(place: Place) -> None:
    place.provision("ann")
    with running_controller(place, "--resync", "1h") as watch:
        watch.wait_until(lambda: watch.passes)
        place.merchant("new")
        with place.count_requests() as counts:
            assert "new" in place.run_in_process("status").stdout
    assert counts.total() > 0


def test_a_change_that_was_written_is_not_shown_as_still_to_be_made(place: Place) -> None:
    place.provision("ann")
    with running_controller(place, "--resync", "1h") as watch:
        watch.wait_until(lambda: watch.passes)
        place.profile(schedule={"frequency": "Daily", "startDate": "2026-12-01", "syncHourUtc": 5})
        watch.wait_until(lambda: [line for line in watch.log if line["event"] == "change_applied"])
        watch.wait_until(lambda: [each for each in watch.passes if each["because"] == "revision"])
        shown = json.loads(place.run_in_process("status", "-o", "json").stdout)
    (ann,) = shown["merchants"]
    assert {each["type"]: each["status"] for each in ann["conditions"]}["Ready"] == "True"


def test_a_dashboard_shows_the_whole_fleet_before_its_own_first_look_ends(place: Place) -> None:
    place.provision("ann", "bob")
    with running_controller(place, "--resync", "1h") as watch:
        watch.wait_until(lambda: watch.passes)
    place.emulator.fault(LIST_COMPANIES, "delay", ms=20000, times=2)
    with running_controller(place, "--resync", "1h") as watch:
        shown = watch.wait_until(lambda: _merchants_shown(watch.address))
        assert not watch.passes
    assert shown == {"ann", "bob"}


def test_what_one_controller_saw_another_on_the_same_state_shows(place: Place) -> None:
    """Without listings, which would lead each to the merchant by itself."""
    place.provision("ann", "bob")
    quiet = {"MERCHANTCTL_LISTING_POLL_INTERVAL": "0"}
    with (
        running_controller(place, "--resync", "1h", "--report-only", **quiet) as onlooker,
        running_controller(place, "--resync", "1h", **quiet) as watch,
    ):
        onlooker.wait_until(lambda: onlooker.passes)
        watch.wait_until(lambda: watch.passes)
        place.unlink_books_in_portal("ann")
        assert place.run_in_process("drift", "--record").returncode == 2
        shown = 'merchantctl_findings{code="connection-deauthorized"} 1.0'  # a page has it in its history anyway
        watch.wait_until(lambda: shown in _page(watch.address, "/metrics"), 60)
        onlooker.wait_until(lambda: shown in _page(onlooker.address, "/metrics"), 60)


def _merchants_shown(address: str) -> set[str]:
    page = _page(address, "/")
    return {name for name in ("ann", "bob") if f"/merchants/{name}" in page}


def _page(address: str, path: str) -> str:
    return httpx.get(address + path, trust_env=False).text


def test_an_apply_of_the_whole_root_can_put_its_manifests_in_force(place: Place) -> None:
    place.provision("ann")
    assert "No revision is in force" in place.run_in_process("revision", "show").stdout
    assert place.run_in_process("apply", "--yes", "--revision", "--target", "ann").returncode == 64
    assert "No revision is in force" in place.run_in_process("revision", "show").stdout
    assert place.run_in_process("apply", "--yes", "--revision").returncode == 0
    assert "by apply of" in place.run_in_process("revision", "show").stdout


def test_a_second_controller_on_a_state_in_sqlite_is_told_that_one_is_enough(place: Place) -> None:
    place.provision("ann")
    with running_controller(place, "--resync", "1h") as one:
        one.wait_until(lambda: one.passes)
        with running_controller(place, "--resync", "1h") as other:
            (said,) = other.wait_until(
                lambda: [line for line in other.log if line["event"] == "second_controller_alive"]
            )
        assert said["pid"] == one.process.pid
        assert not [line for line in one.log if line["event"] == "second_controller_alive"]
