"""What is over and old goes from the state: some of it after an apply, all of it once a day under `run`."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.codat.read_only import open_read_only_client
from controller.daemon.bootstrap import RunOptions, _build_jobs
from controller.daemon.context import DaemonState
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.workqueue import WorkQueue
from controller.model.controller_status import ControllerStatus
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.bootstrap import EMPTY_FLEET, RunRequest, build_run, no_progress
from controller.settings import InvalidSettings, load_settings
from controller.telemetry.metrics import Metrics
from state import open_state
from state.retention import EXPIRY_BATCH_SIZE
from tests.end_to_end.place import Place

OLD, YOUNG = timedelta(days=401), timedelta(days=399)


def past(place: Place, number: int, ago: timedelta) -> None:
    """So many lines of history."""
    at = (datetime.now(UTC) - ago).strftime("%Y-%m-%d %H:%M:%S.%f")
    with sqlite3.connect(place.database) as database:
        rows = [(1, at, "ann", "set-configuration", "{}")] * number
        database.executemany("INSERT INTO events (run_id, at, merchant, what, detail) VALUES (?, ?, ?, ?, ?)", rows)


def lines(place: Place) -> int:
    with sqlite3.connect(place.database) as database:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


def test_an_apply_ends_with_forgetting_some_of_what_is_over_and_old(place: Place) -> None:
    """What a day adds; what years have left goes in several."""
    place.provision("ann")
    own = lines(place)
    past(place, 10, OLD)
    past(place, 10, YOUNG)
    place.apply()
    assert lines(place) == own + 10
    past(place, 4 * EXPIRY_BATCH_SIZE + 100, OLD)
    place.apply()
    assert lines(place) == own + 110
    place.apply()
    assert lines(place) == own + 10


def test_how_long_is_a_setting_in_the_environment_and_in_the_file(place: Place) -> None:
    place.provision("ann")
    own = lines(place)
    past(place, 5, timedelta(days=91))
    past(place, 5, timedelta(days=89))
    (place.folder / "merchantctl.toml").write_text('keep = "90d"\n')
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert lines(place) == own + 5


@pytest.mark.parametrize("text", ["", " ", "29d", "a year", "-1d"])
def test_a_time_that_makes_no_sense_is_refused(place: Place, text: str) -> None:
    with pytest.raises(InvalidSettings, match="MERCHANTCTL_KEEP"):
        load_settings({"MERCHANTCTL_KEEP": text}, place.folder, {})


def test_four_hundred_days_are_kept_where_nobody_says_otherwise(place: Place) -> None:
    assert load_settings({}, place.folder, {}).keep == timedelta(days=400).total_seconds()


def test_run_forgets_all_of_it_once_a_day(place: Place) -> None:
    place.provision("ann")
    own = lines(place)
    past(place, 5 * EXPIRY_BATCH_SIZE, OLD)

    async def two_days() -> None:
        settings, moved = place.settings, [timedelta()]
        environment = replace(place.environment, clock=lambda: datetime.now(UTC) + moved[0])
        client = open_read_only_client(settings.base_url, str(settings.api_key), network=environment.network)
        async with open_state(settings.state) as store, client as api:
            order = RunRequest(Scope(), RunPolicy(automatic=True))
            run = build_run(settings, order, EMPTY_FLEET, store, api, no_progress, environment)
            state = DaemonState(ControllerStatus())
            watcher = ManifestWatcher(place.manifests)
            jobs = _build_jobs(settings, RunOptions(), run, WorkQueue(), state, watcher, Metrics())
            (clean_daily,) = [each.action for each in jobs if each.name == "cleanup"]
            await clean_daily()
            assert lines(place) == own
            past(place, 10, OLD)
            await clean_daily()
            assert lines(place) == own + 10, "not before a day is over"
            moved[0] = timedelta(days=1)
            state.signal_received.set()
            await clean_daily()
            assert lines(place) == own + 10, "not once it is told to leave"
            state.signal_received.clear()
            moved[0] = timedelta(days=2)
            await clean_daily()
            assert lines(place) == own
            past(place, 10, OLD)
            moved[0] = timedelta()
            await clean_daily()
            assert lines(place) == own, "where the clock was put back"

    asyncio.run(two_days())


@pytest.mark.parametrize("whose", ["ours", "Codat's"])
def test_a_clock_that_is_ahead_ends_nothing_that_is_young(place: Place, whose: str) -> None:
    """The other one says another time: what is forgotten cannot be called back."""
    place.provision("ann")
    own = lines(place)
    past(place, 10, timedelta(days=200))
    ahead = timedelta(days=220)
    if whose == "ours":
        place.environment = replace(place.environment, clock=lambda: datetime.now(UTC) + ahead)
    else:
        place.emulator.advance(f"PT{ahead.total_seconds():.0f}S")
    place.apply()
    assert lines(place) >= own + 10


def test_doctor_shows_how_large_it_is_and_how_old(place: Place) -> None:
    place.provision("ann")
    past(place, 12_345, timedelta(days=300))
    said = place.run_in_process("doctor").stdout
    born = (datetime.now(UTC) - timedelta(days=300)).strftime("%Y-%m-%d")
    assert f"MB; rows: events {lines(place):,} since {born}, " in said
    assert "kept for 400 days (MERCHANTCTL_KEEP)" in said
