"""How many requests any minute sees of two controllers on one state in PostgreSQL and a command beside them, by the
log of the server, whose own limit is the same. All have more to do than they may; one of them is killed on the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.event_latency import running_controller
from benchmarks.plan import command_environment
from benchmarks.stage import MANIFEST, Figure, ask, bound_fleet, serve_emulator_process
from controller.settings import Settings
from tests.postgresql import own_server

LIMIT = 600
"""Requests a minute."""
SECONDS = 240
MERCHANTS = 400
RESYNC = "20s"
"""Twice as much as the limit lets them."""


def measure() -> Iterator[Figure]:
    """Needs about four and a half minutes, whatever the machine."""
    with serve_emulator_process() as (url, _), own_server() as database, TemporaryDirectory() as folder:
        settings = bound_fleet(url, Path(folder), MERCHANTS, "configured", MANIFEST, database.url)
        ask(url, "POST", "/_emulator/limits", {"perMinute": LIMIT})
        _send_all_they_may(replace(settings, requests_per_minute=LIMIT))
        log = ask(url, "GET", "/_emulator/requests?log=1")["log"]
    arrivals = [datetime.fromisoformat(each["at"]).timestamp() for each in log]
    assert len(arrivals) < 10_000, "the server remembers no more than that"
    yield Figure("requests in the fullest minute, wherever it begins", _most_in_a_minute(arrivals), "", f"<= {LIMIT}")
    yield Figure("  answered with 429", sum(each["status"] == 429 for each in log), "", "<= 0")
    a_minute = len(arrivals) / (arrivals[-1] - arrivals[0]) * 60
    yield Figure("  of the limit that was used", a_minute / LIMIT, "", ">= 0.5")


def _send_all_they_may(settings: Settings) -> None:
    pace = {"MERCHANTCTL_REQUESTS_PER_MINUTE": str(LIMIT), "MERCHANTCTL_RESYNC": RESYNC}
    began = time.monotonic()
    with running_controller(settings, **pace), ExitStack() as until_killed:
        until_killed.enter_context(running_controller(settings, **pace))
        time.sleep(SECONDS / 2)
        until_killed.close()
        command = [sys.executable, "-m", "controller", "plan", "--target", "m-000*"]
        subprocess.run(command, env=command_environment(settings) | pace, capture_output=True, check=True)
        time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))


def _most_in_a_minute(arrivals: list[float]) -> int:
    first = most = 0
    for last, at in enumerate(arrivals):
        while arrivals[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    return most
