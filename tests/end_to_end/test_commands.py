"""The commands: exit codes, saved plans, the lock; as processes where pipes, the log, signals and kills are tested."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.place import CREATE_COMPANY, SAVE_CONFIGURATION, Place, count_writes_by_call
from tests.processes import PythonProcess

pytestmark = pytest.mark.over_tcp


def test_the_way_of_a_merchant_in_exit_codes(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    assert place.run_in_process("validate").returncode == 0
    assert place.run_in_process("plan").returncode == 0
    assert place.run_in_process("plan", "--detailed-exitcode").returncode == 2
    assert place.run_in_process("apply").returncode == 64, "no terminal and no --yes"
    assert place.run_in_process("apply", "--yes").returncode == 0
    waiting = place.run_in_process("plan", "--detailed-exitcode")
    assert place.accounting_connection("ann")["linkUrl"] in waiting.stdout
    assert place.run_in_process("link", "ann").stdout.strip() == place.accounting_connection("ann")["linkUrl"]
    place.consent_everyone()
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert place.run_in_process("plan", "--detailed-exitcode").returncode == 0
    assert place.run_in_process("drift").returncode == 0
    place.edit_in_portal("ann", {"enabled": False})
    assert place.run_process("drift").returncode == 2
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert place.run_in_process("drift").returncode == 0


def test_a_broken_manifest_stops_plan_and_apply_while_drift_reports_on_the_rest(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    (place.manifests / "broken.yaml").write_text("kind: Merchant\nkind: Merchant\n")
    with place.count_requests() as counts:
        for verb in (("validate",), ("plan",), ("apply", "--yes")):
            done = place.run_in_process(*verb)
            assert done.returncode == 65
            assert "broken.yaml:2:1" in done.stdout + done.stderr
    assert counts == {}
    done = place.run_in_process("drift", "-o", "json")
    assert done.returncode == 65
    report = json.loads(done.stdout)
    assert report["complete"] is False
    assert "sync-disabled" in report["summary"]


def test_the_key_is_in_nothing_that_is_told_or_kept(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    told = [
        place.run_process("-vv", *verb) for verb in (("plan", "--out", "plan.json"), ("apply", "--yes"), ("drift",))
    ]
    kept = b"".join(file.read_bytes() for file in place.folder.rglob("*") if file.is_file())
    assert place.emulator.api_key not in "".join(each.stdout + each.stderr for each in told)
    assert place.emulator.api_key.encode() not in kept


@pytest.mark.waits
def test_verbose_names_what_is_asked_again_and_twice_every_request(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    told = []
    for flags in ((), ("-v",), ("-vv",)):
        place.emulator.fault("GET /meta/companies", "status", code=503)
        told.append(place.run_process(*flags, "plan").stderr)
    quiet, more, most = told
    assert quiet == f"merchantctl: the API at {place.emulator.url}\n", "where it is not the default, and nothing else"
    assert "again in" in more
    assert "GET /meta/companies: 200" not in more
    assert "GET /meta/companies: 200" in most
    assert place.emulator.api_key not in most


def test_a_condition_that_is_not_met_says_since_when(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    (ann,) = json.loads(place.run_in_process("status", "-o", "json").stdout)["merchants"]
    (finding,) = ann["findings"]
    assert finding["code"] == "sync-disabled"
    told = {each["type"]: each["since"] for each in ann["conditions"] if each["status"] != "True"}
    assert told == dict.fromkeys(("Switched", "Ready", "Syncing"), finding["since"])


# -- Saved plans


def test_a_saved_plan_is_carried_out_but_for_the_merchants_that_moved(place: Place) -> None:
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        place.edit_in_portal(name, {"enabled": False})
    assert place.run_in_process("plan", "--out", "plan.json").returncode == 0
    place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 9}})
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "plan.json", "--yes")
    assert done.returncode == 3, done.stderr
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert place.document("ann")["enabled"] is False
    assert place.document("bob")["enabled"] is True
    assert "ann" in done.stdout


def test_a_saved_plan_that_was_edited_is_refused(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.run_in_process("plan", "--out", "plan.json")
    saved = place.folder / "plan.json"
    saved.write_text(saved.read_text().replace("create-company", "delete-company"))
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "plan.json", "--yes").returncode == 1
    assert counts == {}


def test_a_saved_plan_of_other_manifests_is_refused(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.run_in_process("plan", "--out", "plan.json")
    place.merchant("bob")
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "plan.json", "--yes")
    assert done.returncode == 1
    assert "the manifests are not those that this plan was made from" in done.stderr
    assert counts == {}


@pytest.mark.parametrize("where", ["-", "/dev/stdin"])
def test_a_plan_is_recognised_in_a_pipe(place: Place, where: str) -> None:
    place.profile()
    place.merchant("ann")
    planned = place.run_in_process("plan", "-o", "json")
    done = place.run_process("apply", where, "--yes", stdin=planned.stdout)
    assert done.returncode == 0, done.stderr
    assert [company["name"] for company in place.companies()] == ["ann"]


def test_a_reader_that_has_seen_enough_ends_doctor_without_a_word(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.emulator.control("POST", "/latency", {"ms": 500})
    with _begin(place, "doctor") as process:
        assert process.stdout
        while "API key" not in process.stdout.readline():
            pass
        process.stdout.close()
        _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert "Error" not in err
    assert process.returncode == 1


# -- Two at once, and being stopped


def _begin(place: Place, *arguments: str) -> PythonProcess:
    command = [sys.executable, "-m", "controller", *arguments]
    return PythonProcess(
        command, cwd=place.folder, env=place.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _until_it_writes(place: Place) -> None:
    deadline = time.monotonic() + 300
    while not place.emulator.counts().get(CREATE_COMPANY):
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.01)


@pytest.fixture
def slow(place: Place) -> Place:
    """Thirty merchants to create, one at a time, a fifth of a second for each request."""
    place.profile()
    for number in range(30):
        place.merchant(f"m-{number:02}")
    place.emulator.control("POST", "/latency", {"ms": 200})
    return place


@pytest.mark.waits
def test_a_second_apply_on_the_same_state_is_locked_out_and_plan_is_not(slow: Place) -> None:
    first = _begin(slow, "apply", "--yes", "--parallelism", "1")
    try:
        _until_it_writes(slow)
        second = slow.run_in_process("apply", "--yes")
        assert second.returncode == 6, second.stderr
        assert slow.run_in_process("plan").returncode == 0
    finally:
        first.kill()
        first.communicate()
    slow.emulator.control("POST", "/latency", {"ms": 0})
    third = slow.run_in_process("apply", "--yes")
    assert third.returncode == 0, f"the lock of the dead is taken over: {third.stderr}"
    assert sorted(each["name"] for each in slow.companies()) == [f"m-{number:02}" for number in range(30)]


@pytest.mark.waits
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_after_the_requests_in_flight_with_a_report(
    slow: Place, number: signal.Signals, code: int
) -> None:
    process = _begin(slow, "apply", "--yes", "--parallelism", "2")
    _until_it_writes(slow)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    (told,) = re.findall(r"(\d+) done, (\d+) skipped", out)
    assert sum(map(int, told)) == 30
    assert len(slow.companies()) < 30
    slow.emulator.control("POST", "/latency", {"ms": 0})
    assert slow.run_in_process("apply", "--yes").returncode == 0
    assert sorted(each["name"] for each in slow.companies()) == [f"m-{number:02}" for number in range(30)]


@pytest.mark.waits
@pytest.mark.parametrize("after", [0.05, 0.4, 1.1])
def test_a_run_killed_at_any_moment_is_made_good_by_the_next(slow: Place, after: float, tmp_path: Path) -> None:
    process = _begin(slow, "apply", "--yes", "--parallelism", "4")
    _until_it_writes(slow)
    time.sleep(after)
    process.kill()
    process.communicate()
    slow.emulator.control("POST", "/latency", {"ms": 0})
    assert slow.run_in_process("apply", "--yes").returncode == 0
    companies = slow.companies()
    assert sorted(each["name"] for each in companies) == [f"m-{number:02}" for number in range(30)]
    assert all(len(each["dataConnections"]) == 2 for each in companies)
