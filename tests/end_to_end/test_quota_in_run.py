"""A day's quota that `run` has spent but for its reserve: events are answered, and all go on by themselves later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.daemon import loop
from controller.daemon.loop import serve, shut_down
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.pass_lock import PassLock
from controller.daemon.workqueue import Lane
from controller.operations.bootstrap import hold_state_lock
from tests.emulator import Emulator
from tests.end_to_end.place import UK_PROFILE, Place
from tests.end_to_end.stepped_controller import Service, running_service

REQUESTS_A_DAY = 100
HALF_A_DAY_S = 43_200.0


class _JumpingEventLoop(asyncio.SelectorEventLoop):
    """Whose time can be put forward."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


@pytest.mark.parametrize("has_begun", [False, True])
def test_while_the_days_requests_are_spent_events_are_answered_and_the_others_go_on_by_themselves(
    tmp_path: Path, emulator_in_process: Emulator, monkeypatch: pytest.MonkeyPatch, has_begun: bool
) -> None:
    monkeypatch.setattr(loop, "QUOTA_CHECK_INTERVAL_S", 0.02)
    place = Place(tmp_path, emulator_in_process)
    place.provision("ann", "bob")
    _begin_the_day_at_noon(place)

    async def story() -> list[str]:
        async with running_service(place) as service:
            await _spend_all_but_the_reserve(service, place)
            daemon = service.daemon
            daemon.state.has_begun = has_begun
            daemon.queue.add(["bob"], lane=Lane.RETRY)
            with capture_logs() as log:
                serving = asyncio.create_task(serve(daemon))
                await _until(lambda: "background_quota_spent" in _events(log))
                daemon.queue.add(["ann"], lane=Lane.EVENT)
                await _until(lambda: "event" in _passes(log))
                await asyncio.sleep(0.1)
                assert _passes(log) == ["event"], "nobody else while it lasts"
                _put_forward_to_the_next_day(place)
                await _until(lambda: "recheck" in _passes(log))
                shut_down(daemon, SIGTERM)
                await serving
            assert _passes(log) == ["event", *([] if has_begun else ["resync"]), "recheck"]
            return _events(log)

    with asyncio.Runner(loop_factory=_JumpingEventLoop) as runner:
        events = runner.run(story())
    assert events.count("background_quota_spent") == 1
    assert events.index("background_quota_spent") < events.index("background_quota_is_back")


def test_of_manifests_that_changed_while_no_run_was_there_an_event_releases_nothing_before_the_first_look_at_everyone(
    tmp_path: Path, emulator_in_process: Emulator
) -> None:
    """That is to judge them, and takes its time: here it waits for the next day."""
    place = Place(tmp_path, emulator_in_process)
    place.provision("ann", "bob")
    _begin_the_day_at_noon(place)

    async def story() -> None:
        async with running_service(place) as service:
            await _spend_all_but_the_reserve(service, place)
            place.profile(schedule=UK_PROFILE["schedule"] | {"time": "05:00"})
            watcher, before = ManifestWatcher(place.manifests), service.daemon
            lock = PassLock(lambda _: hold_state_lock(before.run.store.controller_lock, 0), lambda: watcher.fleet)
            daemon = replace(before, manifest_watcher=watcher, lock=lock)
            serving = asyncio.create_task(serve(daemon))
            daemon.queue.add(["ann"], lane=Lane.EVENT)
            await _until(lambda: bool(service.parked()))
            assert daemon.state.revised == {"ann", "bob"}, "looked at, and not written to"
            _put_forward_to_the_next_day(place)
            await _until(lambda: not daemon.state.revised)
            shut_down(daemon, SIGTERM)
            await serving

    with asyncio.Runner(loop_factory=_JumpingEventLoop) as runner:
        runner.run(story())
    assert not [each for each in place.plan().plans if each.changes]


def _begin_the_day_at_noon(place: Place) -> None:
    now = datetime.fromisoformat(place.emulator.control("GET", "/clock")["now"])
    noon = datetime.combine(now.date() + timedelta(days=1), time(12, tzinfo=UTC))
    place.emulator.advance(f"PT{int((noon - now).total_seconds())}S")


async def _spend_all_but_the_reserve(service: Service, place: Place) -> None:
    """A fifth of the quota, and half of that by noon."""
    place.emulator.control("POST", "/limits", {"perDay": REQUESTS_A_DAY})
    api, company = service.daemon.run.api, place.company("ann")["id"]
    while not api.quota or api.quota.remaining >= 0.1 * REQUESTS_A_DAY:
        await api.company(company)


def _put_forward_to_the_next_day(place: Place) -> None:
    place.emulator.advance("PT13H")
    running = asyncio.get_running_loop()
    assert isinstance(running, _JumpingEventLoop)
    running.ahead_s += HALF_A_DAY_S


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to that")


def _events(log: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in log]


def _passes(log: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["because"] for line in log if line["event"] == "pass_finished"]
