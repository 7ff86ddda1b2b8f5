"""The whole process `merchantctl plan`: its memory for fleets of two sizes, and what a plan asks of the API."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.stage import Figure, ask, fleet_in_sync, serve_emulator_process
from controller.settings import Settings

SMALL_FLEET, LARGE_FLEET = 1_000, 10_000
_PLAN = """
import sys
from controller.cli.main import run
code = run(["plan", *sys.argv[1:]])
with open("/proc/self/status") as status:
    sys.stderr.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""
"""The command as it is, which tells its own peak in KiB: what the system says of a child includes its parent's."""


def measure(small: int = SMALL_FLEET, large: int = LARGE_FLEET) -> list[Figure]:
    return [*_fleet(small), *_fleet(large, "<= 250")]


def _fleet(merchants: int, memory: str = "") -> list[Figure]:
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as folder:
        settings = fleet_in_sync(url, Path(folder), merchants)
        first, _ = _plan(settings)
        again, asked = _plan(settings)
        _, of_one = _plan(settings, "--target", "m-00007")
    pages = -(-merchants // 5000)
    return [
        Figure(f"peak memory, {merchants:,} merchants, first time", first, "MiB", memory),
        Figure(f"peak memory, {merchants:,} merchants, in sync", again, "MiB", memory),
        Figure(f"requests, {merchants:,} merchants in sync", asked, "", f"<= {merchants + pages}"),
        Figure(f"requests, --target one of {merchants:,}", of_one, "", "<= 3"),
    ]


def _plan(settings: Settings, *arguments: str) -> tuple[float, int]:
    """Peak memory of the process in MiB, and the requests that it made."""
    before = ask(settings.base_url, "GET", "/_emulator/requests")["total"]
    command = [sys.executable, "-c", _PLAN, *arguments]
    done = subprocess.run(command, env=command_environment(settings), capture_output=True, text=True, check=True)
    peak = int(done.stderr.split()[-1]) / 1024
    return peak, ask(settings.base_url, "GET", "/_emulator/requests")["total"] - before


def command_environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "CODAT_API_KEY": str(settings.api_key),
        "CODAT_BASE_URL": settings.base_url,
        "MERCHANTCTL_STATE": settings.state,
        "MERCHANTCTL_MANIFESTS": str(settings.manifests),
        "MERCHANTCTL_REQUESTS_PER_MINUTE": "0",
        "MERCHANTCTL_CACHE": str(settings.cache),
    }
