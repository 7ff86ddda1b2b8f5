"""`merchantctl("plan", "-o", "json")` in an empty folder, as a script would see it: exit code, stdout, stderr."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from controller.cli.main import run
from controller.environment import Environment
from tests.emulator import Emulator
from tests.environments import HURRIED_ENVIRONMENT


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Merchantctl(Protocol):
    def __call__(self, *arguments: str, environment: Environment = ...) -> Ended: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("CODAT_API_KEY", "CODAT_API_KEY_FILE", "CODAT_BASE_URL", "NO_COLOR", "MERCHANTCTL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MERCHANTCTL_CREATE_SETTLE", "0")
    return tmp_path


@pytest.fixture
def merchantctl(folder: Path, capfd: pytest.CaptureFixture[str]) -> Merchantctl:
    def call(*arguments: str, environment: Environment = HURRIED_ENVIRONMENT) -> Ended:
        capfd.readouterr()
        code = run(list(arguments), environment)
        printed = capfd.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture
def served(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Emulator:
    """The emulator, and settings that lead to it."""
    monkeypatch.setenv("CODAT_BASE_URL", emulator.url)
    monkeypatch.setenv("CODAT_API_KEY", emulator.api_key)
    monkeypatch.setenv("MERCHANTCTL_REQUESTS_PER_MINUTE", "0")
    return emulator
