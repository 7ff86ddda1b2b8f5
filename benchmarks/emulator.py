"""What the emulator costs: start, seeding, configuration reads, lists, memory.

The targets are for one core: 10,000 companies seeded in 5 s, 2,000 configuration reads a second, 400 MiB.
Reads are given per second of the server's own processor time, which a busy machine changes least.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from benchmarks.stage import AUTHORIZATION, Figure, ask, serve_emulator_process

COMPANY_COUNT = 10_000
_IN_FLIGHT = 16


def measure(companies: int = COMPANY_COUNT) -> list[Figure]:
    begun = time.perf_counter()
    with serve_emulator_process() as (url, pid):
        figures = [Figure("start", time.perf_counter() - begun, "s")]
        order = {"companies": companies, "state": "configured"}
        seeded, took = _timed(url, "POST", "/_emulator/seed", order)
        figures.append(Figure(f"{companies:,} companies seeded", took, "s", "<= 5"))
        ids = [each["companyId"] for each in seeded["merchants"]]
        for name in ("first reads of a configuration", "later reads"):
            before = _processor_seconds(pid)
            asyncio.run(_read_all(url, ids))
            rate = companies / (_processor_seconds(pid) - before)
            figures.append(Figure(name, rate, "a CPU s", ">= 2000"))
        _, took = _timed(url, "GET", "/meta/companies?page=1&pageSize=5000")
        return [
            *figures,
            Figure("a page of 5,000 companies", took, "s"),
            Figure("memory", _resident_mib(pid), "MiB", "<= 400"),
        ]


def _timed(url: str, method: str, path: str, body: Any = None) -> tuple[Any, float]:
    begun = time.perf_counter()
    return ask(url, method, path, body), time.perf_counter() - begun


async def _read_all(url: str, ids: list[str]) -> None:
    """Each configuration once, over a few connections that stay open; the client does as little as it can."""
    host, port = url.removeprefix("http://").split(":")
    waiting = list(ids)

    async def read_some() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while waiting:
            path = f"/config/companies/{waiting.pop()}/sync/commerce"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(read_some() for _ in range(_IN_FLIGHT)))


def _processor_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
