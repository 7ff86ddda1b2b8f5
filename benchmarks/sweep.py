"""An in-sync sweep against a bare loop that makes the same requests: CPU and wall, as ratios of one run.

The target is 1.15 for both. The loop uses the same HTTP library and does nothing with what it reads.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.emulator import _served, _timed
from controller import app
from controller.model.report import FleetPlan
from controller.model.run import Scope
from controller.settings import Settings

COMPANIES = 2_000
_WIDTH = 16
_MANIFEST = """apiVersion: merchantctl/v1
kind: Merchant
metadata: {{name: {name}}}
spec:
  connection: {{platform: xero}}
  enabled: true
  mapping:
    sales: {{accounts: {{sales: {{code: "200"}}, refund: {{code: "205"}}}}, customer: {{name: POS daily takings}}}}
"""


def measure(companies: int = COMPANIES) -> dict[str, float]:
    """Seconds of the sweep, of the bare loop, and their ratios."""
    with _served() as (url, _), tempfile.TemporaryDirectory() as folder:
        _timed(url, "POST", "/_emulator/seed", {"companies": companies, "platform": "gbol", "state": "configured"})
        settings = _settings(url, Path(folder), companies)
        asyncio.run(_adopt(settings))
        asyncio.run(app.look(settings, Scope()))
        ours = _cost(lambda: asyncio.run(app.look(settings, Scope())))
        loaded = _cost(lambda: app.manifests(settings, Scope(), strict=True))
        bare = _cost(lambda: asyncio.run(_bare(url)))
    return {
        "manifests loaded, CPU s": loaded[0],
        "sweep without manifests, CPU s": ours[0] - loaded[0],
        "bare loop, CPU s": bare[0],
        "CPU ratio": (ours[0] - loaded[0]) / bare[0],
        "wall ratio": (ours[1] - loaded[1]) / bare[1],
    }


def _settings(url: str, folder: Path, companies: int) -> Settings:
    manifests = folder / "manifests"
    manifests.mkdir()
    for number in range(companies):
        name = f"m-{number:05d}"
        (manifests / f"{name}.yaml").write_text(_MANIFEST.format(name=name))
    return Settings("emulator", url, f"sqlite:///{folder / 'state.db'}", manifests, 0)


async def _adopt(settings: Settings) -> None:
    done = await app.plan_and_apply(settings, app.Order(Scope(), agree=_nobody))
    assert not any(each.changes for each in (done if isinstance(done, FleetPlan) else done.plan).plans)


def _nobody(plan: FleetPlan) -> bool:
    return False


def _cost(work: Any) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


async def _bare(url: str) -> None:
    headers = {"Authorization": "Basic " + b64encode(b"emulator").decode()}
    async with httpx.AsyncClient(transport=AiohttpTransport(), base_url=url, headers=headers, timeout=30) as client:
        waiting = iter([each["id"] async for each in _listed(client)])

        async def work() -> None:
            for company in waiting:
                await client.get(f"/config/companies/{company}/sync/commerce")

        await asyncio.gather(*(work() for _ in range(_WIDTH)))


async def _listed(client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    number = seen = 0
    total = 1
    while seen < total:
        number += 1
        page = (await client.get("/meta/companies", params={"page": number, "pageSize": 5000})).json()
        total, seen = page["totalResults"], seen + len(page["results"])
        for company in page["results"]:
            yield company
