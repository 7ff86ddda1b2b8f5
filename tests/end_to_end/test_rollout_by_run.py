"""A rollout that `merchantctl run` carries out: begun from a terminal, over a restart, stopped by a word."""

from __future__ import annotations

import json
import signal
from typing import Any

import httpx
import pytest

from tests.end_to_end.place import Place
from tests.end_to_end.run_process import RunProcess, running_controller

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]

NAMES = tuple(f"m-{number:02}" for number in range(6))
QUIET = {"MERCHANTCTL_LISTING_POLL_INTERVAL": "0"}


def rollout_state(place: Place, name: str = "spring") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(place.run_in_process("rollout", "status", name, "-o", "json").stdout)
    return document


def start(place: Place, *options: str) -> Any:
    return place.run_in_process("rollout", "start", "--yes", "--name", "spring", *options)


@pytest.fixture
def fleet(place: Place) -> Place:
    """Merchants that are to be switched off, which `run` does to one of them a day unasked, and parks the others."""
    place.provision(*NAMES)
    for name in NAMES:
        place.merchant(name, enabled=False)
    return place


def parked(watch: RunProcess) -> list[dict[str, Any]]:
    return [dict(each) for each in watch.passes if each["scope"] == "everyone" and "refused" in each]


def switched_off(place: Place) -> int:
    return sum(not place.document(name)["enabled"] for name in NAMES)


def test_what_run_holds_a_rollout_carries_out_by_run_itself(fleet: Place) -> None:
    with running_controller(fleet, "--resync", "1h", **QUIET) as watch:
        watch.wait_until(lambda: parked(watch))
        assert switched_off(fleet) == 0
        begun = start(fleet, "--wave", "2", "--allow", "disable")
        assert begun.returncode == 0, begun.stderr
        assert "carries it out" in begun.stderr
        watch.wait_until(lambda: rollout_state(fleet)["state"] == "done")
        metrics = httpx.get(watch.address + "/metrics", trust_env=False).text
        told = [each for each in watch.log if each["event"] == "change_applied"]
    assert switched_off(fleet) == len(NAMES)
    assert sorted((each["merchant"], each["because"], *each["fields"]) for each in told) == [
        (name, "rollout", "enabled: true -> false") for name in NAMES
    ]
    assert f"merchantctl_writes_total {len(NAMES)}.0" in metrics


def test_a_rollout_goes_on_where_the_next_process_finds_it(fleet: Place) -> None:
    with running_controller(fleet, "--resync", "1h", **QUIET) as watch:
        watch.wait_until(lambda: parked(watch))
        start(fleet, "--wave", "2", "--allow", "disable", "--soak", "2s")
        watch.wait_until(lambda: switched_off(fleet) == 2)
        assert watch.end_by_signal(signal.SIGTERM) == 143
    assert rollout_state(fleet)["state"] == "running", "a restart is no reason to pause"
    with running_controller(fleet, "--resync", "1h", **QUIET) as watch:
        watch.wait_until(lambda: rollout_state(fleet)["state"] == "done")
    assert switched_off(fleet) == len(NAMES)


def test_a_killed_controller_loses_nothing_of_it_and_a_pause_is_heard(fleet: Place) -> None:
    with running_controller(fleet, "--resync", "1h", **QUIET) as watch:
        watch.wait_until(lambda: parked(watch))
        start(fleet, "--wave", "1", "--wave", "3", "--allow", "disable", "--soak", "3s")
        watch.wait_until(lambda: switched_off(fleet) == 1)
    with running_controller(fleet, "--resync", "1h", **QUIET) as watch:
        watch.wait_until(lambda: [line for line in watch.log if line["event"] == "rollout_taken_up"])
        assert fleet.run_in_process("rollout", "pause").returncode == 0
        watch.wait_until(lambda: [line for line in watch.log if line["event"] == "rollout_halted"])
        assert rollout_state(fleet)["state"] == "paused"
        assert "carries it out" in fleet.run_in_process("rollout", "resume").stderr
        watch.wait_until(lambda: rollout_state(fleet)["state"] == "done")
    assert switched_off(fleet) == len(NAMES)


def test_without_a_controller_or_in_the_foreground_the_command_stays(fleet: Place) -> None:
    assert "no rollout yet" in fleet.run_in_process("rollout", "list").stdout
    done = start(fleet, "--allow", "disable")
    assert "carries it out" not in done.stderr
    assert rollout_state(fleet)["state"] == "done"
    assert "spring  done" in fleet.run_in_process("rollout", "list").stdout
    listed = json.loads(fleet.run_in_process("rollout", "list", "-o", "json").stdout)["rollouts"]
    assert [(each["name"], each["state"]) for each in listed] == [("spring", "done")]
