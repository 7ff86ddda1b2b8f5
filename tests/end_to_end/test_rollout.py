"""A change in waves, over real HTTP: who was written to, and when, is read at the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.place import CONFIGURE, Place, writes

TIPS, CARDS = "Tips payable", "Gift cards outstanding"
FLEET = [f"m-{number:05}" for number in range(8)]
CANARIES = ["m-00003", "m-00006"]
LABEL = ("--wave", "tier=canary")


@pytest.fixture
def place(tmp_path: Any, emulator: Any) -> Place:
    """Eight configured merchants on one profile, in sync; two of them are canaries. The profile has just changed."""
    place = Place(tmp_path, emulator)
    emulator.seed(len(FLEET), "configured")
    for name in FLEET:
        place.merchant(name)
        if name in CANARIES:
            labelled(place, name)
    asks_for(place, TIPS)
    place.apply()
    asks_for(place, CARDS)
    emulator.control("DELETE", "/faults")
    return place


def labelled(place: Place, name: str) -> None:
    path = place.manifests / f"merchant-{name}.yaml"
    manifest = json.loads(path.read_text())
    manifest["metadata"]["labels"] = {"tier": "canary"}
    path.write_text(json.dumps(manifest))


def asks_for(place: Place, account: str) -> None:
    """The profile says one line, and that concerns everyone."""
    mapping = {"sales": {"accounts": {"gratuity": {"name": account}}}}
    place.profile(schedule={}, mapping=mapping)


def stand_at(place: Place, account: str) -> list[str]:
    return [name for name in FLEET if gratuity(place, name) == account]


def gratuity(place: Place, name: str) -> str:
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    return next(each["name"] for each in entry["accountOptions"] if each["id"] == entry["selectedAccountId"])


def rollout(place: Place, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    answer = place.run("rollout", *words)
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


def status(place: Place) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(rollout(place, "status", "-o", "json").stdout)
    return answer


def refuse_once(place: Place, name: str) -> None:
    """The service will not take this merchant's next configuration."""
    path = f"POST /config/companies/{place.company(name)['id']}/sync/commerce"
    place.emulator.fault(path, "status", code=400)


