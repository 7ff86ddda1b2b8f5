"""An in-sync sweep against a bare loop that makes the same requests: CPU and wall, as ratios of one run.

The loop uses the same HTTP library and does nothing with what it reads. The two take turns, and the middle ratio
counts: a machine that is busy with something else is busy for both.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.stage import AUTHORIZATION, Figure, fleet_in_sync, measure_seconds, serve_emulator_process
from controller.model.run_policy import Scope
from controller.operations.bootstrap import load_manifests
from controller.operations.plan import plan_only
from controller.settings import Settings

SWEEP_MERCHANTS = 10_000
_TURNS = 3
_WIDTH = 16


def measure(merchants: int = SWEEP_MERCHANTS) -> list[Figure]:
    with serve_emulator_process() as (url, _), tempfile.TemporaryDirectory() as folder:
        settings = fleet_in_sync(url, Path(folder), merchants)
        first, _ = measure_seconds(lambda: _sweep(settings))
        turns = [_turn(settings, url) for _ in range(_TURNS)]
    cpu, wall, loaded, bare = (median(each) for each in zip(*turns, strict=True))
    return [
        Figure("first look, every merchant thought about", first, "CPU s"),
        Figure("bare loop", bare, "CPU s"),
        Figure("manifests, unchanged", loaded, "CPU s"),
        Figure("sweep without manifests ÷ bare loop, CPU", cpu, "", "<= 1.15"),
        Figure("sweep without manifests ÷ bare loop, wall", wall, "", "<= 1.15"),
    ]


def _turn(settings: Settings, url: str) -> tuple[float, float, float, float]:
    bare = measure_seconds(lambda: asyncio.run(_bare(url)))
    ours = measure_seconds(lambda: _sweep(settings))
    loaded = measure_seconds(lambda: load_manifests(settings, Scope(), strict=True))
    return (ours[0] - loaded[0]) / bare[0], (ours[1] - loaded[1]) / bare[1], loaded[0], bare[0]


def _sweep(settings: Settings) -> None:
    plan = asyncio.run(plan_only(settings, Scope()))
    assert not any(each.changes or each.findings for each in plan.plans)


async def _bare(url: str) -> None:
    headers = {"Authorization": AUTHORIZATION}
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
