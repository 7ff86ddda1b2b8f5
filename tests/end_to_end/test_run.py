"""`merchantctl run`: a process that stays, over real HTTP."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.end_to_end.place import (
    CREATE_COMPANY,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
)
from tests.end_to_end.run_process import running_controller
from tests.proxy import ProxyRequest, proxied
from tests.web.conftest import SECRET
from tests.web.test_running_controller import listened_to

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]


def test_a_fleet_is_provisioned_drift_is_mended_and_a_changed_manifest_is_carried_out(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    with running_controller(place, "--resync", "1s") as watch:
        watch.wait_until(lambda: watch.passes)
        place.consent_everyone()
        watch.wait_until(lambda: place.document("ann")["enabled"])
        place.edit_in_portal("ann", {"enabled": False})
        watch.wait_until(lambda: place.document("ann")["enabled"])
        place.merchant("bob")
        watch.wait_until(lambda: len(place.companies()) == 2)
        assert httpx.get(watch.address + "/readyz").status_code == 200
    assert len(place.companies()) == 2


def test_what_happens_during_a_look_at_everyone_is_answered_while_that_goes_on(place: Place) -> None:
    """The first document comes only once somebody else's books were unlinked, and the webhook was acted upon."""
    place.provision("ann", "bob")
    asked, acted_upon = Event(), Event()

    def held_back(request: ProxyRequest) -> None:
        if request.path.startswith("/config/") and not asked.is_set():
            asked.set()
            acted_upon.wait(300)

    with proxied(place.emulator.url, forged=held_back) as url:
        place.use_proxy(url)
        with running_controller(place, "--resync", "1h", MERCHANTCTL_WEBHOOK_SECRET=SECRET) as watch:
            listened_to(place.emulator, watch.address)
            watch.wait_until(asked.is_set)
            place.unlink_books_in_portal("ann")
            watch.wait_until(lambda: watch.passes)
            acted_upon.set()
            watch.wait_until(lambda: len(watch.passes) == 2)
            shown = httpx.get(watch.address + "/merchants/ann", trust_env=False).text
    assert [each["scope"] for each in watch.passes] == ["1 named", "everyone"]
    assert "connection-deauthorized" in shown, "the end of the long look leaves what was seen later"


def test_broken_manifests_leave_the_last_good_revision_in_use(place: Place) -> None:
    place.provision("ann", "bob")
    with running_controller(place, "--resync", "1s") as watch:
        watch.wait_until(lambda: watch.passes)
        (place.manifests / "broken.yaml").write_text("kind: [")
        place.remove_manifests("bob")
        told = watch.wait_until(lambda: [line for line in watch.log if line["event"] == "manifests_invalid"])[0]
        assert "broken.yaml:2" in told["diagnostics"][0]
        place.edit_in_portal("bob", {"enabled": False})
        watch.wait_until(lambda: place.document("bob")["enabled"])
        (place.manifests / "broken.yaml").unlink()
        watch.wait_until(lambda: [line for line in watch.log if line["event"] == "manifests_valid"])
        assert watch.wait_until(lambda: [each for each in watch.passes if each.get("in_sync") == 1])


def test_broken_manifests_at_the_start_end_it_with_65(place: Place) -> None:
    (place.manifests / "broken.yaml").write_text("kind: [")
    done = place.run_process("run")
    assert (done.returncode, "broken.yaml:2" in done.stderr) == (65, True)


def test_an_api_that_fails_or_vanishes_ends_nothing_and_an_address_where_nobody_answers_is_asked_again(
    place: Place, tmp_path: Path
) -> None:
    """Two controllers, since each waits for seconds before it asks again."""
    place.provision("ann", "bob")
    place.edit_in_portal("ann", {"enabled": False})
    place.emulator.fault(LIST_COMPANIES, "status", code=503, times=5)
    place.emulator.fault(SAVE_CONFIGURATION, "drop", times=1)
    (tmp_path / "lonely").mkdir()
    lonely = Place(tmp_path / "lonely", place.emulator)
    lonely.profile()
    lonely.merchant("ann")
    with (
        running_controller(lonely, CODAT_BASE_URL="http://127.0.0.1:9") as unanswered,
        running_controller(place, MERCHANTCTL_LISTING_POLL_INTERVAL="0") as watch,
    ):
        watch.wait_until(lambda: [each for each in watch.passes if "503" in each.get("cut_short", "")])
        watch.wait_until(lambda: [each for each in watch.passes if "cut_short" not in each])
        unanswered.wait_until(lambda: len([each for each in unanswered.passes if each.get("cut_short")]) >= 2)
        assert httpx.get(unanswered.address + "/readyz").status_code == 503


