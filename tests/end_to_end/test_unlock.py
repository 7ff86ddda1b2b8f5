"""`state unlock` as a process, beside a run that holds the lock. What it does with a stopped one: test_the_lock.py."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from controller.model.rollout import RolloutSpec
from controller.model.run_policy import Scope
from controller.rollout.operations import ProgressSink, StartRequest, start_rollout
from state import ProcessIdentity, open_state
from tests.end_to_end.place import Place
from tests.processes import run_python

pytestmark = pytest.mark.over_tcp

ME = ProcessIdentity.current("merchantctl apply")
ELSEWHERE = replace(ME, host="another-host")


def unlocked(
    place: Place, holder: ProcessIdentity, *flags: str
) -> tuple[subprocess.CompletedProcess[str], ProcessIdentity | None]:
    """`state unlock` while that run holds the lock, and who holds it afterwards."""

    async def beside() -> tuple[subprocess.CompletedProcess[str], ProcessIdentity | None]:
        async with open_state(place.settings.state) as store:
            await store.lock.acquire(holder, timeout_s=0)
            ended = await asyncio.to_thread(place.run_in_process, "state", "unlock", *flags)
            row = await store.lock.load_holder()
            return ended, row.owner if row else None

    return asyncio.run(beside())


def test_a_living_run_keeps_its_lock_and_is_named(place: Place) -> None:
    ended, holder = unlocked(place, ME)
    assert (ended.returncode, ended.stdout, holder) == (6, "", ME)
    assert f"`merchantctl apply` (pid {ME.pid} on {ME.host}) holds the lock since 20" in ended.stderr
    assert "and lives" in ended.stderr


def test_a_living_run_of_another_container_keeps_its_lock_too(place: Place) -> None:
    ended, holder = unlocked(place, ELSEWHERE)
    assert (ended.returncode, holder) == (6, ELSEWHERE)
    assert f"(pid {ELSEWHERE.pid} on another-host) holds the lock since 20" in ended.stderr
    assert "and lives" in ended.stderr


@pytest.mark.parametrize("owner", [ME, ELSEWHERE])
def test_force_says_what_may_happen_and_wants_to_be_told_yes(place: Place, owner: ProcessIdentity) -> None:
    ended, holder = unlocked(place, owner, "--force")
    assert (ended.returncode, holder) == (64, owner)
    assert "a second time" in ended.stderr
    ended, holder = unlocked(place, owner, "--force", "--yes")
    assert (ended.returncode, holder) == (0, None)
    assert ended.stdout.startswith("Unlocked: `merchantctl apply`")


def test_a_dead_run_loses_its_lock_without_a_question(place: Place) -> None:
    left_behind(place)
    ended = place.run_in_process("state", "unlock")
    assert (ended.returncode, ended.stdout.startswith("Unlocked: `merchantctl apply`")) == (0, True)
    assert place.run_in_process("state", "unlock").stderr == "It was not locked.\n"


def left_behind(place: Place) -> None:
    """A run of another host that was killed while it held the lock."""
    script = (
        "import asyncio, os, signal, sys; from dataclasses import replace\n"
        "from state import ProcessIdentity, open_state\n"
        "async def main():\n"
        "    async with open_state(sys.argv[1]) as store:\n"
        "        me = replace(ProcessIdentity.current('merchantctl apply'), host='another-host')\n"
        "        await store.lock.acquire(me, timeout_s=0)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    run_python([sys.executable, "-c", script, place.settings.state], env=place.variables())


def test_where_nobody_holds_it_nothing_is_done(place: Place) -> None:
    ended = place.run_in_process("state", "unlock")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "It was not locked.\n")


def test_a_lock_that_another_run_took_meanwhile_stays(place: Place) -> None:
    async def both() -> None:
        async with open_state(place.settings.state) as store:
            await store.lock.acquire(ME, timeout_s=0)
            with pytest.raises(Exception, match="merchantctl apply"):
                await store.lock.force_release(ELSEWHERE)
            assert (await store.lock.load_holder()) is not None
            await store.lock.prove()

    asyncio.run(both())


def test_the_command_of_a_holder_shows_no_password(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the lock and of a rollout: others are told by which command it is held."""
    secret = "s3same"
    monkeypatch.setattr(sys, "argv", ["merchantctl", f"--state=postgresql://ann:{secret}@db/fleet", "apply"])
    place.provision("ann", "bob")
    place.profile(schedule={"frequency": "Daily", "startDate": "2026-12-01", "syncHourUtc": 4})
    commands: list[str] = []

    async def holders() -> None:
        async with open_state(place.settings.state) as store:
            row, rollout = await store.lock.load_holder(), await store.rollouts.load()
            commands.extend(each.owner.command for each in (row, rollout) if each)

    def look(plan: object) -> bool:
        with ThreadPoolExecutor() as beside:
            beside.submit(asyncio.run, holders()).result()
        return True

    started = StartRequest(Scope(), RolloutSpec(("1",)), look)
    asyncio.run(start_rollout(place.settings, started, ProgressSink(print), environment=place.environment))
    place.merchant("bob", enabled=False)
    place.apply(agree=look)
    assert set(commands) == {"merchantctl --state=postgresql://ann:***@db/fleet"}
    assert len(commands) == 3, "the lock of each, and the rollout once there was one"