def portal(place: Place, name: str, account: str) -> None:
    """The merchant chooses another account for the tips."""
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    chosen = next(each["id"] for each in entry["accountOptions"] if each["name"] == account)
    place.edit(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": chosen}}}}})


def test_each_wave_ends_before_the_next_begins_and_every_merchant_is_written_to_once(place: Place):
    with place.counted() as counts:
        told = rollout(place, "start", "--yes", *LABEL, "--wave", "50%")
    order = [each["path"].split("/")[3] for each in place.emulator.control("GET", "/requests?log=1")["log"] if False]
    assert order == []
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert stand_at(place, CARDS) == FLEET
    assert [(each["merchants"], each["done"]) for each in status(place)["waves"]] == [(2, 2), (2, 2), (4, 4)]
    assert "wave 3 of 3: through" in told.stderr
    assert place.plan().counts == {}


def test_a_wave_that_fails_pauses_and_nobody_of_a_later_wave_is_touched(place: Place):
    refuse_once(place, CANARIES[1])
    rollout(place, "start", "--yes", *LABEL, "--soak", "0s", code=3)
    assert stand_at(place, CARDS) == CANARIES[:1]
    paused = status(place)
    assert (paused["state"], paused["wave"]) == ("paused", 1)
    assert CANARIES[1] in paused["reason"]
    assert [each["left"] for each in paused["waves"]] == [0, 6]
    assert "400" in rollout(place, "status").stdout or "refused" in rollout(place, "status").stdout


def test_resume_tries_the_failed_again_and_goes_on(place: Place):
    refuse_once(place, CANARIES[0])
    rollout(place, "start", "--yes", *LABEL, code=3)
    with place.counted() as counts:
        rollout(place, "resume", code=3)
    assert writes(counts) == {}
    place.edit(CANARIES[0], {"enabled": False})
    place.edit(CANARIES[0], {"enabled": True})
    rollout(place, "resume", "--max-failures", "1", code=3)
    assert stand_at(place, CARDS) == [name for name in FLEET if name != CANARIES[0]]


def test_an_apply_leaves_alone_whom_the_rollout_has_not_reached(place: Place):
    rollout(place, "start", "--yes", *LABEL, "--step")
    with place.counted() as counts:
        applied = place.run("apply", "--yes")
    assert writes(counts) == {}
    assert applied.returncode == 0
    assert "6 merchants left to rollout rollout-1" in applied.stdout
    assert place.run("plan", "--detailed-exitcode").returncode == 0


def test_while_one_rollout_stands_no_other_begins(place: Place):
    rollout(place, "start", "--yes", *LABEL, "--step", "--name", "cards")
    refused = rollout(place, "start", "--yes", code=1)
    assert "rollout cards is paused at wave 2 of 2" in refused.stderr


def test_manifests_that_moved_on_stop_a_resume(place: Place):
    rollout(place, "start", "--yes", *LABEL, "--step")
    asks_for(place, "Sales")
    refused = rollout(place, "resume", code=1)
    assert "the manifests ask for something else" in refused.stderr
    place.merchant("newcomer", profile=None, connection={"platform": "xero"})
    asks_for(place, CARDS)
    rollout(place, "resume")
    assert stand_at(place, CARDS) == FLEET


def test_after_an_abort_nobody_else_is_touched_until_the_manifests_change(place: Place):
    rollout(place, "start", "--yes", *LABEL, "--step")
    rollout(place, "abort")
    place.apply()
    assert stand_at(place, CARDS) == CANARIES
    asks_for(place, TIPS)
    place.apply()
    assert stand_at(place, TIPS) == FLEET
    asks_for(place, CARDS)
    place.apply()
    assert stand_at(place, CARDS) == FLEET, "the hold had ended for good"


def test_undo_puts_back_what_was_changed_and_leaves_alone_what_somebody_changed_since(place: Place):
    before = {name: place.document(name) for name in FLEET}
    rollout(place, "start", "--yes", *LABEL)
    portal(place, CANARIES[0], "Sales")
    rollout(place, "undo", "--yes", code=3)
    assert gratuity(place, CANARIES[0]) == "Sales"
    others = [name for name in FLEET if name != CANARIES[0]]
    assert {name: place.document(name) for name in others} == {name: before[name] for name in others}
    undone = {each["merchant"]: each["state"] for each in status(place)["merchants"]}
    assert undone == dict.fromkeys(FLEET, "undone") | {CANARIES[0]: "kept"}


def test_what_is_undone_is_not_done_again_until_the_manifests_change(place: Place):
    rollout(place, "start", "--yes", *LABEL)
    rollout(place, "undo", "--yes")
    with place.counted() as counts:
        assert place.run("apply", "--yes").returncode == 0
    assert writes(counts) == {}
    assert stand_at(place, TIPS) == FLEET
    asks_for(place, TIPS)
    assert [plan.state.value for plan in place.plan().plans] == ["in-sync"] * len(FLEET)
    asks_for(place, "Sales")
    place.apply()
    assert stand_at(place, "Sales") == FLEET


def test_limits_are_judged_over_all_waves_before_the_first_write(place: Place):
    for name in FLEET:
        place.merchant(name, enabled=False)
    with place.counted() as counts:
        refused = rollout(place, "start", "--yes", code=4)
    assert writes(counts) == {}
    assert "disable: 8, and the limit is 1" in refused.stdout
    rollout(place, "start", "--yes", "--allow", "disable")
    assert writes(counts) == {}


def test_what_is_not_a_change_of_what_is_there_is_left_to_apply(place: Place):
    place.merchant("newcomer", profile=None, connection={"platform": "xero"})
    with place.counted() as counts:
        told = rollout(place, "start", "--yes", *LABEL)
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert "1 merchant to create" in told.stdout


def test_drift_after_a_wave_closes_the_gate(place: Place):
    process = begun(place, *LABEL, "--soak", "3s")
    until(lambda: stand_at(place, CARDS) == CANARIES)
    portal(place, CANARIES[0], "Sales")
    assert process.wait(30) == 3
    paused = status(place)
    assert paused["state"] == "paused"
    assert stand_at(place, CARDS) == CANARIES[1:]


def test_a_pause_from_another_terminal_is_noticed_during_the_soak(place: Place):
    process = begun(place, *LABEL, "--soak", "1h")
    until(lambda: status(place)["soakUntil"])
    rollout(place, "pause")
    assert process.wait(30) == 3
    assert status(place)["state"] == "paused"
    assert stand_at(place, CARDS) == CANARIES


def test_a_rollout_that_runs_is_not_taken_up_by_a_second_process(place: Place):
    process = begun(place, *LABEL, "--soak", "1h")
    until(lambda: status(place)["soakUntil"])
    assert "is carried out by" in rollout(place, "resume", code=6).stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert status(place)["reason"] == "stopped by SIGINT"


@pytest.mark.parametrize("held_back", range(3))
def test_a_rollout_that_was_killed_in_a_wave_ends_with_every_merchant_written_to_once(place: Place, held_back: int):
    place.emulator.fault(CONFIGURE, "delay", times=len(FLEET), ms=300)
    with place.counted() as counts:
        process = begun(place, "--wave", "100%")
        until(lambda: place.emulator.counts().get(CONFIGURE, 0) > held_back)
        process.kill()
        process.wait(30)
        place.emulator.control("DELETE", "/faults")
        rollout(place, "resume")
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert stand_at(place, CARDS) == FLEET
    rollout(place, "undo", "--yes")
    assert stand_at(place, TIPS) == FLEET


def begun(place: Place, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "controller", "rollout", "start", "--yes", *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=place.folder, env=place.environment(), stdout=quiet, stderr=quiet)


def until(happened: Callable[[], Any]) -> None:
    for _ in range(300):
        try:
            if happened():
                return
        except (AssertionError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError("it never happened")
