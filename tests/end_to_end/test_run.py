"""`merchantctl run`: a process that stays, over real HTTP."""

from __future__ import annotations

import json
import signal

import httpx

from tests.end_to_end.place import COMPANIES, CONFIGURATION, CONFIGURE, CREATE_COMPANY, Place, writes
from tests.end_to_end.watch import watching


def test_a_fleet_is_provisioned_drift_is_mended_and_a_changed_manifest_is_carried_out(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    with watching(place, "--resync", "3s") as watch:
        watch.until(lambda: watch.looks)
        place.consent()
        watch.until(lambda: place.document("ann")["enabled"])
        place.edit("ann", {"enabled": False})
        watch.until(lambda: place.document("ann")["enabled"])
        place.merchant("bob")
        watch.until(lambda: len(place.companies()) == 2)
        assert httpx.get(watch.address + "/readyz").status_code == 200
    assert len(place.companies()) == 2


def test_broken_manifests_leave_the_last_good_revision_in_use(place: Place) -> None:
    place.provisioned("ann", "bob")
    with watching(place, "--resync", "2s") as watch:
        watch.until(lambda: watch.looks)
        (place.manifests / "broken.yaml").write_text("kind: [")
        place.gone("bob")
        told = watch.until(lambda: [line for line in watch.log if line["event"] == "manifests broken"])[0]
        assert "broken.yaml:2" in told["complaints"][0]
        place.edit("bob", {"enabled": False})
        watch.until(lambda: place.document("bob")["enabled"])
        (place.manifests / "broken.yaml").unlink()
        watch.until(lambda: [line for line in watch.log if line["event"] == "manifests whole again"])
        assert watch.until(lambda: [each for each in watch.looks if each.get("in_sync") == 1])


def test_broken_manifests_at_the_start_end_it_with_65(place: Place) -> None:
    (place.manifests / "broken.yaml").write_text("kind: [")
    done = place.run("run")
    assert (done.returncode, "broken.yaml:2" in done.stderr) == (65, True)


def test_an_api_that_fails_or_vanishes_ends_nothing(place: Place) -> None:
    place.provisioned("ann", "bob")
    place.edit("ann", {"enabled": False})
    place.emulator.fault(COMPANIES, "status", code=503, times=5)
    place.emulator.fault(CONFIGURE, "drop", times=1)
    with watching(place) as watch:
        watch.until(lambda: [each for each in watch.looks if "503" in each.get("cut_short", "")])
        watch.until(lambda: [each for each in watch.looks if "cut_short" not in each])


def test_an_address_where_nobody_answers_is_asked_again(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    with watching(place, CODAT_BASE_URL="http://127.0.0.1:9") as watch:
        watch.until(lambda: len([each for each in watch.looks if each.get("cut_short")]) >= 2)
        assert httpx.get(watch.address + "/readyz").status_code == 503


def test_a_refused_key_ends_it(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    with watching(place, CODAT_API_KEY="wrong-key-altogether") as watch:
        assert watch.ended() == 5
        assert "wrong-key-altogether" not in watch.text


def test_a_signal_while_nothing_is_to_do_ends_it_at_once(place: Place) -> None:
    place.provisioned("ann")
    with watching(place) as watch:
        watch.until(lambda: watch.looks)
        assert watch.told(signal.SIGINT) == 130
    assert "Traceback" not in watch.text


def test_a_signal_in_the_middle_of_a_pass_lets_the_requests_in_flight_finish(place: Place) -> None:
    place.profile()
    for number in range(30):
        place.merchant(f"m-{number:02}")
    place.emulator.control("POST", "/latency", {"ms": 200})
    with watching(place, MERCHANTCTL_PARALLELISM="2") as watch:
        watch.until(lambda: place.emulator.counts().get(CREATE_COMPANY))
        assert watch.told(signal.SIGTERM) == 143
        assert watch.looks[-1]["cut_short"] == "stopped by SIGTERM"
    place.emulator.control("POST", "/latency", {"ms": 0})
    assert 0 < len(place.companies()) < 30
    assert place.run("apply", "--yes").returncode == 0
    assert sorted(each["name"] for each in place.companies()) == [f"m-{number:02}" for number in range(30)]


def test_a_signal_while_everyone_is_looked_at_writes_nothing_and_leaves_no_lock(place: Place) -> None:
    place.provisioned("ann", "bob")
    place.edit("ann", {"enabled": False})
    place.emulator.fault(CONFIGURATION, "delay", ms=3000, times=2)
    before = place.emulator.counts()[CONFIGURATION]
    with place.counted() as counts, watching(place, MERCHANTCTL_PARALLELISM="1") as watch:
        watch.until(lambda: place.emulator.counts()[CONFIGURATION] > before)
        assert watch.told(signal.SIGTERM) == 143
    assert writes(counts) == {}
    assert place.run("apply", "--yes").returncode == 0


def test_once_is_an_apply_for_cron(place: Place) -> None:
    place.provisioned("ann")
    place.edit("ann", {"enabled": False})
    done = place.run("run", "--once")
    assert done.returncode == 0, done.stderr
    assert place.document("ann")["enabled"] is True
    assert json.loads(done.stderr)["writes"] == 1


def test_report_only_never_writes(place: Place) -> None:
    place.provisioned("ann")
    place.edit("ann", {"enabled": False})
    with place.counted() as counts:
        done = place.run("run", "--once", "--report-only")
        with watching(place, "--report-only", "--resync", "1s") as watch:
            watch.until(lambda: len(watch.looks) >= 3)
    assert writes(counts) == {}
    assert done.returncode == 2
    assert json.loads(done.stderr)["change"] == 1


def test_what_was_written_in_24_hours_counts_against_the_limit(place: Place) -> None:
    """Of three merchants one may be switched off in a day; the second waits for a person, though each run is small."""
    place.provisioned("ann", "bob", "cid")
    for name, code in (("ann", 0), ("bob", 4)):
        place.merchant(name, enabled=False)
        assert place.run("run", "--once").returncode == code
    assert place.document("bob")["enabled"] is True
    assert place.run("apply", "--yes").returncode == 0
    assert place.document("bob")["enabled"] is False


def test_a_run_by_hand_fits_in_between(place: Place) -> None:
    place.provisioned("ann")
    with watching(place, "--resync", "1s") as watch:
        watch.until(lambda: watch.looks)
        assert place.run("apply", "--yes", "--lock-timeout", "20").returncode == 0
        watch.next_look(cut_short=None)


def test_a_port_that_is_taken_is_said(place: Place) -> None:
    place.profile()
    taken = place.emulator.url.removeprefix("http://")
    done = place.run("run", "--listen", taken)
    assert (done.returncode, "--listen" in done.stderr) == (64, True)
