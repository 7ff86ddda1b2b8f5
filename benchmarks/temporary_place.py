"""A place of the tests' stories, for the benchmarks that tell one: manifests, a state, and an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stage import BENCHMARK_API_KEY
from controller.emulator.http.server import running_emulator
from controller.emulator.service.world import EmulatorSettings
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.in_process import TEST_ACCOUNT


@contextmanager
def place_over_tcp() -> Iterator[Place]:
    """Empty, with an emulator that listens, as processes need it."""
    settings = EmulatorSettings(api_key=BENCHMARK_API_KEY, account=TEST_ACCOUNT)
    with running_emulator(settings) as url, TemporaryDirectory() as folder:
        yield Place(Path(folder), Emulator(url, BENCHMARK_API_KEY))
