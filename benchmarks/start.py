"""What a short command costs from its start to its exit: seconds of processor time, the least of ten runs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.plan import command_environment
from benchmarks.stage import Figure, fleet_in_sync, serve_emulator_process

RUNS = 10


def measure() -> list[Figure]:
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as folder:
        environment = command_environment(fleet_in_sync(url, Path(folder), 1))
        return [
            Figure("--help", _least_seconds(environment, "--help"), "s", "<= 0.1"),
            Figure("validate, one merchant", _least_seconds(environment, "validate"), "s", "<= 0.2"),
            Figure("plan, one merchant", _least_seconds(environment, "plan", "--target", "m-00000"), "s", "<= 0.45"),
        ]


def _least_seconds(environment: dict[str, str], *arguments: str) -> float:
    command = [sys.executable, "-m", "controller", *arguments]
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    seconds = []
    for _ in range(RUNS):
        process = os.posix_spawn(sys.executable, command, environment, file_actions=silent)
        _, status, used = os.wait4(process, 0)
        assert status == 0, command
        seconds.append(used.ru_utime + used.ru_stime)
    return min(seconds)
