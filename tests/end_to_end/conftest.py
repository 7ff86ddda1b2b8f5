"""One empty place for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli.main import run
from tests.emulator import Emulator
from tests.end_to_end.place import Place


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