def test_a_refused_key_is_told_loudly_and_a_mended_one_is_used_without_a_restart(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    file = place.folder / "key"
    file.write_text("wrong-key-altogether\n")
    with running_controller(place, CODAT_API_KEY=None, CODAT_API_KEY_FILE=str(file)) as watch:
        told = watch.wait_until(lambda: [each for each in watch.passes if each.get("cut_short")])[0]
        assert (told["level"], "refuses the API key" in told["cut_short"]) == ("error", True)
        ready = httpx.get(watch.address + "/readyz")
        assert (ready.status_code, "refuses the API key" in ready.text) == (503, True)
        file.write_text(place.emulator.api_key + "\n")
        watch.wait_until(lambda: place.document("ann")["enabled"])
        watch.wait_until(lambda: httpx.get(watch.address + "/readyz").status_code == 200)
    assert "wrong-key-altogether" not in watch.text
    assert place.emulator.api_key not in watch.text


def test_once_with_a_refused_key_ends_with_5(place: Place) -> None:
    place.provision("ann")
    place.emulator.fault(LIST_COMPANIES, "status", code=401, times=100)
    done = place.run_process("run", "--once")
    assert (done.returncode, "refuses the API key" in done.stderr) == (5, True)


def test_a_signal_while_nothing_is_to_do_ends_it_at_once(place: Place) -> None:
    place.provision("ann")
    with running_controller(place) as watch:
        watch.wait_until(lambda: watch.passes)
        assert watch.end_by_signal(signal.SIGINT) == 130
    assert (watch.log[-1]["event"], watch.log[-1]["signal"]) == ("controller_stopped", "SIGINT")
    assert "Traceback" not in watch.text


def test_a_signal_in_the_middle_of_a_pass_lets_the_requests_in_flight_finish(place: Place) -> None:
    place.profile()
    for number in range(30):
        place.merchant(f"m-{number:02}")
    place.emulator.control("POST", "/latency", {"ms": 200})
    with running_controller(place, MERCHANTCTL_PARALLELISM="2") as watch:
        watch.wait_until(lambda: place.emulator.counts().get(CREATE_COMPANY))
        assert watch.end_by_signal(signal.SIGTERM) == 143
        assert watch.passes[-1]["cut_short"] == "stopped by SIGTERM"
    place.emulator.control("POST", "/latency", {"ms": 0})
    assert 0 < len(place.companies()) < 30
    assert place.run_process("apply", "--yes").returncode == 0
    assert sorted(each["name"] for each in place.companies()) == [f"m-{number:02}" for number in range(30)]


def test_a_signal_while_everyone_is_looked_at_writes_nothing_and_leaves_no_lock(place: Place) -> None:
    place.provision("ann", "bob")
    place.edit_in_portal("ann", {"enabled": False})
    place.emulator.fault(GET_CONFIGURATION, "delay", ms=3000, times=2)
    before = place.emulator.counts().get(GET_CONFIGURATION, 0)
    with place.count_requests() as counts, running_controller(place, MERCHANTCTL_PARALLELISM="1") as watch:
        watch.wait_until(lambda: place.emulator.counts().get(GET_CONFIGURATION, 0) > before)
        assert watch.end_by_signal(signal.SIGTERM) == 143
    assert count_writes_by_call(counts) == {}
    place.emulator.control("DELETE", "/faults")
    assert place.run_process("apply", "--yes").returncode == 0


def test_once_is_an_apply_for_cron(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    done = place.run_process("run", "--once")
    assert done.returncode == 0, done.stderr
    assert place.document("ann")["enabled"] is True
    started, in_force, changed, looked = map(json.loads, done.stderr.splitlines())
    assert in_force["event"] == "revision_in_force"
    assert (started["event"], started["api"], looked["writes"]) == ("controller_starting", place.emulator.url, 1)
    assert (changed["event"], changed["merchant"], changed["fields"], changed["causes"]) == (
        "change_applied", "ann", ["enabled: false -> true"], ["changed outside merchantctl"]
    )  # fmt: skip
    assert "Apply: 1 done; 1 write." in done.stdout


def test_report_only_never_writes(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    with place.count_requests() as counts:
        done = place.run_process("run", "--once", "--report-only")
        with running_controller(place, "--report-only", "--resync", "1s") as watch:
            watch.wait_until(lambda: len(watch.passes) >= 3)
    assert count_writes_by_call(counts) == {}
    assert done.returncode == 2
    assert json.loads(done.stderr.splitlines()[-1])["change"] == 1
    assert "enabled" in done.stdout, "what drift would print"


def test_what_was_written_in_24_hours_counts_against_the_limit(place: Place) -> None:
    """Of three merchants one may be switched off in a day; the second waits for a person, though each run is small."""
    place.provision("ann", "bob", "cid")
    for name, code in (("ann", 0), ("bob", 4)):
        place.merchant(name, enabled=False)
        assert place.run_process("run", "--once").returncode == code
    assert place.document("bob")["enabled"] is True
    assert place.run_process("apply", "--yes").returncode == 0
    assert place.document("bob")["enabled"] is False


def test_a_run_by_hand_fits_in_between(place: Place) -> None:
    place.provision("ann")
    with running_controller(place, "--resync", "1s") as watch:
        watch.wait_until(lambda: watch.passes)
        assert place.run_process("apply", "--yes", "--lock-timeout", "20").returncode == 0
        watch.next_pass(cut_short=None)


def test_a_run_that_looks_once_by_other_manifests_than_those_in_force_writes_nothing_and_says_why(place: Place) -> None:
    place.provision("ann", "bob")
    other = place.folder / "other"
    shutil.copytree(place.manifests, other)
    (other / "merchant-bob.yaml").unlink()
    with running_controller(place, "--resync", "1h") as watch:
        watch.wait_until(lambda: watch.passes)
        done = place.run_process("--manifests", str(other), "run", "--once")
        assert (done.returncode, "are not those in force" in done.stderr.splitlines()[-1]) == (1, True)
        assert "in-sync" in place.run_process("status", "bob").stdout


def test_a_port_that_is_taken_is_said(place: Place) -> None:
    place.profile()
    taken = place.emulator.url.removeprefix("http://")
    done = place.run_process("run", "--listen", taken)
    assert (done.returncode, "--listen" in done.stderr) == (64, True)
