"""What the benchmarks stand on: figures, a served emulator, and a fleet in sync."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from controller.settings import Settings
from state import open_state

BENCHMARK_API_KEY = "emulator"
AUTHORIZATION = "Basic " + b64encode(BENCHMARK_API_KEY.encode()).decode()
_COMMAND = "from controller.cli.emulator import command; command()"
MANIFEST = """apiVersion: merchantctl/v1
kind: Merchant
metadata: {{name: {name}}}
spec:
  connection: {{platform: xero}}
  enabled: true
  mapping:
    sales: {{accounts: {{sales: {{code: "200"}}, refund: {{code: "205"}}}}, customer: {{name: POS daily takings}}}}
"""
_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, in which unit, and what it should be: `<= 2`, `>= 300`; "" where it is there to be read, not
    reached."""

    what: str
    value: float
    unit: str
    target: str = ""

    @property
    def is_missed(self) -> bool:
        if not self.target:
            return False
        comparison, _, goal = self.target.partition(" ")
        return self.value < float(goal) if comparison == ">=" else self.value > float(goal)


@contextmanager
def serve_emulator_process() -> Iterator[tuple[str, int]]:
    """An emulator of its own on a free port: its address and its process id."""
    command = [sys.executable, "-c", _COMMAND, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2], process.pid
        finally:
            process.terminate()


def ask(url: str, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url + path, data, {"Authorization": AUTHORIZATION}, method=method)
    with _direct.open(request) as answer:
        return json.loads(answer.read() or "null")


def measure_seconds(work: Any) -> tuple[float, float]:
    """CPU and wall of one piece of work in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def write_manifests(folder: Path, merchants: int, manifest: str = MANIFEST) -> Path:
    """One manifest a merchant."""
    folder.mkdir()
    for number in range(merchants):
        name = f"m-{number:05d}"
        (folder / f"{name}.yaml").write_text(manifest.format(name=name))
    return folder


def fleet_in_sync(url: str, folder: Path, merchants: int) -> Settings:
    """A fleet that is configured over there, declared here, and bound as after its first apply."""
    return bound_fleet(url, folder, merchants, "configured", MANIFEST)


def bound_fleet(
    url: str, folder: Path, merchants: int, state: str, manifest: str, place: str | None = None
) -> Settings:
    """A fleet that is in one of the emulator's states over there, declared here, and bound as after its first apply.
    `place`: where the state of this program is; without one, in a file of the folder."""
    seeded = ask(url, "POST", "/_emulator/seed", {"companies": merchants, "platform": "gbol", "state": state})
    place = place or f"sqlite:///{folder / 'state.db'}"
    asyncio.run(_bind(place, seeded["merchants"], configured=state == "configured"))
    manifests = write_manifests(folder / "manifests", merchants, manifest)
    return Settings(BENCHMARK_API_KEY, url, place, manifests, 0, cache=folder / "cache")


async def _bind(place: str, seeded: list[dict[str, str]], *, configured: bool) -> None:
    at = "2026-01-01T00:00:00+00:00" if configured else None
    merchants = [{**_who(each), "configured_at": at} for each in seeded]
    tables = {"merchants": merchants, "applied": [_what(each) for each in seeded]}
    async with open_state(place) as store:
        await store.import_({"schemaVersion": 1, "kind": "State", "tables": tables})


def _who(seeded: dict[str, str]) -> dict[str, Any]:
    return {
        "merchant": seeded["name"],
        "company_id": seeded["companyId"],
        "company_name": seeded["name"],
        "connection_id": seeded["accountingConnectionId"],
        "retired_at": None,
    }


def _what(seeded: dict[str, str]) -> dict[str, Any]:
    fields = {"company.name": seeded["name"]}
    return {"merchant": seeded["name"], "fields": fields, "deletion": "Retain", "at": "2026-01-01T00:00:00+00:00"}
