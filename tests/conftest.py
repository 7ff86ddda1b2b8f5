"""Fixtures that all tests share.

`emulator` is a running copy of the API, empty and on the real time at the start of each test, one server
for each pytest process (safe under xdist): an `Emulator` of tests/emulator.py.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from typing import Any

import pytest
import structlog
from hypothesis import settings as hypothesis_settings

from controller.emulator.http.server import running_emulator
from controller.emulator.service.world import EmulatorSettings
from tests.emulator import Emulator, in_process_emulator
from tests.hurried_loop import hurried_event_loops
from tests.in_process import TEST_ACCOUNT
from tests.postgresql import own_database as own_database
from tests.postgresql import postgresql as postgresql
from tests.postgresql import server_of_the_run
from tests.processes import end_fork_server

MEMORY = "/dev/shm"
"""Where Linux has files in memory: states are synced at every commit, of which there are tens of thousands."""
ROOM_FOR_A_RUN = 2 * 1024**3
"""Bytes; a container often has less there, and then the files of tests are where they are elsewhere."""

hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")  # no test depends on how fast it is, or on what else it does


@pytest.fixture(scope="session")
def emulator_server() -> Iterator[Emulator]:
    """The server behind `emulator`, for the whole session of one pytest process."""
    settings = EmulatorSettings(api_key="key-of-the-tests", account=TEST_ACCOUNT)
    with running_emulator(settings) as url:
        yield Emulator(url, settings.api_key)


@pytest.fixture
def emulator(emulator_server: Emulator) -> Emulator:
    """An empty emulator on the real time."""
    emulator_server.reset()
    return emulator_server


@pytest.fixture(scope="session")
def emulator_without_socket() -> Emulator:
    """The one behind `emulator_in_process`, for the whole session of one pytest process."""
    return in_process_emulator()


@pytest.fixture
def emulator_in_process(emulator_without_socket: Emulator) -> Emulator:
    """An empty emulator without a socket, reached by its `environment`, and by `place.environment`.

    For tests in which neither sockets nor other processes are the subject. Its waits are nobody's: no latency, no
    `delay` fault while somebody talks to it by `api` or `control`.
    """
    emulator_without_socket.reset()
    return emulator_without_socket


@pytest.fixture
def hurried_loops() -> Iterator[None]:
    """No event loop that the test makes sits out a short wait: `tests.hurried_loop`."""
    with hurried_event_loops():
        yield


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a command sets up for its own process ends with the test: `-vv`, and handlers to a stderr that is closed."""
    root, packages = logging.getLogger(), [logging.getLogger(name) for name in ("controller", "state")]
    handlers, levels = list(root.handlers), [(logger, logger.level) for logger in (root, *packages)]
    yield
    root.handlers[:] = [each for each in root.handlers if each in handlers]
    for logger, level in levels:
        logger.setLevel(level)
    structlog.reset_defaults()


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(end_fork_server)
    if hasattr(config, "workerinput"):  # a worker of xdist is part of the run of the process that started it
        _take_longer_turns()
        return
    if "TMPDIR" not in os.environ and _free_bytes(MEMORY) > ROOM_FOR_A_RUN:
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY
    around = ExitStack()
    around.enter_context(server_of_the_run())
    config.add_cleanup(around.close)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are marked `waits` begin first in workers 0, 2, … of xdist, and those marked `computes` in the workers
    between them: the ones compute while the others wait, and no worker is left alone with either at the end. Each
    worker is given a stretch of the list."""
    workers: int = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    first = [[each for each in items if each.get_closest_marker(mark)] for mark in ("waits", "computes")[:workers]]
    others = iter([each for each in items if not any(each in marked for marked in first)])
    in_order: list[pytest.Item] = []
    for worker in range(workers):
        end = len(in_order) + (len(items) - len(in_order)) // (workers - worker)
        in_order += first[worker % 2][worker // 2 :: (workers + 1 - worker % 2) // 2]
        in_order += islice(others, max(0, end - len(in_order)))
    items[:] = [*in_order, *others]


def pytest_collection_finish() -> None:
    """What is there now stays to the end: the collector need not go through all modules and tests at every turn, and
    what comes is gone by itself, but for little."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _take_longer_turns() -> None:
    """Four processes on two cores take turns so often that each computes for a fifth longer: 10.4 s instead of 9.3 for
    the same. The scheduler lets one that says that it works in batches go on for longer."""
    if hasattr(os, "sched_setscheduler"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _free_bytes(folder: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much the proof of tests/crash went through, since the number is the proof's worth."""
    told = [each for report in terminalreporter.stats.get("passed", ()) for each in report.user_properties]
    for what in dict.fromkeys(name for name, _ in told):
        terminalreporter.write_line(f"{sum(number for name, number in told if name == what)} {what}")
