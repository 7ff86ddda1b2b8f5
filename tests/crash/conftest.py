"""The stage of the proof, made once for each pytest process: setting it up takes longer than a point."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.emulator.http.server import running_emulator
from controller.emulator.service.world import EmulatorSettings
from tests.crash.crash_proof import CrashProof
from tests.emulator import Emulator, in_process_emulator
from tests.hurried_loop import hurried_event_loops
from tests.in_process import TEST_ACCOUNT


@pytest.fixture(autouse=True)
def hurried() -> Iterator[None]:
    """No test sits out a wait of an event loop."""
    with hurried_event_loops():
        yield


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """Without a socket. Real connections, and processes that reach the emulator by them, have `proof_over_tcp`."""
    return emulator_in_process


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> CrashProof:
    """Without a socket, on an emulator of its own: hundreds of points are gone through."""
    return CrashProof(tmp_path_factory.mktemp("proof") / "stage", in_process_emulator())


@pytest.fixture(scope="session")
def proof_over_tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashProof]:
    """The same over real connections, to a server of its own that other processes reach, too."""
    settings = EmulatorSettings(api_key="key-of-the-tests", account=TEST_ACCOUNT)
    with running_emulator(settings) as url:
        yield CrashProof(tmp_path_factory.mktemp("proof") / "stage", Emulator(url, settings.api_key))
