"""The lock on the state among real processes: killed in a container, stopped, and what the others see of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.place import GET_CONFIGURATION, SAVE_CONFIGURATION, Place, count_writes_by_call
from tests.end_to_end.run_process import RunProcess, running_controller
from tests.end_to_end.test_the_state_file import run as run_unprivileged
from tests.postgresql import empty_schema
from tests.processes import PythonProcess

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]

HELD = "state_lock_waiting"
WAITS = "waiting for the lock on the state"


def container(host: str) -> list[str]:
    """A host name and a pid namespace of its own, where this machine lets us have them."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    namespaces = ["unshare", *user, "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
    into = [*namespaces, "sh", "-c", 'hostname "$0" && exec "$@"', host]
    tried = subprocess.run([*into, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("no namespaces here: tests/unit/state/test_lock.py writes rows of other hosts instead")
    return into


@contextmanager
def at_it(place: Place, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`merchantctl` as a process beside the test."""
    process = PythonProcess(
        [sys.executable, "-m", "controller", *arguments],
        cwd=place.folder,
        env=place.variables() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_it_reads(place: Place) -> None:
    """A run has the lock, and waits for its first answer about a merchant."""
    before = place.emulator.counts().get(GET_CONFIGURATION, 0)
    deadline = time.monotonic() + 300
    while place.emulator.counts().get(GET_CONFIGURATION, 0) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def slow_read(place: Place, seconds: float) -> None:
    """Whoever reads the next document waits so long for it, and has the lock."""
    place.emulator.fault(GET_CONFIGURATION, "delay", ms=int(seconds * 1000), times=1)


def waits(watch: RunProcess) -> list[dict[str, object]]:
    return [each for each in watch.log if each["event"] == HELD]


class TestInContainers:
    """SQLite on a volume: each start has another host name, and pid 1 in a namespace of its own."""

    def test_after_a_kill_the_next_start_waits_for_nobody(self, place: Place) -> None:
        place.provision("ann")
        slow_read(place, 60)
        with running_controller(place, inside=container("one")) as victim:
            until_it_reads(place)
            victim.process.kill()
            victim.wait_for_exit()
        with running_controller(place, inside=container("two")) as heir:
            heir.wait_until(lambda: heir.passes)
            assert heir.passes[0].get("cut_short") is None
            assert waits(heir) == []

    def test_a_living_one_is_waited_for_and_everybody_is_told(self, place: Place) -> None:
        place.provision("ann")
        slow_read(place, 300)
        with running_controller(place, inside=container("one")) as holder:
            until_it_reads(place)
            with running_controller(place, inside=container("two")) as waiting:
                said = dict(waiting.wait_until(lambda: waits(waiting))[0])
                assert said["level"] == "warning"
                assert " run` (pid 1 on one) since " in str(said["holder"])
                ready = httpx.get(f"{waiting.address}/readyz")
                assert (ready.status_code, WAITS in ready.text) == (503, True)
                alive = httpx.get(f"{waiting.address}/healthz")
                assert (alive.status_code, WAITS in alive.text) == (200, True)
                assert "one" not in (alive.text + ready.text).split(), "the pages for machines name no host"
                holder.process.kill()
                holder.wait_for_exit()
                waiting.wait_until(lambda: waiting.passes)
                assert httpx.get(f"{waiting.address}/readyz").text == "ready\n"
                assert httpx.get(f"{waiting.address}/healthz").text == "ok\n"

    def test_a_rollout_is_taken_up_elsewhere_once_its_process_is_dead_and_no_sooner(self, place: Place) -> None:
        place.provision("ann", "bob")
        place.profile(schedule={"frequency": "Daily", "startDate": "2026-12-01", "syncHourUtc": 4})
        place.emulator.fault(SAVE_CONFIGURATION, "delay", ms=300_000, times=1)
        before = place.emulator.counts().get(SAVE_CONFIGURATION, 0)

        def rollout(host: str, *arguments: str) -> subprocess.Popen[str]:
            command = [*container(host), sys.executable, "-m", "controller", "rollout", *arguments]
            pipe, variables = subprocess.PIPE, place.variables()
            return subprocess.Popen(command, cwd=place.folder, env=variables, stdout=pipe, stderr=pipe, text=True)

        first = rollout("one", "start", "--yes", "--wave", "1")
        try:
            while place.emulator.counts().get(SAVE_CONFIGURATION, 0) == before:
                assert first.poll() is None
                time.sleep(0.05)
            refused = rollout("two", "resume")
            _, said = refused.communicate(timeout=300)
            assert (refused.returncode, "pid 1 on one" in said) == (6, True), said
        finally:
            first.kill()
            first.communicate()
        place.emulator.control("DELETE", "/faults")
        status = place.run_in_process("rollout", "status").stdout
        assert "the process that carried it out is dead: merchantctl rollout resume" in status
        resumed = rollout("two", "resume")
        _, said = resumed.communicate(timeout=300)
        assert resumed.returncode == 0, said
        assert {place.document(name)["schedule"]["syncHourUtc"] for name in ("ann", "bob")} == {4}

    def test_a_signal_ends_the_waiting(self, place: Place) -> None:
        place.provision("ann")
        slow_read(place, 300)
        with running_controller(place) as holder:
            until_it_reads(place)
            with running_controller(place) as waiting:
                waiting.wait_until(lambda: waits(waiting))
                began = time.monotonic()
                assert waiting.end_by_signal(signal.SIGTERM) == 143
                assert time.monotonic() - began < 10
            assert holder.process.poll() is None


@pytest.fixture
def stopped(place: Place) -> Iterator[subprocess.Popen[str]]:
    """An `apply` on SQLite that has the lock, is about to write, and has been standing still for a hundred seconds."""
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    slow_read(place, 1)
    with at_it(place, "apply", "--yes") as process:
        until_it_reads(place)
        process.send_signal(signal.SIGSTOP)
        its_lock = Path(f"{place.database}.lock")
        os.utime(its_lock, (time.time() - 100, time.time() - 100))
        yield process


class TestStoppedOnSQLite:
    """A holder that stands still keeps its lock there: nobody can take it, everybody says so."""

    def test_doctor_names_it_and_how_to_end_it(self, place: Place, stopped: subprocess.Popen[str]) -> None:
        ended = place.run_in_process("doctor")
        assert ended.returncode == 1
        assert f"(pid {stopped.pid} on " in ended.stdout
        assert re.search(r"given no sign of life for 1\d\d s", ended.stdout), "a hundred seconds and some"
        assert f"kill -9 {stopped.pid}" in ended.stdout

    def test_a_wait_for_it_is_said_and_ends(self, place: Place, stopped: subprocess.Popen[str]) -> None:
        ended = place.run_process("apply", "--yes", "--lock-timeout", "1")
        assert ended.returncode == 6
        assert f"(pid {stopped.pid} on " in ended.stderr
        assert re.search(r"last sign of life 1\d\d s", ended.stderr)
        assert "waiting up to 1 s" in ended.stderr
        assert "it is stopped, or hangs. End it" in ended.stderr

    def test_unlock_takes_it_only_by_force_and_the_woken_one_writes_nothing(
        self, place: Place, stopped: subprocess.Popen[str]
    ) -> None:
        ended = place.run_in_process("state", "unlock")
        assert ended.returncode == 6
        assert re.search(r"gave no sign of it for 1\d\d s", ended.stderr)
        assert place.run_in_process("state", "unlock", "--force", "--yes").returncode == 0
        assert place.run_in_process("apply", "--yes").returncode == 0
        wakes_up_and_writes_nothing(place, stopped)

    def test_once_it_is_killed_the_next_one_is_at_work(self, place: Place, stopped: subprocess.Popen[str]) -> None:
        stopped.kill()
        stopped.wait()
        assert place.run_in_process("apply", "--yes").returncode == 0

    def test_who_may_only_look_at_the_state_is_told_the_same(
        self, place: Place, stopped: subprocess.Popen[str]
    ) -> None:
        for file in place.folder.glob("state.db*"):
            file.chmod(0o444)
        assert re.search(r"given no sign of life for 1\d\d s", run_unprivileged(place, "doctor").stdout)


def wakes_up_and_writes_nothing(place: Place, woken: subprocess.Popen[str]) -> None:
    """Though there is something to write: it was about to, and the merchant has drifted once more."""
    place.edit_in_portal("ann", {"enabled": False})
    with place.count_requests() as during:
        woken.send_signal(signal.SIGCONT)
        said = "".join(woken.communicate(timeout=300))
    assert count_writes_by_call(Counter(during)) == {}, said
    assert woken.returncode == 3, said
    assert "the lock on the state is lost" in said


@contextmanager
def standing_in_a_write(place: Place, lease: float) -> Iterator[None]:
    """Another process has been stopped in the middle of a write to the state, with its transaction open."""
    script = (
        "import asyncio, sys\n"
        "from state.database import open_database\n"
        "async def main():\n"
        "    async with open_database(sys.argv[1], lease_s=float(sys.argv[2])) as database, database.writing():\n"
        "        print('in it', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, place.settings.state, str(lease)]
    with PythonProcess(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as stuck:
        try:
            assert stuck.stdout
            assert stuck.stdout.readline() == "in it\n"
            stuck.send_signal(signal.SIGSTOP)
            yield
        finally:
            stuck.kill()


class TestStoppedOnPostgreSQL:
    """Whoever gives no sign of life for a lease loses the lock, and is fenced when it wakes up."""

    @pytest.fixture
    def place(self, place: Place, postgresql: str) -> Iterator[Place]:
        with empty_schema(postgresql) as url:
            place.settings = replace(place.settings, state=url)
            yield place

    @pytest.mark.parametrize(
        ("lease", "seconds"), [("2s", 4), pytest.param("45s", 75, marks=pytest.mark.soak)], ids=["short", "as it is"]
    )
    def test_the_next_takes_over_and_the_woken_one_writes_nothing(self, place: Place, lease: str, seconds: int) -> None:
        place.provision("ann")
        place.edit_in_portal("ann", {"enabled": False})
        slow_read(place, 1)
        with at_it(place, "apply", "--yes", MERCHANTCTL_LOCK_LEASE=lease) as victim:
            until_it_reads(place)
            victim.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            with place.count_requests() as during:
                heir = place.run_in_process("apply", "--yes", "--lock-timeout", str(seconds + 30))
            assert heir.returncode == 0, heir.stderr
            assert "an earlier run lost the lock on this state" in heir.stderr
            assert during[SAVE_CONFIGURATION] == 1
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            wakes_up_and_writes_nothing(place, victim)

    def test_one_that_stands_in_the_middle_of_a_write_to_the_state_holds_nobody_up_for_long(self, place: Place) -> None:
        """Its open transaction keeps `plan --record` from writing: the server ends it, and the wait is said."""
        place.provision("ann")
        place.edit_in_portal("ann", {"enabled": False})
        with standing_in_a_write(place, lease=8):
            planned = place.run_process("plan", "--record")
        assert planned.returncode == 0, planned.stderr
        assert "another process is in the middle of a write to the state" in planned.stderr
        assert "ann" in planned.stdout

    def test_a_signal_ends_the_waiting_for_one_that_stands_in_the_middle_of_a_write(self, place: Place) -> None:
        """A supervisor kills ten seconds after TERM; the server ends that write after the lease, in a minute."""
        place.provision("ann")
        with running_controller(place) as controller:
            controller.wait_until(lambda: controller.passes)
            with standing_in_a_write(place, lease=45):
                began = time.monotonic()
                assert controller.end_by_signal(signal.SIGTERM) == 143
                assert time.monotonic() - began < 10

    @pytest.mark.soak
    def test_doctor_names_one_that_does_not_renew(self, place: Place) -> None:
        place.provision("ann")
        slow_read(place, 1)
        with at_it(place, "apply", "--yes") as victim:
            until_it_reads(place)
            victim.send_signal(signal.SIGSTOP)
            assert "last sign of life" in place.run_in_process("doctor").stdout
            deadline = time.monotonic() + 300
            while "given no sign of life for" not in (ended := place.run_in_process("doctor")).stdout:
                assert time.monotonic() < deadline, ended.stdout
            assert ended.returncode == 1
            assert f"(pid {victim.pid} on " in ended.stdout
            assert "the next run takes it over 45 s after the last" in ended.stdout
