"""One empty place for each test, and the emulator without a socket, but for tests that are marked `over_tcp`: those of
connections, and with processes or servers beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.main import run
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.hurried_loop import hurried_event_loops
from tests.proxy import Between, proxied


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Emulator:
    emulator: Emulator = request.getfixturevalue("emulator_without_socket")
    if request.node.get_closest_marker("over_tcp"):
        emulator = request.getfixturevalue("emulator_server")
    emulator.reset()
    return emulator


@pytest.fixture(autouse=True)
def hurried(request: pytest.FixtureRequest) -> Iterator[None]:
    """Without sockets and processes beside it, no test sits out a wait of an event loop."""
    with nullcontext() if request.node.get_closest_marker("over_tcp") else hurried_event_loops():
        yield


@pytest.fixture
def between(place: Place) -> Iterator[Between]:
    """It is there from the first request on: a state knows only one address."""
    between = Between()
    if not place.emulator.has_socket:
        place.put_between(between)
        yield between
        return
    both = (lambda *both: between.changed(*both)), (lambda one: between.forged(one))
    with proxied(place.emulator.url, *both) as url:
        place.settings = replace(place.settings, base_url=url)
        yield between


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    return Place(tmp_path, emulator)


@pytest.fixture
def command_line(
    place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The front door in this process, in the folder of the place: exit code, stdout and stderr of one command line."""
    for name, value in place.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.folder)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(list(arguments), place.environment)
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return call
